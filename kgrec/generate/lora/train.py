"""The tuning of a language model on texts, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kgrec.artifacts import storage_errors
from kgrec.generate.lora import state as states
from kgrec.generate.lora.base import check_packages, publish
from kgrec.generate.lora.learning import Run, mean
from kgrec.generate.lora.pairs import Part, TextPair, counted
from kgrec.generate.lora.settings import LoraSettings
from kgrec.generate.lora.state import State
from kgrec.progress import SILENT, Progress


@dataclass(frozen=True)
class Tuning:
    """What came of a tuning.

    Attributes:
        folder: with the adapters.
        base: name of the model that was tuned.
        state: where it ended.
        texts: texts of each part, by source, that were used.
        left_out: pairs that were too long.
        held_out: the texts that the figures are of.
        before, after: mean loss of a token of each held-out text in nats, under the base model and the tuned one.
        trained, all_weights: weights that were learned, and those there are.
    """

    folder: Path
    base: str
    state: State
    texts: Mapping[str, Mapping[str, int]]
    left_out: int
    held_out: tuple[TextPair, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    trained: int
    all_weights: int


def tune(
    base: str,
    pairs: Mapping[Part, Sequence[TextPair]],
    folder: Path,
    settings: LoraSettings,
    *,
    restart: bool = False,
    progress: Progress = SILENT,
) -> Tuning:
    """Tune a model and publish the adapters that the validation part likes best; the held-out part decides nothing.

    Interrupted, it goes on from the last check when it is called again with the same arguments; with more ``steps`` or
    more ``patience`` it goes on from where it ended.

    Args:
        base: name of the model, see :func:`kgrec.generate.lora.base.located`.
        pairs: texts of each part.
        folder: of the tuning; made where it is missing.
        settings: options.
        restart: begin anew.
        progress: told where it is.

    Raises:
        MissingExtraError: peft, or what the base model needs, is not installed.
        DataError: all texts of a part are too long.
        ModelError: the model cannot be loaded, or takes no adapters.
        UsageError: the folder holds another tuning.
    """
    check_packages()
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if restart:
            (folder / states.FILE).unlink(missing_ok=True)
    run = Run(base, pairs, folder, settings, progress)
    run.resume()
    run.learn()
    after = run.judge()
    state = run.state
    used: dict[str, dict[str, int]] = {part: counted(rows) for part, rows in run.pairs.items()}
    trained, every = (
        sum(weight.numel() for weight in rows) for rows in (run.adapters.values(), run.model.parameters())
    )
    record = {
        "base": base,
        "settings": asdict(settings),
        "texts": used,
        "left_out": run.left_out,
        "held_out_loss": {"before": mean(state.before), "after": mean(after)},
        "steps": state.step,
        "best_step": state.best_step,
        "seconds": round(state.seconds, 1),
        "curve": [[step, None if np.isnan(own) else own, other] for step, own, other in state.curve],
    }
    with storage_errors(folder):
        publish(folder, run.model, record)
    held_out = tuple(run.pairs["held-out"])
    return Tuning(folder, base, state, used, run.left_out, held_out, tuple(state.before), tuple(after), trained, every)
