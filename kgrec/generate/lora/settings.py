"""How a language model is tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kgrec.errors import UsageError


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Options of a tuning. Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models*, ICLR 2022.

    Attributes:
        steps: of the optimiser, at most.
        patience: checks in a row without a better validation likelihood that end it; 0: never.
        check_every: steps between two checks, each of which is also a point to go on from.
        batch_size: texts a step.
        learning_rate: of AdamW, reached after ``warmup`` steps, then constant, so that a tuning can be lengthened.
        warmup: steps.
        rank: of the adapters, which sit on every linear layer but the last.
        alpha: the adapters' sum is scaled by ``alpha / rank``.
        dropout: in front of the adapters.
        max_tokens: pairs that are longer are left out.
        judged: texts of the validation part, and of the held-out part, that are looked at, at most.
        seed: of adapters, order and dropout.
        device: ``auto``, ``cpu`` or ``cuda``; the base model is bfloat16 on a GPU, float32 elsewhere.
    """

    steps: int = 200
    patience: int = 4
    check_every: int = 20
    batch_size: int = 4
    learning_rate: float = 5e-4
    warmup: int = 10
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    max_tokens: int = 1024
    judged: int = 64
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: one is out of range.
        """
        least = {"steps": 1, "check_every": 1, "batch_size": 1, "rank": 1, "alpha": 1, "max_tokens": 8, "judged": 1}
        for name, low in (*least.items(), ("patience", 0), ("warmup", 0), ("seed", 0)):
            if getattr(self, name) < low:
                raise UsageError(f"{name} must be at least {low}, not {getattr(self, name)}")
        if not 0 < self.learning_rate < 1 or not 0 <= self.dropout < 1:
            raise UsageError("learning_rate must lie between 0 and 1, dropout in [0, 1)")
        if self.device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"unknown device {self.device!r}", hint="auto, cpu or cuda")

    def shaping(self) -> dict[str, object]:
        """Return the options that decide what each step does; the others only say how far to go."""
        names = ("check_every", "batch_size", "learning_rate", "warmup", "rank", "alpha", "dropout", "max_tokens")
        return {name: getattr(self, name) for name in (*names, "judged", "seed")}
