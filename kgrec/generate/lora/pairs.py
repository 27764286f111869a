"""What a language model is tuned on: prompts as they are at generation, and the texts that should follow them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kgrec.errors import DataError
from kgrec.languages.language import get_language
from kgrec.text.tokens import sentences

Part = Literal["train", "validation", "held-out"]
PARTS: tuple[Part, ...] = ("train", "validation", "held-out")


@dataclass(frozen=True, slots=True)
class TextPair:
    """A prompt and the text that should follow it.

    Attributes:
        prompt: as a language model is asked at generation.
        text: what it should answer.
        items: ids of the items that the text is about.
        kind: of text.
        source: ``template``, ``description`` or ``accepted``.
    """

    prompt: str
    text: str
    items: tuple[str, ...]
    kind: str
    source: str


def split_items(ids: Sequence[str], seed: int, *, share: float = 0.1) -> dict[str, Part]:
    """Put every item into one part: all texts about an item are then learned from, or none.

    Args:
        ids: of all items of the catalogue.
        seed: draws the items.
        share: of the items that are held out, and as many for validation; at least one each.

    Raises:
        DataError: there are fewer than three items.
    """
    if len(ids) < len(PARTS):
        raise DataError(
            f"a catalogue of {len(ids)} items cannot be split into train, validation and held-out",
            hint="at least three items are needed, and some hundred to learn anything",
        )
    names = sorted(ids)
    order = np.random.default_rng([seed, 0x10BA]).permutation(len(names))
    aside = min(max(1, round(share * len(names))), (len(names) - 1) // 2)
    parts: dict[str, Part] = dict.fromkeys(names, "train")
    parts |= {names[k]: "held-out" for k in order[:aside]}
    parts |= {names[k]: "validation" for k in order[aside : 2 * aside]}
    return parts


def part_of(items: Iterable[str], parts: Mapping[str, Part]) -> Part:
    """Return the part of a text about several items: what touches a held-out one is held out, whatever else it holds.

    Items that the catalogue no longer has are held out by nobody.
    """
    found = {parts.get(item, "train") for item in items}
    return "held-out" if "held-out" in found else "validation" if "validation" in found else "train"


def without_leaks(pairs: Mapping[Part, Sequence[TextPair]]) -> dict[Part, list[TextPair]]:
    """Take out of each part every text that stands word for word in a part that is judged; items may be twins.

    Raises:
        DataError: a part has no texts left.
    """
    seen: set[str] = set()
    clean: dict[Part, list[TextPair]] = {}
    for part in reversed(PARTS):
        mine = [pair for pair in pairs.get(part, ()) if pair.text.strip() and _folded(pair.text) not in seen]
        seen |= {_folded(pair.text) for pair in mine}
        clean[part] = list({(pair.prompt, pair.text): pair for pair in mine}.values())
    for part in PARTS:
        if not clean[part]:
            raise DataError(
                f"there are no texts for the part {part!r}", hint="a larger catalogue, or more kinds or sources"
            )
    return {part: clean[part] for part in PARTS}


def shortened(text: str, code: str, limit: int) -> str:
    """Return the first sentences of a text that fit into ``limit`` words or characters, or nothing.

    >>> shortened("A quiet film. It is long. And so on and on.", "en", 6)
    'A quiet film. It is long.'
    >>> shortened("很安静的电影。片子很长。", "zh", 8)
    '很安静的电影。'
    """
    pack = get_language(code)
    kept: list[str] = []
    for sentence in sentences(text):
        if pack.size(pack.joined([*kept, sentence])) > limit:
            break
        kept.append(sentence)
    return pack.joined(kept)


def counted(pairs: Iterable[TextPair]) -> dict[str, int]:
    """Return how many pairs there are of each source."""
    return dict(sorted(Counter(pair.source for pair in pairs).items()))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
