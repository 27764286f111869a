"""Talking about a list: what somebody says becomes conditions and likes, which are shown and can be taken back.

Names are found by the entity linker among the names of the graph, and everything else by the words of the language's
``chat.toml``. Nothing is guessed: what is not understood is said to be. The state travels with the talk, so that a
server keeps none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kgrec.graph.gazetteer import GazetteerLinker
from kgrec.languages import DEFAULT, table
from kgrec.plugin.protocols import Gazetteer
from kgrec.text.tokens import is_unspaced

if TYPE_CHECKING:
    from kgrec.graph.knowledge_graph import KnowledgeGraph

CANDIDATES = 60
"""Items of the list among which a question is looked for."""

LONGEST = 1_000
"""Characters of what somebody says at most."""

CENTURIES = (20, 19)
"""Of a decade that is named without one: the one of which the catalogue has more."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that was asked for, shown as a chip that can be taken off.

    Attributes:
        where: condition that items must meet, as :mod:`kgrec.ranking.where` reads it, or empty.
        like: id of an item that the list should be like, or empty.
        label: what a person reads.
    """

    where: str = ""
    like: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """Where a talk stands.

    Attributes:
        wishes: those in force, in the order they came.
        asked: the wish that a yes to the last question would add, or None.
        refused: labels that were said no to; they are not asked about again.
        say: what is said to the person, a sentence or two.
    """

    wishes: tuple[Wish, ...] = ()
    asked: Wish | None = None
    refused: tuple[str, ...] = ()
    say: str = ""


@dataclass
class Dialogue:
    """Understands what people say about lists; made once a graph and language.

    Attributes:
        graph: whose names can be spoken of.
        numeric: attributes with numbers or times that can be compared.
        language: code of the language spoken; English words are understood too.
    """

    graph: KnowledgeGraph
    numeric: Mapping[str, pl.Series]
    language: str = DEFAULT
    _words: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        own = table(self.language, "chat.toml")
        self._words = own or table(DEFAULT, "chat.toml")

    @cached_property
    def _named(self) -> tuple[GazetteerLinker, pl.DataFrame]:
        """The linker over names of items and entities, and what they are."""
        nodes = self.graph.nodes.with_row_index("node").filter(pl.col("kind") != "user")
        names = (
            nodes.select("node", name=pl.concat_list(pl.col("label"), pl.col("aliases"))).explode("name").drop_nulls()
        )
        names = names.filter(pl.col("name").str.len_chars() > 1).unique(maintain_order=True)
        place = {node: k for k, node in enumerate(nodes["node"].to_list())}
        entities = tuple(place[node] for node in names["node"].to_list())
        labels = tuple(nodes["label"].fill_null("").to_list())
        gazetteer = Gazetteer(tuple(names["name"].to_list()), entities, tuple(nodes["type"].to_list()), labels)
        return GazetteerLinker(case="ignore").prepare(gazetteer), nodes

    def understand(self, text: str, before: Talk, shown: Sequence[tuple[str, str]]) -> Talk:
        """Return where the talk stands after somebody said something; :attr:`Talk.say` tells what was understood.

        Args:
            text: what was said.
            before: where the talk stood.
            shown: ids and titles of the items of the last list, in their order.
        """
        text = " ".join(text.split())[:LONGEST]
        plain = text.casefold().strip(" .!?。！？")
        say = self._words["say"]
        if plain in self._words["reset"]:
            return Talk(say=say["reset"])
        if before.asked is not None and plain in self._words["yes"]:
            return replace(before, wishes=(*before.wishes, before.asked), asked=None, say=before.asked.label)
        if before.asked is not None and plain in self._words["no"]:
            return replace(before, refused=(*before.refused, before.asked.label), asked=None, say=say["ok"])
        found = [*self._places(text, shown), *self._decades(text), *self._names(text), *self._comparisons(text, shown)]
        fresh = [wish for wish in dict.fromkeys(found) if wish not in before.wishes]
        if not fresh:
            return replace(before, say=say["none"] if not found else say["ok"])
        kept = [wish for wish in before.wishes if not any(_against(wish, new) for new in fresh)]
        told = " ".join(dict.fromkeys(wish.label for wish in fresh))
        return replace(before, wishes=(*kept, *fresh), asked=None, say=told)

    def _said_before(self, text: str, start: int, kinds: Sequence[str]) -> bool:
        """Return whether a word of these kinds stands before a name, with nothing but small words between."""
        ahead = re.split(r"[,.;，。；]|\b(?:but|and then|sondern|aber)\b|但|而是", text[:start].casefold())[-1]
        for word in (word for kind in kinds for word in self._words[kind]):
            last = max((match.end() for match in _whole(word).finditer(ahead)), default=None)
            if last is not None and len(ahead[last:].split()) <= 3:
                return True
        return False

    def _names(self, text: str) -> list[Wish]:
        linker, nodes = self._named
        wishes = []
        for link in linker.link([text]):
            row = nodes.row(link.entity, named=True)
            against = self._said_before(text, link.start, ("not", "less"))
            if row["kind"] == "item":
                if not against:
                    wishes.append(self._like(row["key"], row["label"]))
                continue
            if (condition := self._condition(int(row["node"]), row["label"])) is None:
                continue
            label = self._words["say"]["without" if against else "with"].format(name=row["label"])
            wishes.append(Wish(where=f"not {condition}" if against else condition, label=label))
        return wishes

    def _condition(self, node: int, label: str) -> str | None:
        """Return the condition that items have the relation by which most of them are joined to an entity."""
        edges, kinds = self.graph.edges, self.graph.nodes["kind"]
        counts: dict[str, int] = {}
        for near, far, column in (("tail", "head", "name"), ("head", "tail", "inverse")):
            own = edges.filter(pl.col(near) == node).select("relation", far)
            items = own.filter(kinds.gather(own[far]) == "item")
            for relation, count in items["relation"].value_counts().iter_rows():
                name = self.graph.relations[column][int(relation)]
                if name:
                    counts[name] = counts.get(name, 0) + int(count)
        if not counts:
            return None
        relation = max(counts, key=lambda name: (counts[name], name))
        return f"{relation}={json.dumps(label, ensure_ascii=False)}"

    def _like(self, item_id: str, title: str) -> Wish:
        return Wish(like=item_id, label=self._words["say"]["like"].format(name=title))

    def _places(self, text: str, shown: Sequence[tuple[str, str]]) -> list[Wish]:
        """Return wishes for what is like items named by their place in the list: "more like the second"."""
        found = []
        for place, words in enumerate(self._words["places"][: len(shown)]):
            for word in words:
                at = _find(word, text)
                if at >= 0 and self._said_before(text, at, ("like",)) and not self._said_before(text, at, ("not",)):
                    found.append(self._like(*shown[place]))
                    break
        return found

    def _attribute(self, kind: str) -> str | None:
        """Return the attribute that a kind of comparison is about: price, year, length..."""
        wanted = self._words["range"].get(kind, [kind])
        for word in wanted:
            for name in self.numeric:
                if word == name.casefold() or name.casefold().startswith(word):
                    return name
        return None

    def _decades(self, text: str) -> list[Wish]:
        name = self._attribute("year")
        if name is None:
            return []
        spans: list[tuple[int | None, int, int]] = []
        for found in re.finditer(self._words["decade"], text, re.IGNORECASE):
            century = found["century"] or ""
            stated = int(century) if century.isdigit() else CENTURIES[-1] if century else None
            spans.append((stated, int(found["tens"]), found.start()))
        for word, tens in self._words["decades"].items():
            if (at := _find(word, text)) >= 0:
                spans.append((None, int(tens), at))
        values, wishes = self.numeric[name], []
        for stated, tens, at in spans:
            lows = [100 * century + 10 * tens for century in (CENTURIES if stated is None else (stated,))]
            low = max(lows, key=lambda year: int(values.is_between(year, year + 9).sum()))
            against = self._said_before(text, at, ("not", "less"))
            inside = f"({name}>={low} and {name}<={low + 9})"
            label = self._words["say"]["between"].format(low=low, high=low + 9)
            wishes.append(Wish(where=f"not {inside}" if against else inside, label=f"≠ {label}" if against else label))
        return wishes

    def _comparisons(self, text: str, shown: Sequence[tuple[str, str]]) -> list[Wish]:
        """Return wishes for what is newer, cheaper, shorter... than the middle of the list that was shown."""
        wishes = []
        for side, sign, saying in (("smaller", "<", "below"), ("larger", ">", "above")):
            for word, kind in self._words[side].items():
                name = self._attribute(kind) if _find(word, text) >= 0 else None
                if name is None:
                    continue
                values = self.numeric[name].filter(self.numeric[name].is_not_null())
                value = self._middle(name, [item for item, _ in shown])
                if value is None or not len(values):
                    continue
                told = {"word": word[:1].upper() + word[1:], "name": name, "value": f"{value:g}"}
                label = self._words["say"][saying].format(**told)
                wishes.append(Wish(where=f"{name}{sign}{value:g}", label=label))
        return wishes

    def _middle(self, name: str, item_ids: Sequence[str]) -> float | None:
        items = self.graph.nodes.filter((pl.col("kind") == "item") & pl.col("key").is_in(list(item_ids)))["index"]
        values = self.numeric[name].gather(items) if len(items) else self.numeric[name]
        middle = values.median()
        return float(middle) if isinstance(middle, int | float) else None

    def ask(self, talk: Talk, item_ids: Sequence[str]) -> Talk:
        """Return the talk with the question whose answer splits the candidates best, where one splits them well.

        Args:
            talk: where it stands.
            item_ids: the best items by now, :data:`CANDIDATES` are looked at.
        """
        nodes, edges = self.graph.nodes.with_row_index("node"), self.graph.edges
        wanted = list(item_ids[:CANDIDATES])
        items = nodes.filter((pl.col("kind") == "item") & pl.col("key").is_in(wanted))["node"]
        if len(items) < 4:
            return talk
        near = edges.filter(pl.col("head").is_in(items.implode())).select(item="head", other="tail")
        far = edges.filter(pl.col("tail").is_in(items.implode())).select(item="tail", other="head")
        counts = pl.concat([near, far]).unique()["other"].value_counts()
        joined = counts.join(nodes.filter(pl.col("kind") == "entity"), left_on="other", right_on="node")
        share = joined["count"].to_numpy() / len(items)
        good = np.flatnonzero((share >= 0.15) & (share <= 0.6))
        for place in good[np.argsort(np.abs(share[good] - 0.4), kind="stable")][:20]:
            row = joined.row(int(place), named=True)
            condition = self._condition(int(row["other"]), row["label"]) if row["label"] else None
            label = self._words["say"]["with"].format(name=row["label"])
            if condition is None or label in talk.refused or any(condition in wish.where for wish in talk.wishes):
                continue
            question = self._words["say"]["ask"].format(name=row["label"])
            blank = "" if is_unspaced(question[0]) else " "
            return replace(talk, asked=Wish(where=condition, label=label), say=f"{talk.say}{blank}{question}".strip())
        return talk

    def without_last(self, talk: Talk) -> Talk:
        """Return the talk without its last wish, which nothing meets."""
        return replace(talk, wishes=talk.wishes[:-1], asked=None, say=self._words["say"]["empty"])


@cache
def _whole(word: str) -> re.Pattern[str]:
    """Return what finds a word that stands alone; in scripts without blanks, anywhere."""
    return re.compile(re.escape(word) if is_unspaced(word[0]) else rf"(?<!\w){re.escape(word)}(?!\w)")


def _find(word: str, text: str) -> int:
    found = _whole(word).search(text.casefold())
    return -1 if found is None else found.start()


def _against(old: Wish, new: Wish) -> bool:
    """Return whether a new wish takes an old one's place: its opposite, or another bound of the same attribute."""
    if not old.where or not new.where:
        return False
    if old.where == f"not {new.where}" or new.where == f"not {old.where}":
        return True
    bound = re.compile(r"\(?(\w+)[<>]")
    first, second = bound.match(old.where), bound.match(new.where)
    return bool(first and second and first[1] == second[1])
