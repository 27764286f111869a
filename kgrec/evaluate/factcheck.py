"""A second opinion on what texts state, by another route than the guards: straight from the tables and the graph.

It shares no code with the facts, the guards and the templates (none of generate is imported): names are looked up
as runs of words in a table of the graph's labels, capitals and numbers found by expressions of its own, relations and
counts checked against edges. Where guard and checker agree, they do so for different reasons.

It does not see claims made of ordinary words alone, nor what a sentence makes of words that the description does hold.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import pairwise

import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.data.impressions import touched
from kgrec.graph.knowledge_graph import KnowledgeGraph

LONGEST = 80
"""Words of a name at most."""

_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_SENTENCE = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\b(?:Mr|Dr|Ms|St|Jr|vs)\.)(?<!\bMrs\.)\s+(?=[A-Z\"“])|(?<=[。！？；])"
)
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w])|(?<=[\u3400-\u9fff])\d+(?:\.\d+)?(?=[\u3400-\u9fff])")
_NEGATION = re.compile(r"\b(?:not|never|no|without|neither|nor|cannot|\w+n['’]t)\b|(?:不|没有|并非|从未)")
_PRAISE = re.compile(
    r"\b(?:award\w*|oscars?|acclaimed|best[- ]sell\w+|masterpieces?|blockbusters?|true story|free|discount\w*|sale"
    r"|guarantee\w*|warranty|cheap\w*|sequel|prequel|remake|limited|proven|certified)\b",
    re.I,
)
_SIZE = re.compile(r"\d|^(?:mm|cm|ml|kg|lbs?|oz|in|inch|ft|yds?|pcs|packs?|per|nm)\.?$", re.I)
_COUNTS = {
    w: n for n, w in enumerate(["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=2)
}


@cache
def _relations() -> Mapping[str, re.Pattern[str]]:
    """Part of a relation's name -> what stands before a name that it is claimed of."""
    text = files("kgrec.evaluate").joinpath("factcheck.toml").read_text(encoding="utf-8")
    return {part: re.compile(said) for part, said in tomllib.loads(text)["relations"].items()}


@dataclass(frozen=True, slots=True)
class Name:
    """``text[start:end]`` is what these nodes are called."""

    start: int
    end: int
    nodes: frozenset[int]


