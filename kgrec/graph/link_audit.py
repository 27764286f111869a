"""Does a table that says which entity is which item tell the truth?

What both sides know of a pair is compared: names, years, and what they are connected with. Whether that agrees is
judged against chance, which is what the same table agrees when its links are shuffled, or shifted by a few rows: a
sorted catalogue has alike neighbours, and a table may have slipped. Entities without any names are compared by what
they share with each other: items of like attributes should be entities with like neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import AttributeInfo, Dataset
from kgrec.graph.link_evidence import BothSides, folded, matrices, near_years, overlap, unit_rows, words_of, years_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LEAST = 10
"""Pairs that must be comparable before anything is said."""
SHUFFLES = 100
"""How often the links are shuffled."""
SHIFTS = (-3, -2, -1, 1, 2, 3)
"""By how many rows the links are shifted."""
COMPARED = 5_000
"""Links that are shuffled at most; more are drawn."""
CLEAR = 0.05
"""Agreement must be above chance by this share of what is possible."""
STRONG = 0.3
"""The same where names, which tell most, say that the table is wrong."""
SAME_NAME = 0.7
"""Share of the rarer words of the shorter name that the other name must hold."""
LISTED = 200
"""Suspicious links that are kept."""


Verdict = Literal["holds", "fails", "doubtful", "unknown"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far items and their entities agree in one thing.

    Attributes:
        kind: ``names``, ``years``, ``attributes`` or ``structure``.
        comparable: links of which both sides are known.
        agree: links of which they agree.
        share: how far the table agrees as it stands, 0 to 1; of names and years ``agree / comparable``.
        chance: the same when it is shuffled, on average.
        bar: the same when it is shuffled or shifted, at its best.
        shift: rows by which the links must be shifted to agree far better; 0: none.
    """

    kind: str
    comparable: int
    agree: int
    share: float = 0.0
    chance: float = 0.0
    bar: float = 0.0
    shift: int = 0

    @property
    def excess(self) -> float:
        """Agreement above the bar, as a share of what is possible above it."""
        return (self.share - self.bar) / max(1 - self.bar, 1e-9)

    def __str__(self) -> str:
        if self.kind == "structure":
            return "alike items are linked to unlike entities" if not self.agree else "alike items, alike entities"
        expected = f"{self.chance:.0%}" if self.kind == "attributes" else f"{self.chance * self.comparable:.0f}"
        share = f" ({self.share:.0%} of what they have)" if self.kind == "attributes" else ""
        return f"{self.kind} agree for {self.agree} of {self.comparable}{share}, by chance for {expected}"


@dataclass(frozen=True, slots=True)
class SuspiciousLink:
    """A link whose two sides differ, in a table that holds on the whole."""

    item: str
    title: str
    entity: str
    name: str
    differs: str


