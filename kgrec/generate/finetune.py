"""Fine-tuning of language models on a workspace's texts: adapters by peft, learned by transformers' Trainer."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgrec.artifacts import read_json, scratch_folder, storage_errors, write_json
from kgrec.errors import CorruptArtifactError, DataError, ModelError, UsageError
from kgrec.generate.finetune_texts import PARTS, FineTuneOptions, Part, TextPair, texts_of
from kgrec.generate.models.transformer import without_deprecations
from kgrec.generate.models.tuned import ADAPTERS, RECORD, check_packages, opened
from kgrec.generate.parts import TUNED
from kgrec.generate.service import TextService
from kgrec.progress import SILENT, Progress, Task
from kgrec.significance import Interval, Paired, bootstrap, compare

if TYPE_CHECKING:
    from kgrec.generate.feedback.feedback import AcceptedText

CHECKPOINTS, FINGERPRINT = "checkpoints", "fingerprint.json"
"""Folder beside the adapters from which an interrupted tuning is resumed, and the file that says what tuning it is of.

Adapters are safetensors there, too; the optimiser's and the random generators' state are torch files, which Trainer
reads with ``weights_only``: they hold tensors and numbers, and no code is run.
"""

IGNORED = -100
"""Label of a token that is not predicted; what transformers takes for it."""

OF_TEXTS = ("base", "out", "kinds", "language", "sources", "items", "restart", "device")
"""Options that say what is learned and where; of the others, all but ``steps`` and ``patience`` shape each step."""


class ValidationCheck(NamedTuple):
    """A look at the validation part after ``step`` steps and ``seconds`` seconds; losses in nats a token.

    ``train`` is the loss on what was learned from since the last check, None before the first step.
    """

    step: int
    train: float | None
    validation: float
    seconds: float


@dataclass(frozen=True)
class FineTuneResult:
    """A tuned model, and how much likelier held-out texts became.

    Attributes:
        folder: with the adapters.
        base: name of the model that was tuned.
        checks: in order, the first one of the base model.
        best_step: the step whose adapters are kept; 0: none was better than the base model, so they change nothing.
        tokens: that were read, of prompts and texts.
        texts: texts of each part, by source, that were used.
        left_out: pairs that were too long.
        trained, all_weights: weights that were learned, and those there are.
        held_out: the texts that the figures are of.
        losses: mean loss of a token of each of them in nats, under the base model and the tuned one, shape ``(t, 2)``.
        before, after: the same over held-out items, with their intervals.
        change: ``after - before`` by item.
        sources: the same change for each source of texts.
    """

    folder: Path
    base: str
    checks: tuple[ValidationCheck, ...]
    best_step: int
    tokens: int
    texts: Mapping[Part, Mapping[str, int]]
    left_out: int
    trained: int
    all_weights: int
    held_out: tuple[TextPair, ...]
    losses: NDArray[np.float64]
    before: Interval
    after: Interval
    change: Paired
    sources: Mapping[str, Paired]


def finetune(
    service: TextService,
    accepted: Callable[[], Iterable[AcceptedText]],
    options: FineTuneOptions,
    progress: Progress = SILENT,
) -> FineTuneResult:
    """Collect texts and tune.

    Items are drawn for three parts that share no item and no text: to learn from, to choose the step, to judge.

    Args:
        service: writes requests and the template's texts.
        accepted: returns the generated texts that readers or editors accepted.
        options: base model, texts, and how to tune.
        progress: told where it is.

    Raises:
        MissingExtraError: peft, or what the base model needs, is not installed.
        DataError: there are too few items or texts.
        UsageError: the folder holds another tuning.
    """
    check_packages()
    pairs = texts_of(service, accepted, options, progress)
    return tune(pairs, options.out or service.workspace.artifacts / TUNED, options, progress)


def tune(
    pairs: Mapping[Part, Sequence[TextPair]], folder: Path, options: FineTuneOptions, progress: Progress = SILENT
) -> FineTuneResult:
    """Tune a model and publish the adapters that the validation part likes best; the held-out part decides nothing.

    Interrupted, it is resumed from the last check when it is called again with the same arguments; with more ``steps``
    or more ``patience`` it goes on from where it ended.

    Args:
        pairs: texts of each part.
        folder: of the tuning; made where it is missing.
        options: how to tune.
        progress: told where it is.

    Raises:
        MissingExtraError: peft, or what the base model needs, is not installed.
        DataError: all texts of a part are too long.
        ModelError: the model cannot be loaded, or takes no adapters.
        UsageError: the folder holds another tuning.
        CorruptArtifactError: a checkpoint is damaged.
    """
    check_packages()
    if options.device == "auto":
        import torch

        options = options.model_copy(update={"device": "cuda" if torch.cuda.is_available() else "cpu"})
    loaded = opened(options.base, device=options.device, dtype="bfloat16" if options.device == "cuda" else "float32")
    tokenizer, model = loaded.parts()
    texts = _Texts.of(pairs, tokenizer, model.config, options)
    checkpoints = folder / CHECKPOINTS
    first = next(iter(model.parameters())).detach().float().cpu().numpy().tobytes()
    _claim(checkpoints, _fingerprint(options, first, pairs), restart=options.restart)
    with _own_randomness(), without_deprecations():
        adapted = _adapted(model, options)
        state = _trained(adapted, texts, checkpoints, options, progress)
    best = int(state.best_global_step or 0)
    _take(adapted, checkpoints / f"checkpoint-{best}" if best else None)
    progress.log(f"the likelihood of {len(texts.pairs['held-out'])} held-out texts, under {options.base} and tuned")
    asked = [pair.prompt for pair in texts.pairs["held-out"]], [pair.text for pair in texts.pairs["held-out"]]
    with adapted.disable_adapter():
        before = loaded.log_likelihood(*asked)
    losses = -np.column_stack([before, loaded.log_likelihood(*asked)])
    weights = [(weight.numel(), weight.requires_grad) for weight in adapted.parameters()]
    result = FineTuneResult(
        folder,
        options.base,
        _checks(state),
        best,
        state.num_input_tokens_seen,
        {part: dict(sorted(Counter(pair.source for pair in rows).items())) for part, rows in texts.pairs.items()},
        texts.left_out,
        sum(count for count, learned in weights if learned),
        sum(count for count, _ in weights),
        tuple(texts.pairs["held-out"]),
        losses,
        **_compared(texts.pairs["held-out"], losses, np.random.default_rng(options.seed)),
    )
    with storage_errors(folder):
        _publish(adapted, result, options)
    return result


@dataclass(frozen=True)
class _Texts:
    """Pairs that are short enough, the same in tokens as a model takes them, and how many were left out."""

    pairs: Mapping[Part, list[TextPair]]
    rows: Mapping[Part, list[dict[str, list[int]]]]
    left_out: int
    pad: int

    @classmethod
    def of(
        cls, pairs: Mapping[Part, Sequence[TextPair]], tokenizer: Any, config: Any, options: FineTuneOptions
    ) -> _Texts:
        """Split texts into tokens as they are split when they are written: a text begins with a space."""
        limit = min(options.max_tokens, config.to_dict().get("max_position_embeddings") or options.max_tokens)
        end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        kept: dict[Part, list[TextPair]] = {}
        rows: dict[Part, list[dict[str, list[int]]]] = {}
        for part in PARTS:
            kept[part], rows[part] = [], []
            for pair in pairs[part]:
                before = tokenizer(pair.prompt).input_ids
                after = [*tokenizer(f" {pair.text.strip()}", add_special_tokens=False).input_ids, *end]
                if not before or len(after) < 2 or len(before) + len(after) > limit:
                    continue
                apart = {"input_ids": before, "labels": after}
                joined = {"input_ids": before + after, "labels": [IGNORED] * len(before) + after}
                kept[part].append(pair)
                rows[part].append(apart if config.is_encoder_decoder else joined)
            if not kept[part]:
                raise DataError(
                    f"every text of the part {part!r} is longer than {limit} tokens with its prompt",
                    hint="raise max_tokens, or take a model with a longer context",
                )
        left_out = sum(len(pairs[part]) - len(kept[part]) for part in PARTS)
        for part in PARTS[1:]:
            kept[part], rows[part] = kept[part][: options.judged], rows[part][: options.judged]
        return cls(kept, rows, left_out, tokenizer.pad_token_id)

    def batch(self, rows: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, Any]:
        """Return rows as tensors, short ones filled up on the right."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        inputs = [torch.tensor(row["input_ids"]) for row in rows]
        labels = pad_sequence([torch.tensor(row["labels"]) for row in rows], True, IGNORED)  # (b, t)
        batch: dict[str, Any] = {
            "input_ids": pad_sequence(inputs, True, self.pad),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in inputs], True, 0),
        }
        asked = labels != IGNORED
        if bool(asked[:, 0].any()):  # sequence to sequence
            return {**batch, "labels": labels}
        # Logits over a large vocabulary take more memory than the model: those of the prompts are not made.
        keep = int(labels.shape[1] - asked.int().argmax(1).min()) + 1
        return {**batch, "labels": labels[:, -keep:], "logits_to_keep": keep}


