"""A tuning under way: low-rank adapters learned step by step, with points to go on from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgrec.errors import DataError, ModelError
from kgrec.generate.lora import state as states
from kgrec.generate.lora.base import opened
from kgrec.generate.lora.batches import Encoded, encode, losses, text_losses
from kgrec.generate.lora.pairs import PARTS, Part, TextPair
from kgrec.generate.lora.settings import LoraSettings
from kgrec.generate.lora.state import State
from kgrec.generate.models.transformer import without_deprecations
from kgrec.progress import Progress

if TYPE_CHECKING:
    import torch


class Run:
    """A model with its adapters, the texts in tokens, and where the tuning stands."""

    def __init__(
        self,
        base: str,
        pairs: Mapping[Part, Sequence[TextPair]],
        folder: Path,
        settings: LoraSettings,
        progress: Progress,
    ) -> None:
        import torch

        loaded = opened(base, device=settings.device, dtype=_dtype(settings.device))
        self.tokenizer, model = loaded.parts()
        self.base, self.folder, self.settings, self.progress = base, folder, settings, progress
        first = next(iter(model.parameters())).detach().float().cpu().numpy().tobytes()
        self.mark = states.fingerprint(settings.shaping(), base, first, pairs)
        limit = min(settings.max_tokens, getattr(model.config, "max_position_embeddings", None) or settings.max_tokens)
        self.pairs, self.rows, self.left_out = self._encoded(pairs, limit)
        self.model: Any = _adapted(model, settings)
        self.adapters: dict[str, torch.nn.Parameter] = {
            name: weight for name, weight in self.model.named_parameters() if weight.requires_grad
        }
        self.optimiser = torch.optim.AdamW(list(self.adapters.values()), lr=settings.learning_rate, weight_decay=0.0)
        self.state, self.best = State(), self._copied()

    def resume(self) -> None:
        """Take up the last check, or look at the base model."""
        import torch

        found = states.load(self.folder, self.mark)
        if found is None:
            # Adapters begin as nothing: what is measured now is the base model.
            self.progress.log(
                f"{self.base}: the base model's likelihood on {len(self.rows['held-out'])} held-out texts"
            )
            self.state.before = self._judged("held-out")
            self.state.best = mean(self._judged("validation"))
            self.state.curve = [(0, float("nan"), self.state.best)]
            self._save()
            return
        self.state, tensors = found
        with torch.no_grad():
            for name, weight in self.adapters.items():
                weight.copy_(tensors[f"last.{name}"])
                self.best[name] = tensors[f"best.{name}"]
                if self.state.step:
                    moments = {kind: tensors[f"{kind}.{name}"].to(weight.device) for kind in ("exp_avg", "exp_avg_sq")}
                    self.optimiser.state[weight] = {"step": torch.tensor(float(self.state.step)), **moments}
        self.progress.log(f"goes on after step {self.state.step}")

    def learn(self) -> None:
        """Go through the steps that are left, with a check from time to time."""
        state, settings = self.state, self.settings
        heard: list[float] = []
        with self.progress.task("tuning", total=settings.steps) as task:
            task.advance(min(state.step, settings.steps))
            while state.step < settings.steps and not (0 < settings.patience <= state.bad):
                started = time.perf_counter()
                heard.append(self._step(state.step))
                state.step += 1
                task.advance()
                if state.step % settings.check_every == 0 or state.step == settings.steps:
                    self._check(mean(heard))
                    heard.clear()
                    task.note(f"validation {state.curve[-1][2]:.3f} nats a token")
                    self.progress.measured(state.step, -state.curve[-1][2])
                state.seconds += time.perf_counter() - started
                if not heard:
                    self._save()

    def judge(self) -> list[float]:
        """Take the adapters that were best on the validation part, and return the losses of the held-out part."""
        import torch

        with torch.no_grad():
            for name, weight in self.adapters.items():
                weight.copy_(self.best[name])
        return self._judged("held-out")

    def _step(self, step: int) -> float:
        """Learn from one batch; which one and with which dropout follows from seed and step alone."""
        import torch

        settings, rows = self.settings, self.rows["train"]
        epoch, at = divmod(step * settings.batch_size, len(rows))
        chosen: list[int] = []
        while len(chosen) < min(settings.batch_size, len(rows)):
            order = np.random.default_rng([settings.seed, 0x57EB, epoch]).permutation(len(rows))
            chosen += order[at : at + settings.batch_size - len(chosen)].tolist()
            epoch, at = epoch + 1, 0
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, (step + 1) / max(settings.warmup, 1))
        self.model.train()
        cuda = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            drawn = int(np.random.default_rng([settings.seed, step]).integers(2**31))
            torch.default_generator.manual_seed(drawn)
            if cuda:
                torch.cuda.manual_seed_all(drawn)
            with self._precision():
                found, there = losses(self.model, [rows[k] for k in chosen], self.tokenizer.pad_token_id)
            loss = found.sum() / there.sum()
            loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(list(self.adapters.values()), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.state.tokens += int(there.sum())
        return float(loss.detach())

    def _check(self, heard: float) -> None:
        """Look at the validation part, and keep the adapters if they are the best so far."""
        state = self.state
        value = mean(self._judged("validation"))
        state.curve.append((state.step, heard, value))
        if value < state.best:
            state.best, state.best_step, state.bad = value, state.step, 0
            self.best = self._copied()
        else:
            state.bad += 1

    def _judged(self, part: Part) -> list[float]:
        self.model.eval()
        rows, size = self.rows[part], max(1, self.settings.batch_size)
        ended = self.tokenizer.eos_token_id is not None
        with self._precision():
            return text_losses(self.model, rows, self.tokenizer.pad_token_id, size, ended=ended)

    def _precision(self) -> AbstractContextManager[Any]:
        import torch

        on_gpu = self.model.device.type == "cuda"
        return torch.autocast("cuda", dtype=torch.bfloat16) if on_gpu else nullcontext()

    def _copied(self) -> dict[str, torch.Tensor]:
        return {name: weight.detach().clone() for name, weight in self.adapters.items()}

    def _save(self) -> None:
        tensors: dict[str, torch.Tensor] = {}
        for name, weight in self.adapters.items():
            tensors |= {f"last.{name}": weight, f"best.{name}": self.best[name]}
            moments = self.optimiser.state.get(weight, {})
            tensors |= {f"{kind}.{name}": moments[kind] for kind in ("exp_avg", "exp_avg_sq") if kind in moments}
        states.save(self.folder, self.mark, self.state, tensors)

    def _encoded(
        self, pairs: Mapping[Part, Sequence[TextPair]], limit: int
    ) -> tuple[dict[Part, list[TextPair]], dict[Part, list[Encoded]], int]:
        """Return the pairs that are short enough, the same in tokens, and how many are not."""
        kept: dict[Part, list[TextPair]] = {}
        rows: dict[Part, list[Encoded]] = {}
        too_long = 0
        for part in PARTS:
            found = [(pair, encode(pair, self.tokenizer)) for pair in pairs[part]]
            short = [(pair, row) for pair, row in found if len(row) <= limit and row.before and len(row.after) > 1]
            too_long += len(found) - len(short)
            if part != "train":
                short = short[: self.settings.judged]
            if not short:
                raise DataError(
                    f"every text of the part {part!r} is longer than {limit} tokens with its prompt",
                    hint="raise max_tokens, or take a model with a longer context",
                )
            kept[part], rows[part] = [pair for pair, _ in short], [row for _, row in short]
        return kept, rows, too_long


def _adapted(model: Any, settings: LoraSettings) -> Any:
    """Put adapters on every linear layer but the last; they begin as nothing."""
    import torch
    from peft import LoraConfig, get_peft_model

    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    config = LoraConfig(
        task_type=kind,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(settings.seed)
        try:
            with without_deprecations():
                return get_peft_model(model, config)
        except ValueError as error:
            raise ModelError(f"the model takes no adapters: {str(error).splitlines()[0][:160]}") from None


def _dtype(device: str) -> Any:
    import torch

    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    return "bfloat16" if on_gpu else "float32"


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return float(np.mean(values))
