"""Imports graphs: RDF files and tables of triples, with the items that their entities are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from kgrec.config import FileConfig, TriplesConfig
from kgrec.data.columns import FIELDS, REQUIRED, guess_fields
from kgrec.data.sources.files import LINE, check_file, read_source
from kgrec.data.values import as_text, clean
from kgrec.errors import DataError, did_you_mean
from kgrec.graph.facts import EDGE_KEY, FACTS, NAMES, TYPES, Facts, shape
from kgrec.graph.link_audit import LinkAudit, LinkAuditor
from kgrec.graph.rdf_reader import RdfCache, rdf_suffix
from kgrec.graph.schema import Schema
from kgrec.languages.language import every_language
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.progress import SILENT, Progress

_RANK_NAMES_FILE = 10
_LINK = {"entity": pl.String(), "item": pl.String()}
_DATES = {"entity": pl.String(), "text": pl.String()}


@dataclass(frozen=True)
class Importer:
    """Everything an import looks things up in.

    Attributes:
        item_ids: ids of the items, in any order.
        schema: relations so far; those of the graphs are added to it.
        domain, manager: for reading tables.
        root: paths of kgrec.toml are relative to it.
        base_iri: ``<base_iri>item/ID`` is the item ID, as kgrec's own exports write it.
        cache: folder for parsed RDF by content, or None.
        auditor: compares the two sides of links; None: they are taken as they stand.
        trust: use a table of links even if the auditor says that it does not hold.
    """

    item_ids: pl.Series
    schema: Schema
    domain: Domain
    manager: PluginManager
    root: Path
    base_iri: str
    cache: Path | None = None
    auditor: LinkAuditor | None = None
    trust: bool = False

    def run(self, configs: Sequence[TriplesConfig], progress: Progress = SILENT) -> Facts:
        """Import all files.

        Returns:
            Edges of provenance ``triples``, each once; names and types of the entities; as report the counts of
            what was read and left out, by file and in all.

        Raises:
            DataError: a file cannot be used; the message names file and line.
            NotFoundError: a file does not exist.
        """
        if not configs:
            return Facts()
        cache = RdfCache(self.cache)
        with progress.task("import triples", total=len(configs)) as task:
            parsed = []
            for config in configs:
                parsed.append(self._parse(config, cache))
                task.advance()
        cache.prune()
        links, audits, report = self._links(configs, parsed)
        refused = {audit.table for audit in audits if not audit.used}
        # Where a file brings a table of links, or its ids turn out not to be those of the items, equal ids say nothing.
        explicit = [config.link is not None or config.path in refused for config in configs]
        triples = pl.concat(
            [self._identify(p.triples, links, e) for p, e in zip(parsed, explicit, strict=True)], how="vertical"
        )
        facts, counts = self._facts(triples)
        report |= counts | {"files": {c.path: dict(p.counts) for c, p in zip(configs, parsed, strict=True)}}
        about = zip(parsed, explicit, strict=True)
        found = [self._about(p, links, e) for p, e in about]
        names, types = pl.concat([n for n, _ in found]), pl.concat([t for _, t in found])
        names = pl.concat([names, local_names(facts)])
        return Facts(facts, names, types, report | {"audits": [audit.state() for audit in audits]})

    def _parse(self, config: TriplesConfig, cache: RdfCache) -> Parsed:
        path = self.root / config.path
        check_file(path)
        ending = rdf_suffix(path, config.format)
        if ending is not None:
            parsed = split_rdf(cache.read(path, ending), path.name)
        else:
            table = read_fields(path, config, "triples", self.domain, self.manager, relation=config.relation)
            triples = shape(table.with_columns(source=pl.lit(path.name)), TRIPLES)
            parsed = Parsed(triples, counts={"read": table.height})
        if config.names is None:
            return parsed
        names_file = self.root / config.names.path
        table = read_fields(names_file, config.names, "names", self.domain, self.manager)
        ranked = table.with_columns(rank=pl.lit(_RANK_NAMES_FILE))
        names = shape(ranked, ENTITY_NAMES).drop_nulls(["entity", "name"])
        typed = shape(ranked, ENTITY_TYPES).drop_nulls(["entity", "type"])
        return Parsed(
            parsed.triples,
            pl.concat([parsed.names, names]),
            pl.concat([parsed.types, typed]),
            parsed.dates,
            {**parsed.counts, "names": names.height},
        )

    def _links(
        self, configs: Sequence[TriplesConfig], parsed: Sequence[Parsed]
    ) -> tuple[pl.DataFrame, list[LinkAudit], dict[str, Any]]:
        """Return which entity is which item (``entity``, ``item``) by the tables that are used, audits, and counts."""
        tables, audits, unknown = [], [], 0
        for link in {config.link.path: config.link for config in configs if config.link is not None}.values():
            table = read_fields(self.root / link.path, link, "link", self.domain, self.manager)
            stated = table.select("entity", "item").drop_nulls().unique(maintain_order=True)
            known = stated.filter(pl.col("item").is_in(self.item_ids.implode()))
            unknown += stated.height - known.height
            about = [one for one, config in zip(parsed, configs, strict=True) if config.link == link]
            audits.append(self._audit(link.path, known, about))
            tables.append(known if audits[-1].used else known.clear())
        for config, one in zip(configs, parsed, strict=True):
            keys = pl.concat([one.triples["head"], one.triples["tail"].alias("head")]).unique(maintain_order=True)
            equal = keys.filter(keys.is_in(self.item_ids.implode()))
            if config.link is None and equal.len():
                audits.append(self._audit(config.path, pl.DataFrame({"entity": equal, "item": equal}), [one]))
        if not tables:
            return pl.DataFrame(schema=_LINK), audits, {}
        links = pl.concat(tables).unique(maintain_order=True)
        return links, audits, {"links": links.height, "links_to_unknown_items": unknown}

    def _audit(self, path: str, links: pl.DataFrame, parsed: Sequence[Parsed]) -> LinkAudit:
        if self.auditor is None:
            return LinkAudit(path, links.height)
        triples = pl.concat([one.triples for one in parsed]).select("head", "relation", "tail")
        named = pl.concat([one.names for one in parsed]).sort("rank", maintain_order=True).select("entity", "name")
        iris = local_names(shape(triples.with_columns(head_kind=pl.lit("entity"), tail_kind=pl.lit("entity")), FACTS))
        names = pl.concat([named, iris.select(entity="key", name="name")])
        found = self.auditor.audit(path, links, triples, names, pl.concat([one.dates for one in parsed]))
        return replace(found, used=found.verdict != "fails" or self.trust)

    def _items_of(self, keys: pl.Series, links: pl.DataFrame, explicit: bool) -> pl.DataFrame:
        """Return ``entity``, ``item`` for the keys that are items."""
        unique = keys.unique().drop_nulls()
        start = f"{self.base_iri}item/"
        own = unique.filter(unique.str.starts_with(start))
        found = [pl.DataFrame({"entity": own, "item": [unquote(k[len(start) :]) for k in own.to_list()]}, _LINK)]
        if not explicit:
            found.append(pl.DataFrame({"entity": unique, "item": unique}, _LINK))
        known = pl.concat(found).filter(pl.col("item").is_in(self.item_ids.implode()))
        return pl.concat([links, known.join(links, on="entity", how="anti")])

    def _identify(self, triples: pl.DataFrame, links: pl.DataFrame, explicit: bool) -> pl.DataFrame:
        """Put items in the place of the entities that they are; an entity of two items gives the edges of both."""
        items = self._items_of(pl.concat([triples["head"], triples["tail"]]), links, explicit)
        for end in ("head", "tail"):
            triples = (
                triples.join(
                    items.rename({"entity": end, "item": "__item__"}), on=end, how="left", maintain_order="left_right"
                )
                .with_columns(
                    pl.when(pl.col("__item__").is_null())
                    .then(pl.lit("entity"))
                    .otherwise(pl.lit("item"))
                    .alias(f"{end}_kind"),
                    pl.coalesce("__item__", end).alias(end),
                )
                .drop("__item__")
            )
        return triples

    def _facts(self, triples: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
        complete = triples.drop_nulls(["head", "relation", "tail"])
        relations = self.schema.resolve(complete["relation"].unique().to_list())
        named = complete.rename({"relation": "foreign"}).join(
            relations, on="foreign", how="left", maintain_order="left"
        )
        swapped = pl.col("swapped")
        turned = named.with_columns(
            head=pl.when(swapped).then("tail").otherwise("head"),
            tail=pl.when(swapped).then("head").otherwise("tail"),
            head_kind=pl.when(swapped).then("tail_kind").otherwise("head_kind"),
            tail_kind=pl.when(swapped).then("head_kind").otherwise("tail_kind"),
        )
        same = (pl.col("head") == pl.col("tail")) & (pl.col("head_kind") == pl.col("tail_kind"))
        proper = turned.filter(~same)
        once = proper.unique(EDGE_KEY, keep="first", maintain_order=True)
        facts = shape(once.with_columns(weight=pl.lit(1.0), provenance=pl.lit("triples")), FACTS)
        return facts, {
            "edges": facts.height,
            "incomplete": triples.height - complete.height,
            "self_loops": turned.height - proper.height,
            "duplicates": proper.height - once.height,
            "relations": relations["relation"].n_unique(),
        }

    def _about(self, parsed: Parsed, links: pl.DataFrame, explicit: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
        items = self._items_of(parsed.names["entity"], links, explicit)
        names = parsed.names.join(items, on="entity", how="left", maintain_order="left").with_columns(
            kind=pl.when(pl.col("item").is_null()).then(pl.lit("entity")).otherwise(pl.lit("item")),
            key=pl.coalesce("item", "entity"),
            count=pl.lit(1),
        )
        return shape(names, NAMES), shape(parsed.types.rename({"entity": "key"}), TYPES)


RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
LABELS: Mapping[str, int] = {
    "http://www.w3.org/2000/01/rdf-schema#label": 20,
    "http://www.w3.org/2004/02/skos/core#prefLabel": 30,
    "http://schema.org/name": 40,
    "https://schema.org/name": 40,
    "http://xmlns.com/foaf/0.1/name": 50,
    "http://www.w3.org/2004/02/skos/core#altLabel": 60,
    "http://schema.org/alternateName": 60,
    "https://schema.org/alternateName": 60,
}
"""Properties whose literals are names of their subject, with the rank of the name."""

_NO_TYPES = ("Thing", "Resource", "NamedIndividual", "Class", "Concept", "Entity")
_RANK_LOCAL_NAME = 90
_LANGUAGES = {"": 1, **{one.code: one.label_rank for one in every_language()}}

TRIPLES: Mapping[str, pl.DataType] = {
    "head": pl.String(),
    "relation": pl.String(),
    "tail": pl.String(),
    "line": pl.UInt32(),
    "source": pl.String(),
}
ENTITY_NAMES: Mapping[str, pl.DataType] = {"entity": pl.String(), "name": pl.String(), "rank": pl.UInt8()}
ENTITY_TYPES: Mapping[str, pl.DataType] = {"entity": pl.String(), "type": pl.String(), "rank": pl.UInt8()}


@dataclass(frozen=True)
class Parsed:
    """A file of triples: foreign keys and relations, nothing resolved.

    Attributes:
        triples: ``head``, ``relation``, ``tail``, ``line``, ``source``.
        names: ``entity``, ``name``, ``rank``; see :data:`kgrec.graph.facts.NAMES`.
        types: ``entity``, ``type``, ``rank``.
        dates: ``entity``, ``text``: literals that begin with a year.
        counts: what was read and left out.
    """

    triples: pl.DataFrame
    names: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(ENTITY_NAMES)))
    types: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(ENTITY_TYPES)))
    dates: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_DATES))
    counts: Mapping[str, int] = field(default_factory=dict)


def split_rdf(statements: pl.DataFrame, source: str) -> Parsed:
    """Tell edges from names and types. Other literals are counted and left out: nothing uses them yet."""
    # The same blank node name in two files is two nodes.
    scoped = [
        pl.when(pl.col(c).str.starts_with("_:"))
        .then(pl.format("_:{}.{}", pl.lit(source), pl.col(c).str.slice(2)))
        .otherwise(c)
        .alias(c)
        for c in ("subject", "object")
    ]
    if statements.select(pl.col("subject", "object").str.starts_with("_:").any()).row(0) != (False, False):
        literal_object = pl.when(pl.col("literal")).then("object").otherwise(scoped[1]).alias("object")
        statements = statements.with_columns(scoped[0], literal_object)
    named = statements.filter(pl.col("literal") & pl.col("predicate").is_in(list(LABELS)))
    language = pl.col("language").fill_null("").str.split("-").list.first()
    rank = pl.col("predicate").replace_strict(LABELS, return_dtype=pl.UInt8)
    names = named.select(
        entity="subject",
        name=pl.col("object").str.replace_all(r"\s+", " ").str.strip_chars(),
        rank=rank + language.replace_strict(_LANGUAGES, default=3, return_dtype=pl.UInt8),
    ).filter(pl.col("name") != "")
    typed = statements.filter(~pl.col("literal") & (pl.col("predicate") == RDF_TYPE))
    types = typed.select(
        entity="subject", type=pl.col("object").str.strip_chars_end("/#").str.extract(r"([^/#:]+)$"), rank=pl.lit(20)
    ).filter(~pl.col("type").is_in(_NO_TYPES))
    types = types.with_columns(pl.col("type").str.replace_all("([a-z0-9])([A-Z])", "${1}_${2}").str.to_lowercase())
    edges = statements.filter(~pl.col("literal") & (pl.col("predicate") != RDF_TYPE))
    triples = shape(
        edges.rename({"subject": "head", "predicate": "relation", "object": "tail"}).with_columns(
            source=pl.lit(source)
        ),
        TRIPLES,
    )
    literals = int(statements["literal"].sum()) - named.height
    counts = {"read": statements.height, "names": names.height, "types": types.height, "literals_skipped": literals}
    dated = statements.filter(pl.col("literal") & pl.col("object").str.contains(r"^[12]\d{3}(-\d\d)*(T|Z|$)"))
    dates = dated.select(entity="subject", text="object")
    return Parsed(triples, shape(names, ENTITY_NAMES), shape(types, ENTITY_TYPES), dates, counts)


def local_names(facts: pl.DataFrame) -> pl.DataFrame:
    """Name entities by the end of their IRI where they have no label: ``.../Tom_Hanks`` reads "Tom Hanks"."""
    keys = pl.concat(
        [facts.filter(pl.col(f"{end}_kind") == "entity").select(key=end) for end in ("head", "tail")]
    ).unique()
    iris = keys.filter(pl.col("key").str.contains("://", literal=True))
    local = iris["key"].str.strip_chars_end("/#").str.extract(r"([^/#]+)$")
    encoded = local.str.contains("%", literal=True).fill_null(False)
    if encoded.any():
        decoded = pl.Series([unquote(name) for name in local.filter(encoded).to_list()], dtype=pl.String)
        local = local.scatter(encoded.arg_true(), decoded)
    readable = local.str.replace_all("_", " ").str.strip_chars()
    frame = iris.with_columns(kind=pl.lit("entity"), name=readable, rank=pl.lit(_RANK_LOCAL_NAME), count=pl.lit(1))
    return shape(frame.drop_nulls("name"), NAMES)


def read_fields(
    path: Path, entry: FileConfig, role: str, domain: Domain, manager: PluginManager, *, relation: str | None = None
) -> pl.DataFrame:
    """Read a table and return its fields as trimmed strings (empty: null) and ``line``.

    Args:
        path: the file.
        entry: what kgrec.toml says of it; fields whose columns it leaves out are found by the names they go by.
        role: ``triples``, ``link`` or ``names``.
        domain: may know more names of columns.
        manager: the plugins in use.
        relation: that of all rows of triples, where kgrec.toml names no column of it.

    Raises:
        DataError: a field has no column; the hint names those there are.
        NotFoundError: no such file.
    """
    table = read_source(path, entry.format, manager, entry.reading)
    given = entry.columns
    found, guessed = {}, guess_fields(role, table.columns, domain)
    for name in FIELDS[role]:
        if name == "relation" and relation is not None and name not in given:
            found[name] = pl.lit(relation)
            continue
        column = given.get(name) or guessed.get(name)
        if column is not None and column not in table.columns:
            raise DataError(
                f"{path} has no column {column!r} (wanted as {name})", hint=did_you_mean(column, _named(table))
            )
        if column is None and name in REQUIRED[role]:
            raise DataError(
                f"{path}: no column is known to hold the {name} of {role}",
                hint=f"set columns.{name} for the file in kgrec.toml; it has {', '.join(_named(table))}",
            )
        if column is not None:
            found[name] = clean(as_text(column, table.schema[column]))
    return table.select(**found, line=pl.col(LINE))


def _named(table: pl.DataFrame) -> list[str]:
    return [column for column in table.columns if column != LINE]