def _adapted(model: Any, options: FineTuneOptions) -> Any:
    """Put adapters on every linear layer but the last; they begin as nothing."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.default_generator.manual_seed(options.seed)
    config = LoraConfig(
        task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
        r=options.rank,
        lora_alpha=options.alpha or 2 * options.rank,
        lora_dropout=options.dropout,
        target_modules="all-linear",
    )
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise ModelError(f"the model takes no adapters: {str(error).splitlines()[0][:160]}") from None
    # Where the base model lies on this machine is nobody's business, and peft would ask the hub about it.
    adapted.peft_config["default"].base_model_name_or_path = ""
    return adapted


def _trained(model: Any, texts: _Texts, folder: Path, options: FineTuneOptions, progress: Progress) -> Any:
    """Learn, from the last checkpoint on where there is one; return the TrainerState of transformers."""
    from transformers import PrinterCallback, Trainer, TrainerState, TrainingArguments

    whole = [file.parent for file in folder.glob("checkpoint-*/trainer_state.json")]  # it is written last
    last = max(whole, key=lambda found: int(found.name.removeprefix("checkpoint-")), default=None)
    if last is not None:
        with _checkpoint(last):
            state = TrainerState.load_from_json(str(last / "trainer_state.json"))
        progress.log(f"resumed after step {state.global_step}")
        if state.global_step >= options.steps or _is_over(state, options.patience):
            return state
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=options.steps,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=options.warmup,
        bf16=options.device == "cuda",
        use_cpu=options.device == "cpu",
        seed=options.seed,
        eval_on_start=last is None,
        eval_strategy="steps",
        eval_steps=options.check_every,
        save_strategy="steps",
        save_steps=options.check_every,
        save_total_limit=2,  # the best and the last
        metric_for_best_model="eval_loss",
        logging_steps=options.check_every,
        include_num_input_tokens_seen="non_padding",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )
    with progress.task("tuning", total=options.steps) as task:
        watch = _watch(options, progress, task)
        trainer = Trainer(
            model,
            arguments,
            data_collator=texts.batch,
            train_dataset=texts.rows["train"],
            eval_dataset=texts.rows["validation"],
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        with _checkpoint(last, lambda: watch.began is None):
            trainer.train(resume_from_checkpoint=None if last is None else str(last))
    return trainer.state


def _watch(options: FineTuneOptions, progress: Progress, task: Task) -> Any:
    """Return a callback of Trainer that shows progress, measures time, and stops after ``patience`` checks."""
    from transformers import TrainerCallback

    class _Watch(TrainerCallback):
        began: float | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            spent = [row["seconds"] for row in state.log_history if "seconds" in row]
            self.began = time.perf_counter() - (spent[-1] if spent else 0.0)
            task.advance(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            task.advance()

        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:  # noqa: ARG002
            assert self.began is not None
            loss = more["metrics"]["eval_loss"]
            state.log_history[-1]["seconds"] = round(time.perf_counter() - self.began, 1)
            if state.global_step == 0:  # only what is better than the base model counts
                state.best_metric, state.best_global_step = loss, 0
            else:
                task.note(f"validation {loss:.3f} nats a token")
                progress.measured(state.global_step, -loss)
            control.should_training_stop |= _is_over(state, options.patience)

    return _Watch()


def _is_over(state: Any, patience: int) -> bool:
    """Say whether the last ``patience`` checks were no better than one before them."""
    losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
    return 0 < patience <= len(losses) - 1 - int(np.argmin(losses))


def _checks(state: Any) -> tuple[ValidationCheck, ...]:
    """Return :attr:`FineTuneResult.checks`."""
    learned = {row["step"]: row["loss"] for row in state.log_history if "loss" in row}
    checks = (row for row in state.log_history if "eval_loss" in row)
    return tuple(
        ValidationCheck(row["step"], learned.get(row["step"]), row["eval_loss"], row["seconds"]) for row in checks
    )


def _take(model: Any, checkpoint: Path | None) -> None:
    """Take the adapters of a checkpoint, or None's: those that change nothing."""
    import torch
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    model.eval()
    if checkpoint is None:
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.zero_()
        return
    with _checkpoint(checkpoint):
        set_peft_model_state_dict(model, load_file(checkpoint / ADAPTERS))