@dataclass(frozen=True, slots=True)
class LinkAudit:
    """What was found of a table of links.

    Attributes:
        table: its file.
        links: links to known items.
        agreements: one for each thing that could be compared.
        verdict: whether it agrees better than chance; ``doubtful`` where what could be compared tells little.
        used: its links are in the graph.
        examples: up to three wrong links in words, where the table does not hold.
        suspicious: single links that differ where it holds, the first :data:`LISTED`.
        n_suspicious: how many there are.
    """

    table: str
    links: int
    agreements: tuple[Agreement, ...] = ()
    verdict: Verdict = "unknown"
    used: bool = True
    examples: tuple[str, ...] = ()
    suspicious: tuple[SuspiciousLink, ...] = ()
    n_suspicious: int = 0

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values, with what people are told."""
        return {**asdict(self), "summary": self.summary(), "warning": self.warning()}

    def summary(self) -> str:
        """Say in a line what was found."""
        told = [str(a) for a in self.agreements if a.comparable >= LEAST] or ["nothing to compare it by"]
        more = f"; {self.n_suspicious} single links look wrong" if self.n_suspicious else ""
        return f"{self.table}: {'; '.join(told)}{more}"

    def warning(self) -> str | None:
        """Return what must be said loudly, in a few lines, or None."""
        if self.verdict not in ("fails", "doubtful"):
            return None
        shift = next((a.shift for a in self.agreements if a.shift), 0)
        slipped = [f"  {abs(shift)} rows further on it would agree: has a row slipped in or out?"] if shift else []
        does = "its links are not used: correct the table, or set data.links.trust = true if it is right"
        if self.used:
            doubt = self.verdict == "doubtful"
            does = "its links are used; look whether they are right" if doubt else "used, for data.links.trust is true"
        return "\n".join(
            [
                f"the links of {self.summary()}. That is no better than chance: they lead to wrong entities.",
                *(f"  {example}" for example in self.examples),
                *slipped,
                f"  {does}",
            ]
        )


@dataclass(frozen=True)
class LinkAuditor:
    """Audits tables of links against a catalogue.

    Attributes:
        dataset: the items.
        seed: of the shuffles.
    """

    dataset: Dataset
    seed: int

    @cached_property
    def _titles(self) -> pl.DataFrame:
        bare = pl.col("title").str.replace(r"\s*[(（]\d{4}[)）]\s*$", "")
        return self.dataset.items.select(item="item_id", text=bare).drop_nulls()

    @cached_property
    def _cells(self) -> pl.DataFrame:
        """``item``, ``text`` for all values of the attributes."""
        attributes: Mapping[str, AttributeInfo] = self.dataset.item_attributes
        cells = [
            self.dataset.items.select(item="item_id", text=name)
            for name in attributes
            if name in self.dataset.items.columns
        ]
        single = [part.explode("text") if part["text"].dtype == pl.List else part for part in cells]
        parts = [part.with_columns(pl.col("text").cast(pl.String)) for part in single]
        empty = pl.DataFrame(schema={"item": pl.String, "text": pl.String})
        return pl.concat([empty, *parts]).drop_nulls()

    @cached_property
    def _years(self) -> pl.DataFrame:
        titles = self.dataset.items.select(item="item_id", text=pl.col("title").str.extract(r"[(（](\d{4})[)）]\s*$"))
        return years_of(pl.concat([titles.drop_nulls(), self._cells]), "item")

    def audit(
        self, table: str, links: pl.DataFrame, triples: pl.DataFrame, names: pl.DataFrame, dates: pl.DataFrame
    ) -> LinkAudit:
        """Compare what a table links.

        Args:
            table: how it is called.
            links: ``entity``, ``item`` in the order of the file; items of the catalogue only.
            triples: ``head``, ``relation``, ``tail`` between entities, as the graph names them.
            names: ``entity``, ``name``; several an entity.
            dates: ``entity``, ``text``: literals with a year in them.
        """
        everything = links
        rng = np.random.default_rng([self.seed, 23])
        if links.height > COMPARED:
            links = links[np.sort(rng.permutation(links.height)[:COMPARED])]
        around = self._around(links, triples, names)
        names, dates = (frame.join(links.select("entity"), on="entity", how="semi") for frame in (names, dates))
        known = self._known(links, around, names, dates)
        agreements = [self._judge(one, links, rng) for one in known]
        if not any(a.comparable >= LEAST for a in agreements):
            agreements = self._by_structure(links, around, rng)
        enough = [a for a in agreements if a.comparable >= LEAST]
        if not enough:
            return LinkAudit(table, everything.height, tuple(agreements))
        least = {a.kind: CLEAR for a in enough}
        if any(a.kind == "names" and a.excess < CLEAR for a in enough):
            least = {a.kind: STRONG for a in enough}
        holds = any(a.excess >= least[a.kind] for a in enough)
        kinds = {a.kind for a in enough}
        # Years alone, or few attributes, may be of two things that have nothing to do with each other.
        most = max(a.comparable for a in enough if a.kind == "attributes") if "attributes" in kinds else 0
        told = "names" in kinds or len(kinds) > 1 or most * 2 >= links.height
        verdict: Verdict = "holds" if holds else "fails" if told else "doubtful"
        found = LinkAudit(table, everything.height, tuple(agreements), verdict)
        texts = self._texts(links, around, names)
        differing = _differing(known, texts)
        if not holds:
            wrong = differing if differing.height else texts
            return replace(found, examples=tuple(map(_example, wrong.head(3).iter_rows(named=True))))
        rows = [SuspiciousLink(**row) for row in differing.head(LISTED).iter_rows(named=True)]
        return replace(found, suspicious=tuple(rows), n_suspicious=differing.height)

    def _around(self, links: pl.DataFrame, triples: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
        """Return ``entity``, ``relation``, ``other``, ``text`` (null: unnamed) for the neighbours of linked ones."""
        linked = links.select("entity").unique()
        ends = [
            triples.select(entity=one, relation=pl.concat_str("relation", pl.lit(way)), other=two)
            for one, two, way in (("head", "tail", ">"), ("tail", "head", "<"))
        ]
        near = pl.concat(ends).drop_nulls().join(linked, on="entity", how="semi")
        return near.join(names.select(other="entity", text="name"), on="other", how="left", maintain_order="left")

    def _known(
        self, links: pl.DataFrame, around: pl.DataFrame, names: pl.DataFrame, dates: pl.DataFrame
    ) -> list[BothSides]:
        titles, labels = words_of(self._titles, "item"), words_of(names.select("entity", text="name"), "entity")
        a, b = matrices(links, titles, labels, "word")
        scripts = [matrices(links, titles, labels, "script")]
        same_script = np.asarray(scripts[0][0].multiply(scripts[0][1]).sum(axis=1) > 0).ravel()
        shared_words = overlap(a, b)
        alike = shared_words(a, b) >= SAME_NAME
        filled = (np.diff(a.indptr) > 0) & (np.diff(b.indptr) > 0)

        def same_name(mine: csr_array, theirs: csr_array) -> NDArray[np.float64]:
            return (shared_words(mine, theirs) >= SAME_NAME).astype(np.float64)

        found = [BothSides("names", a, b, same_name, filled & (same_script | alike))]
        stated = pl.concat(
            [dates.select("entity", "text"), around.select("entity", text="other"), names.select("entity", text="name")]
        )
        a, b = matrices(links, near_years(self._years), years_of(stated, "entity"), "year")

        def meet(mine: csr_array, theirs: csr_array) -> NDArray[np.float64]:
            return np.asarray(mine.multiply(theirs).sum(axis=1) > 0, dtype=np.float64).ravel()

        found.append(BothSides("years", a, b, meet, (np.diff(a.indptr) > 0) & (np.diff(b.indptr) > 0)))
        values, near = (
            folded(self._cells, "item"),
            folded(around.select("entity", text=pl.coalesce("text", "other")), "entity"),
        )
        shared = values.join(near.select("text").unique(), on="text", how="semi")
        a, b = matrices(links, shared, near.join(shared.select("text").unique(), on="text", how="semi"), "text")
        found.append(BothSides("attributes", a, b, overlap(a, b), (np.diff(a.indptr) > 0) & (np.diff(b.indptr) > 0)))
        return found

    def _judge(self, known: BothSides, links: pl.DataFrame, rng: np.random.Generator) -> Agreement:
        comparable = np.flatnonzero(known.comparable)
        n = len(comparable)
        if n < LEAST:
            return Agreement(known.kind, n, int((known.value()[comparable] > 0).sum()))
        own = replace(known, items=known.items[comparable], entities=known.entities[comparable])
        value = own.value()
        shuffled = [float(own.value(rng.permutation(n)).mean()) for _ in range(SHUFFLES)]
        mean = float(value.mean())
        orders = [np.arange(links.height), np.argsort(_natural(links["item"]))]
        shifted = {
            shift: max(float(known.value(_moved(order, shift)).sum()) / n for order in orders) for shift in SHIFTS
        }
        best = max(shifted, key=lambda shift: shifted[shift])
        slipped = best if shifted[best] > max(mean, *shuffled) + STRONG else 0
        # Neighbours in a sorted catalogue are alike: a table that is right still agrees better than a shifted one.
        bar = max(shuffled) if mean > shifted[best] else max(*shuffled, shifted[best])
        agree, chance = int((value > 0).sum()), float(np.mean(shuffled))
        return Agreement(known.kind, n, agree, round(mean, 4), round(chance, 4), round(bar, 4), slipped)

    def _by_structure(self, links: pl.DataFrame, around: pl.DataFrame, rng: np.random.Generator) -> list[Agreement]:
        """Compare which items have values in common with which entities have neighbours in common."""
        links = links.head(2_000)
        near = around.select("entity", text=pl.concat_str("relation", "other", separator=" ")).unique()
        a, b = matrices(links, folded(self._cells, "item"), near.drop_nulls(), "text", apart=True)
        kept = np.flatnonzero((np.diff(a.indptr) > 0) & (np.diff(b.indptr) > 0))
        n = len(kept)
        if n < 5 * LEAST:
            return []
        mine, theirs = unit_rows(a[kept]), unit_rows(b[kept])

        def alike(order: NDArray[np.int64]) -> float:
            crossed = (mine.T @ theirs[order]).tocsr()
            return float(np.square(crossed.data).sum())

        orders = [rng.permutation(n) for _ in range(SHUFFLES // 5)]
        chance = max(alike(order) for order in [*orders, *(np.roll(np.arange(n), shift) for shift in SHIFTS)])
        low = min(alike(order) for order in orders)
        seen = alike(np.arange(n))
        spread = chance - low  # of what chance gives; the table as it stands must lie beyond it by as much
        clear = seen > chance + spread
        return [Agreement("structure", n, n if clear else 0, float(clear))]

    def _texts(self, links: pl.DataFrame, around: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
        """Return ``item``, ``title``, ``entity``, ``name`` of each link; without a name its neighbours stand there."""
        titles = self.dataset.items.select(item="item_id", title="title")
        own = names.group_by("entity", maintain_order=True).agg(name=pl.col("name").first())
        near = (
            around.drop_nulls("text")
            .group_by("entity", maintain_order=True)
            .agg(near=pl.concat_str(pl.lit("… of "), pl.col("text").unique(maintain_order=True).head(3).str.join(", ")))
        )
        return (
            links.join(titles, on="item", how="left", maintain_order="left")
            .join(own, on="entity", how="left", maintain_order="left")
            .join(near.with_columns(pl.col("near").cast(pl.String)), on="entity", how="left", maintain_order="left")
            .select(
                "item",
                title=pl.coalesce("title", "item"),
                entity="entity",
                name=pl.coalesce("name", "near", "entity"),
            )
        )


def _natural(ids: pl.Series) -> NDArray[np.int64]:
    """Return ids in their natural order, numbers as numbers; shape ``(n,)``."""
    frame = pl.DataFrame({"number": ids.cast(pl.Int64, strict=False), "text": ids}).with_row_index("row")
    return frame.sort("number", "text", nulls_last=True)["row"].to_numpy().astype(np.int64)


def _moved(ranks: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Return, for each row, the row that stands ``shift`` places on when rows are ordered by ``ranks``."""
    places = np.argsort(ranks)
    return np.asarray(places[(ranks + shift) % len(ranks)])


def _differing(known: Sequence[BothSides], texts: pl.DataFrame) -> pl.DataFrame:
    """Return the links whose names differ, and whose years or attributes do not speak for them."""
    by_kind = {one.kind: one for one in known}
    names, years, attributes = (by_kind[kind] for kind in ("names", "years", "attributes"))
    same_year = years.comparable & (years.value() > 0)
    other_year = years.comparable & (years.value() == 0)
    common = attributes.comparable & (attributes.value() >= STRONG)
    apart = attributes.comparable & (attributes.value() == 0)
    name = names.comparable & (names.value() == 0) & ~same_year & (other_year | ~common)
    others = ~names.comparable & other_year & apart
    what = np.select(
        [name & other_year, name & apart, name], ["name and year", "name and attributes", "name"], "year and attributes"
    )
    frame = texts.with_columns(differs=pl.Series(what), many=pl.Series(~(what == "name")))
    return frame.filter(pl.Series(name | others)).sort("many", descending=True, maintain_order=True).drop("many")


def _example(row: Mapping[str, str]) -> str:
    return f"{row['item']} “{row['title']}” is linked to {row['entity']} “{row['name']}”"
