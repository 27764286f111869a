"""Imports graphs: RDF files and tables of triples, with the items that their entities are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from kgrec.config import TriplesConfig
from kgrec.data.sources.files import check_file
from kgrec.graph.columns import read_fields
from kgrec.graph.facts import EDGE_KEY, FACTS, NAMES, TYPES, Facts, shape
from kgrec.graph.foreign import ENTITY_NAMES, ENTITY_TYPES, TRIPLES, Parsed, local_names, split_rdf
from kgrec.graph.rdf_cache import RdfCache
from kgrec.graph.rdf_reader import rdf_suffix
from kgrec.graph.schema import Schema
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.progress import SILENT, Progress

_RANK_NAMES_FILE = 10
_LINK = {"entity": pl.String(), "item": pl.String()}


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
    """

    item_ids: pl.Series
    schema: Schema
    domain: Domain
    manager: PluginManager
    root: Path
    base_iri: str
    cache: Path | None = None

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
        links, report = self._links(configs)
        explicit = [config.link is not None for config in configs]
        triples = pl.concat(
            [self._identify(p.triples, links, e) for p, e in zip(parsed, explicit, strict=True)], how="vertical"
        )
        facts, counts = self._facts(triples)
        report |= counts | {"files": {c.path: dict(p.counts) for c, p in zip(configs, parsed, strict=True)}}
        about = zip(parsed, explicit, strict=True)
        found = [self._about(p, links, e) for p, e in about]
        names, types = pl.concat([n for n, _ in found]), pl.concat([t for _, t in found])
        names = pl.concat([names, local_names(facts)])
        return Facts(facts, names, types, report)

    def _parse(self, config: TriplesConfig, cache: RdfCache) -> Parsed:
        path = self.root / config.path
        check_file(path)
        ending = rdf_suffix(path, config.format)
        if ending is not None:
            parsed = split_rdf(cache.read(path, ending), path.name)
        else:
            table = read_fields(path, config.format, config.columns, "triples", self.domain, self.manager)
            triples = shape(table.with_columns(source=pl.lit(path.name)), TRIPLES)
            parsed = Parsed(triples, counts={"read": table.height})
        if config.names is None:
            return parsed
        names_file = self.root / config.names.path
        table = read_fields(names_file, config.names.format, config.names.columns, "names", self.domain, self.manager)
        ranked = table.with_columns(rank=pl.lit(_RANK_NAMES_FILE))
        names = shape(ranked, ENTITY_NAMES).drop_nulls(["entity", "name"])
        typed = shape(ranked, ENTITY_TYPES).drop_nulls(["entity", "type"])
        return Parsed(
            parsed.triples,
            pl.concat([parsed.names, names]),
            pl.concat([parsed.types, typed]),
            {**parsed.counts, "names": names.height},
        )

    def _links(self, configs: Sequence[TriplesConfig]) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Return which entity is which item (``entity``, ``item``), from all link tables."""
        tables = [
            read_fields(self.root / link.path, link.format, link.columns, "link", self.domain, self.manager)
            for link in (config.link for config in configs)
            if link is not None
        ]
        if not tables:
            return pl.DataFrame(schema={"entity": pl.String(), "item": pl.String()}), {}
        links = pl.concat([table.select("entity", "item") for table in tables]).drop_nulls().unique(maintain_order=True)
        known = links.filter(pl.col("item").is_in(self.item_ids.implode()))
        return known, {"links": known.height, "links_to_unknown_items": links.height - known.height}

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