@contextmanager
def _checkpoint(folder: Path | None, reading: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Say that a checkpoint is damaged where something fails while it is read."""
    try:
        yield
    except Exception as error:
        if folder is None or not reading():
            raise
        told = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise CorruptArtifactError(f"{folder} cannot be read: {told}", hint="start over with --restart") from error


def _fingerprint(options: FineTuneOptions, weights: bytes, pairs: Mapping[Part, Sequence[TextPair]]) -> str:
    """Return a hash of everything that decides what each step does."""
    texts = {part: [asdict(pair) for pair in rows] for part, rows in pairs.items()}
    shaping = options.model_dump(exclude={*OF_TEXTS, "steps", "patience"})
    told = [shaping, options.base, hashlib.sha256(weights).hexdigest(), texts]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _claim(folder: Path, fingerprint: str, *, restart: bool) -> None:
    """Make the folder of the checkpoints, or see that those in it are of this tuning."""
    mark = folder / FINGERPRINT
    with storage_errors(folder):
        if restart and mark.is_file():  # else it is not ours to delete
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            write_json(mark, fingerprint)
        elif not mark.is_file() or read_json(mark) != fingerprint:
            raise UsageError(
                f"{folder.parent} holds a tuning with another model, other texts or options",
                hint="--restart to start over, or --out for another folder",
            )


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Put the global random generators, which Trainer seeds and draws from, back as they were."""
    import torch

    kept, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # they are Trainer's
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(kept)
        np.random.set_state(of_numpy)  # noqa: NPY002


def _compared(pairs: Sequence[TextPair], losses: NDArray[np.float64], rng: np.random.Generator) -> dict[str, Any]:
    """Average the texts of an item, then over items: texts about one item are alike."""

    def by_item(rows: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        names = [",".join(pairs[row].items) for row in rows]
        _, own, counts = np.unique(names, return_inverse=True, return_counts=True)
        before, after = (np.bincount(own, weights=column) / counts for column in losses[rows].T)
        return before, after

    sources = {}
    for source in sorted({pair.source for pair in pairs}):
        before, after = by_item([row for row, pair in enumerate(pairs) if pair.source == source])
        sources[source] = compare(after, before, rng)
    before, after = by_item(range(len(pairs)))
    change = compare(after, before, rng)
    return {"change": change, "before": bootstrap(before, rng), "after": bootstrap(after, rng), "sources": sources}


def _publish(model: Any, result: FineTuneResult, options: FineTuneOptions) -> None:
    """Write the adapters and what is known of them; each file is replaced whole, the record last."""
    folder = result.folder
    model.peft_config["default"].base_model_name_or_path = result.base
    with scratch_folder(folder, "adapter") as aside:
        model.save_pretrained(aside, save_embedding_layers=False)  # they are never tuned
        for name in (ADAPTERS, "adapter_config.json"):
            (aside / name).replace(folder / name)
    record = {
        "base": result.base,
        "options": options.model_dump(exclude=set(OF_TEXTS)),
        "texts": result.texts,
        "left_out": result.left_out,
        "held_out_loss": {"before": result.before.mean, "after": result.after.mean},
        "best_step": result.best_step,
        "checks": result.checks,
    }
    write_json(folder / RECORD, record)