class FactChecker:
    """Says what in a text neither the item's row, its edges nor the reader's history bears out.

    Args:
        dataset: the tables.
        graph: the knowledge graph.
        rows: boolean, one an interaction: those that a text may speak of; default: the training and validation rows.
            What was only shown to a reader is no part of their history.
    """

    def __init__(self, dataset: Dataset, graph: KnowledgeGraph, rows: pl.Series | None = None) -> None:
        self._items, self._graph = dataset.items, graph
        allowed = dataset.interactions["split"] != "test" if rows is None else rows
        history = touched(dataset.interactions.filter(allowed))
        self._touched = history.select("user", "item").unique().sort("user", "item")
        nodes = graph.nodes.with_row_index("node").filter(pl.col("kind") == "item")
        self._node_of = dict(nodes.select("index", "node").iter_rows())
        self._around: dict[int, Mapping[int, frozenset[str]]] = {}
        self._history: dict[int, frozenset[int]] = {}

    def unsupported(self, text: str, items: Sequence[int], user: int | None = None) -> list[str]:
        """Return what nothing bears out, as short notes; an empty list where all is borne out.

        Args:
            text: what was written.
            items: positions of the items that it is about.
            user: position of the reader, or None.
        """
        own = frozenset(self._node_of[item] for item in items if item in self._node_of)
        history = frozenset() if user is None else self._histories(user)
        near = {node: kinds for item in items for node, kinds in self._neighbours(item).items()}
        row = " ".join(self._row(item) for item in items)
        known = own | history | near.keys()
        found: list[str] = []
        for sentence, names in _sentences(text, list(self._names(text, known))):
            found += [
                f"name: {sentence[n.start : n.end]}"
                for n in names
                if not n.nodes & known and _folded(sentence[n.start : n.end]) not in row
            ]
            found += [f"relation: {claim}" for claim in self._relations(sentence, names, near, own)]
            bare = _without(sentence, names)
            found += [f"capitals: {words}" for words in _capitals(bare) if _folded(words) not in row]
            found += [f"number: {n}" for n in _numbers(bare) if not self._borne_out(n, row, names, history, near)]
            found += [f"claim: {m[0]}" for m in _PRAISE.finditer(bare) if _folded(m[0]) not in row]
            found += [f"negation: {m[0]}" for m in _NEGATION.finditer(bare) if _folded(m[0]) not in row]
        return list(dict.fromkeys(found))

    @cached_property
    def _labels(self) -> Mapping[str, frozenset[int]]:
        """Each name of an item or entity, folded -> its nodes."""
        named = self._graph.nodes.with_row_index("node").filter(
            (pl.col("kind") == "item") | ((pl.col("kind") == "entity") & (pl.col("label") != pl.col("key")))
        )
        found: defaultdict[str, set[int]] = defaultdict(set)
        for node, label, aliases in named.select("node", "label", "aliases").iter_rows():
            for name in (label, *(aliases or ())):
                for written in _spellings(name):
                    found[_folded(written)].add(node)
        found.pop("", None)
        return {name: frozenset(nodes) for name, nodes in found.items()}

    @cached_property
    def _first_words(self) -> Mapping[str, int]:
        """First word of a name -> words of the longest name that begins with it."""
        found: dict[str, int] = {}
        for name in self._labels:
            first = name.split(" ", 1)[0]
            found[first] = max(found.get(first, 0), min(name.count(" ") + 1, LONGEST))
        return found

    def _names(self, text: str, known: frozenset[int]) -> Iterator[Name]:
        """Find runs of words that are names; of a lone ordinary word only what is known of the item."""
        words = [(m.start(), m.end(), _folded(m[0])) for m in _WORD.finditer(text)]
        at = 0
        while at < len(words):
            for size in range(min(self._first_words.get(words[at][2], 0), len(words) - at), 0, -1):
                start, end = words[at][0], words[at + size - 1][1]
                nodes = self._labels.get(" ".join(word for _, _, word in words[at : at + size]))
                if nodes and (nodes & known or _is_name(text, start, end, size)):
                    yield Name(start, end, nodes)
                    at += size
                    break
            else:
                at += 1

    def _relations(
        self, text: str, names: Sequence[Name], near: Mapping[int, frozenset[str]], own: frozenset[int]
    ) -> Iterator[str]:
        """Check each name that a relation is claimed of; names joined by commas and "and" share the claim."""
        before: str | None = None
        last = 0
        for name in names:
            gap = text[last : name.start]
            claimed = next((part for part, said in _relations().items() if said.search(gap)), None)
            if claimed is None and not re.fullmatch(r"\s*(?:,|、|and|和|&)+\s*(?:and\s+)?", gap):
                before = None
            before = claimed or before
            last = name.end
            if before is None or name.nodes & own:
                continue
            kinds = frozenset().union(*(near.get(node, frozenset()) for node in name.nodes))
            if not any(before in kind for kind in kinds):
                yield f"{before} {text[name.start : name.end]}"

    def _borne_out(
        self,
        number: float,
        row: str,
        names: Sequence[Name],
        history: frozenset[int],
        near: Mapping[int, frozenset[str]],
    ) -> bool:
        """Say whether the row holds a number, or it counts the reader's items that share an entity of the sentence."""
        if any(
            float(m[0].replace(",", "")) == number for m in re.finditer(r"\d+(?:[.,]\d+)*", row) if _is_number(m[0])
        ):
            return True
        for node in (node for name in names for node in name.nodes if node in near):
            if number == len(history & self._items_of(node)):
                return True
        return False

    def _items_of(self, node: int) -> frozenset[int]:
        edges = self._stated
        found = [*edges.filter(pl.col("tail") == node)["head"], *edges.filter(pl.col("head") == node)["tail"]]
        return frozenset(found)

    @cached_property
    def _stated(self) -> pl.DataFrame:
        return self._graph.edges.filter(pl.col("provenance") != "interaction").select("head", "relation", "tail")

    def _neighbours(self, item: int) -> Mapping[int, frozenset[str]]:
        """Return the nodes around an item, and the names of the relations that join them with it."""
        if item not in self._around:
            node = self._node_of.get(item, -1)
            relations = self._graph.relations
            found: defaultdict[int, set[str]] = defaultdict(set)
            for here, there, name in (("head", "tail", "name"), ("tail", "head", "inverse")):
                rows = self._stated.filter(pl.col(here) == node).select(there, "relation")
                names = relations[name].gather(rows["relation"])
                for other, kind in zip(rows[there], names, strict=True):
                    found[other].add(kind)
            self._around[item] = {other: frozenset(kinds) for other, kinds in found.items()}
        return self._around[item]

    def _histories(self, user: int) -> frozenset[int]:
        if user not in self._history:
            mine = self._touched.filter(pl.col("user") == user)["item"].to_list()
            self._history[user] = frozenset(self._node_of[item] for item in mine if item in self._node_of)
        return self._history[user]

    def _row(self, item: int) -> str:
        """Return all that the item's row says, folded, numbers as they stand."""
        values = self._items.row(item, named=True)
        said = [v for k, v in values.items() if k not in ("source", "line") and v not in (None, "", [])]
        flat = [" ".join(map(str, v)) if isinstance(v, list) else str(v) for v in said]
        return f" {' '.join(flat)} {' '.join(map(_folded, flat))} "


