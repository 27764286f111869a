"""Texts as tensors, and how likely a model finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kgrec.generate.lora.pairs import TextPair

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""Label of a token that is not foretold; what transformers takes for it."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A pair in tokens.

    Attributes:
        before: the prompt.
        after: the text and the token that ends it.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


def encode(pair: TextPair, tokenizer: Any) -> Encoded:
    """Return the tokens of a pair, split as they are when texts are written: the text begins with a space."""
    before = tokenizer(pair.prompt).input_ids
    after = tokenizer(f" {pair.text.strip()}", add_special_tokens=False).input_ids
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return Encoded(tuple(before), (*after, *end))


def losses(model: Any, rows: Sequence[Encoded], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the negative log likelihood of each token of the texts.

    Args:
        model: causal, or sequence to sequence.
        rows: the batch, ``b`` pairs.
        pad: token that fills up short rows.

    Returns:
        Losses in nats, shape ``(b, t)``, and whether there is a token, shape ``(b, t)``; rows end with the end token.
    """
    from torch.nn.functional import cross_entropy

    if model.config.is_encoder_decoder:
        inputs, mask = _padded([row.before for row in rows], pad)
        labels, _ = _padded([row.after for row in rows], IGNORED)
        labels = labels.to(model.device)
        logits = model(input_ids=inputs.to(model.device), attention_mask=mask.to(model.device), labels=labels).logits
    else:
        inputs, mask = _padded([row.before + row.after for row in rows], pad)
        spoken = [(IGNORED,) * len(row.before) + row.after for row in rows]
        labels = _padded(spoken, IGNORED)[0].to(model.device)
        # Logits over a large vocabulary take more memory than the model: those of the prompts are not made.
        kept = inputs.shape[1] - min(len(row.before) for row in rows) + 1
        logits = model(
            input_ids=inputs.to(model.device), attention_mask=mask.to(model.device), logits_to_keep=kept
        ).logits[:, -kept:-1]  # (b, t, v)
        labels = labels[:, 1 - kept :]
    flat = cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    found: torch.Tensor = flat.view(labels.shape)
    there: torch.Tensor = labels != IGNORED
    return found, there


def text_losses(model: Any, rows: Sequence[Encoded], pad: int, size: int, *, ended: bool) -> list[float]:
    """Return the mean loss of a token of each text, in nats; the token that ends a text does not count.

    Before tuning a model knows nothing of that token: with it, any tuning looks better than it is.

    Args:
        model: in evaluation mode.
        rows: pairs.
        pad: token that fills up short rows.
        size: pairs at once.
        ended: whether texts end with an end token.
    """
    import torch

    order = sorted(range(len(rows)), key=lambda k: len(rows[k]))  # like lengths together
    values = [0.0] * len(rows)
    with torch.inference_mode():
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            found, there = losses(model, [rows[k] for k in chosen], pad)
            counts = there.sum(1) - int(ended)
            if ended:
                last = there.cumsum(1) == there.sum(1, keepdim=True)
                there = there & ~last
            sums = (found * there).sum(1) / counts.clamp(min=1)
            for k, value in zip(chosen, sums.tolist(), strict=True):
                values[k] = float(value)
    return values


def _padded(rows: Sequence[Sequence[int]], fill: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens, shape ``(b, longest)``, filled up on the right, and 1 where there is one."""
    import torch

    longest = max(map(len, rows))
    tokens = torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return tokens, mask
