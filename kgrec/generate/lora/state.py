"""Where a tuning stands: one file, replaced whole, from which an interrupted tuning goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.artifacts import replacing
from kgrec.errors import CorruptArtifactError, UsageError
from kgrec.generate.lora.pairs import Part, TextPair

if TYPE_CHECKING:
    import torch

FILE = "checkpoint.safetensors"


@dataclass
class State:
    """Where a tuning stands.

    Attributes:
        step: steps done.
        best_step: the step whose adapters were best on the validation part; 0: none was better than the base model.
        best: its mean loss there, in nats a token.
        bad: checks since then.
        tokens: that were learned from.
        seconds: spent.
        curve: step, loss on the texts learned from since the last check, loss on the validation part.
        before: loss of each held-out text under the base model.
    """

    step: int = 0
    best_step: int = 0
    best: float = float("inf")
    bad: int = 0
    tokens: int = 0
    seconds: float = 0.0
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    before: list[float] = field(default_factory=list)


def fingerprint(
    shaping: Mapping[str, object], base: str, weights: bytes, pairs: Mapping[Part, Sequence[TextPair]]
) -> str:
    """Return a hash of everything that decides what each step does."""
    told = [
        dict(shaping),
        base,
        hashlib.sha256(weights).hexdigest(),
        {part: [asdict(pair) for pair in rows] for part, rows in pairs.items()},
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def save(folder: Path, mark: str, state: State, tensors: Mapping[str, torch.Tensor]) -> None:
    """Replace the checkpoint of ``folder`` in one move.

    Args:
        folder: of the tuning.
        mark: its fingerprint.
        state: where it stands.
        tensors: adapters, the best adapters and what the optimiser knows, by name.
    """
    from safetensors.torch import save_file

    with replacing(folder / FILE) as aside:
        whole = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
        save_file(whole, str(aside), metadata={"mark": mark, "state": json.dumps(asdict(state))})


def load(folder: Path, mark: str) -> tuple[State, dict[str, torch.Tensor]] | None:
    """Return the checkpoint of ``folder``, or None where there is none.

    Raises:
        CorruptArtifactError: it is damaged.
        UsageError: it is of a tuning with other texts or options.
    """
    from safetensors import SafetensorError, safe_open

    file = folder / FILE
    if not file.is_file():
        return None
    try:
        with safe_open(str(file), framework="pt") as stream:
            metadata: dict[str, Any] = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  # no mapping
        values = json.loads(metadata["state"])
        state = State(**{**values, "curve": [tuple(row) for row in values["curve"]]})
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CorruptArtifactError(f"{file} cannot be read: {error}", hint="tune anew with --restart") from None
    if metadata.get("mark") != mark:
        raise UsageError(
            f"{folder} holds a tuning with another model, other texts or options",
            hint="--restart to begin anew, or --out for another folder",
        )
    return state, tensors