def _folded(text: str) -> str:
    """Write a name without case, accents and marks, its words apart: ``L'Été (1995)`` -> ``l ete 1995``."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c))))


def _spellings(name: str) -> Iterator[str]:
    """Yield a title as it stands and without what is in brackets at its end; an article at its end goes in front.

    Of a long title with figures also its first words without them: people ask for "Acme Steel Dolly", not for
    "Acme 9299 6-Inch Steel Dolly, 200-lb Load".
    """
    if name.count(" ") > 5 and re.search(r"\d", name):
        plain = [
            w for w in re.split(r"[,;(|\[]", name)[0].split() if re.search(r"[^\W\d]{2}", w) and not _SIZE.search(w)
        ]
        yield from (" ".join(plain[:size]) for size in range(2, len(plain) + 1))
    while name:
        turned = re.fullmatch(r"(.+), (The|A|An|La|Le|Les|El|Il|Der|Die|Das|L')", name)
        yield f"{turned[2]} {turned[1]}" if turned else name
        bare = re.sub(r"\s*[(（][^()（）]*[)）]\s*$", "", name)
        name = bare if bare != name else ""


def _is_name(text: str, start: int, end: int, size: int) -> bool:
    """Say whether a run of words that is somebody's name is meant as one: written like a name, or in title marks."""
    written = text[start:end]
    if text[:start].endswith(("《", "“", '"')):
        return True
    if _HAN.search(written):
        return size >= 3
    if size == 1:
        return written[:1].isupper() and bool(text[:start].strip(" \"“'")) and len(written) > 2
    return sum(word[:1].isupper() for word in written.split()) >= 2


def _sentences(text: str, names: Sequence[Name]) -> Iterator[tuple[str, Sequence[Name]]]:
    """Yield the sentences and the names in each; a full stop inside a name ends none: ``Hot Shots! Part Deux``."""
    ends = [m.end() for m in _SENTENCE.finditer(text) if not any(n.start < m.start() < n.end for n in names)]
    for start, end in pairwise([0, *ends, len(text)]):
        inside = [Name(n.start - start, n.end - start, n.nodes) for n in names if start <= n.start < end]
        yield text[start:end], inside


def _without(text: str, names: Sequence[Name]) -> str:
    for name in names:
        text = text[: name.start] + "\ufffc" * (name.end - name.start) + text[name.end :]
    return text


def _capitals(text: str) -> Iterator[str]:
    """Yield runs of capitalised words, but for a lone one at the beginning and what is always capitalised."""
    for match in re.finditer(r"(?<![\w\ufffc'’])[A-Z][\w'’\-]*(?: [A-Z][\w'’\-]*)*", text):
        first = not text[: match.start()].strip(" \"“'(") or text[: match.start()].rstrip()[-1:] in ".:!?—"
        words = match[0].split()
        kept = words[1:] if first else words
        if kept and " ".join(kept) not in ("I", "I'm", "I’m"):
            yield " ".join(kept)


def _numbers(text: str) -> Iterator[float]:
    for match in _NUMBER.finditer(text):
        if _is_number(match[0]):
            yield float(match[0].replace(",", ""))
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in _COUNTS:
            yield float(_COUNTS[word])


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(?:\.\d+)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?", text) is not None
