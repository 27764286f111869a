"""The names that items and entities of a workspace go by, and the links of texts to them.

Links are kept, so that only new texts, and those that contain a new name, are linked again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from kgrec.artifacts import replacing
from kgrec.data.dataset import read_table
from kgrec.errors import CorruptArtifactError
from kgrec.plugin.protocols import EntityLinker, Gazetteer, IncrementalLinker, TextEncoder
from kgrec.text.tokens import UNSPACED, name_key
from kgrec.workspace import read_json, storage_errors, write_json

NEIGHBOURS = 5
"""How many neighbours describe an entity to the encoder."""

_PARENTHESIS = re.compile(r"\s*[(（]([^()（）]*)[)）]\s*$")
_YEAR = re.compile(r"[12]\d{3}")
_ARTICLE = re.compile(
    r"(?P<rest>.+), "
    r"(?P<article>the|a|an|la|le|les|l'|un|une|el|los|las|una|il|lo|i|gli|der|die|das|ein|eine|den|det|de)",
    re.IGNORECASE,
)
_TWO_SCRIPTS = re.compile(rf"(?P<first>\S*[{UNSPACED}]\S*) (?P<second>[^{UNSPACED}]+)")


def name_variants(name: str) -> list[str]:
    """Return the ways in which a title or label is written, itself first.

    >>> name_variants("Matrix, The (1999)")
    ['Matrix, The (1999)', 'Matrix, The', 'The Matrix']
    >>> name_variants("City of Lost Children, The (Cité des enfants perdus, La) (1995)")[-2:]
    ['Cité des enfants perdus, La', 'La Cité des enfants perdus']
    >>> name_variants("127小时 127 Hours")
    ['127小时 127 Hours', '127小时', '127 Hours']
    """
    found = [name]
    bare, others = name, []
    while (match := _PARENTHESIS.search(bare)) and match.start() > 0:
        inside = match.group(1).strip()
        # What else stands in parentheses is a year, a number in a series or a remark of one word.
        if len(inside.split()) > 1 and not _YEAR.search(inside):
            others.append(inside)
        bare = bare[: match.start()]
    for written in (bare, *reversed(others)):
        found.append(written)
        if match := _ARTICLE.fullmatch(written):
            article = match["article"]
            found.append(f"{article}{'' if article.endswith(chr(39)) else ' '}{match['rest']}")
    if match := _TWO_SCRIPTS.fullmatch(bare):
        found += [match["first"], match["second"]]
    return list(dict.fromkeys(found))


def normal_name(name: pl.Expr) -> pl.Expr:
    """Return what makes two values of a catalogue the same entity: width, case and spaces do not count.

    Punctuation does: C++ is not C#.
    """
    return name.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


@dataclass(frozen=True)
class Vocabulary:
    """Linkable nodes, one row each, and the gazetteer over them.

    Attributes:
        nodes: ``kind``, ``key``, ``type``, ``label``; row ``k`` is entity ``k`` of the gazetteer.
        gazetteer: names of the nodes.
    """

    nodes: pl.DataFrame
    gazetteer: Gazetteer

    @cached_property
    def keys(self) -> list[str]:
        """The normalised form of each name of the gazetteer."""
        return [name_key(name) for name in self.gazetteer.names]

    @cached_property
    def by_name(self) -> dict[str, list[int]]:
        """Normalised name -> rows of ``nodes``."""
        found: dict[str, list[int]] = {}
        for key, entity in zip(self.keys, self.gazetteer.entities, strict=True):
            rows = found.setdefault(key, [])
            if entity not in rows:
                rows.append(entity)
        found.pop("", None)
        return found

    def signatures(self, *, described: bool) -> pl.DataFrame:
        """Return ``name`` (normalised) and ``signature``, a hash of all that decides what the name is linked to.

        Links of a text can only change when the signature of a name in it does.

        Args:
            described: an encoder compares descriptions, so an ambiguous name depends on these too.
        """
        texts = self.gazetteer.descriptions if described else ()
        uses = pl.DataFrame(
            {"name": self.keys, "row": self.gazetteer.entities, "written": self.gazetteer.names},
            schema={"name": pl.String, "row": pl.UInt32, "written": pl.String},
        ).filter(pl.col("name") != "")
        about = self.nodes.select("kind", "key", "type", "label").with_row_index("row")
        about = about.with_columns(text=pl.Series(texts, dtype=pl.String) if texts else pl.lit(""))
        ambiguous = pl.col("row").n_unique().over("name") > 1
        parts = uses.join(about, on="row", maintain_order="left").select(
            "name",
            part=pl.concat_str(
                "kind",
                "key",
                "type",
                "label",
                "written",
                pl.when(ambiguous).then("text").otherwise(pl.lit("")),
                separator="\x1f",
            ),
        )
        grouped = parts.group_by("name").agg(pl.col("part").sort().str.join("\x1e"))
        return grouped.select("name", signature=pl.col("part").hash(0)).sort("name")


def build_vocabulary(nodes: pl.DataFrame, facts: pl.DataFrame, *, described: bool) -> Vocabulary:
    """Return the names by which texts may mention items and entities.

    Entities that only users have (an occupation, a town) are left out, and so are names that are mere ids.

    Args:
        nodes: as :func:`kgrec.graph.facts.describe` returns them.
        facts: the edges so far.
        described: describe the entities by their neighbours, for an encoder.
    """
    ends = [("head", "tail"), ("tail", "head")]
    touched = pl.concat(
        [
            facts.filter((pl.col(f"{end}_kind") == "entity") & (pl.col(f"{other}_kind") != "user")).select(key=end)
            for end, other in ends
        ]
    ).unique()
    linkable = pl.concat(
        [
            nodes.filter(pl.col("kind") == "item"),
            nodes.filter(pl.col("kind") == "entity").join(touched, on="key", how="semi"),
        ]
    ).sort("kind", "key")
    names: list[str] = []
    entities: list[int] = []
    for row, (key, label, aliases) in enumerate(linkable.select("key", "label", "aliases").iter_rows()):
        known = [name for name in (label, *aliases) if name != key]
        variants = dict.fromkeys(variant for name in known for variant in name_variants(name))
        names += variants
        entities += [row] * len(variants)
    descriptions = _descriptions(linkable, nodes, facts) if described else ()
    gazetteer = Gazetteer(
        tuple(names),
        tuple(entities),
        tuple(linkable["type"].to_list()),
        tuple(linkable["label"].to_list()),
        tuple(descriptions),
    )
    return Vocabulary(linkable.select("kind", "key", "type", "label"), gazetteer)


def _descriptions(linkable: pl.DataFrame, nodes: pl.DataFrame, facts: pl.DataFrame) -> Sequence[str]:
    labels = nodes.select(other_kind="kind", other="key", name="label").filter(pl.col("other_kind") != "user")
    both = [
        facts.select(kind=f"{a}_kind", key=a, other_kind=f"{b}_kind", other=b)
        for a, b in (("head", "tail"), ("tail", "head"))
    ]
    near = (
        pl.concat(both)
        .join(labels, on=["other_kind", "other"])
        .unique()
        .sort("kind", "key", "name")
        .group_by("kind", "key", maintain_order=True)
        .agg(pl.col("name").head(NEIGHBOURS))
        .select("kind", "key", near=pl.col("name").list.join(", "))
    )
    described = linkable.join(near, on=["kind", "key"], how="left", maintain_order="left").select(
        text=pl.format("{} ({}). {}", "label", "type", pl.col("near").fill_null(""))
    )
    texts: list[str] = described["text"].to_list()
    return texts


LINKS = {
    "text": pl.String(),
    "start": pl.UInt32(),
    "end": pl.UInt32(),
    "kind": pl.String(),
    "key": pl.String(),
    "score": pl.Float32(),
}
"""Links by digest of the text; ``start`` is null in the one row of a text without links."""


def digest(text: str) -> str:
    """Return the digest under which the links of a text are kept."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def link_texts(
    texts: Sequence[str],
    vocabulary: Vocabulary,
    linker: EntityLinker,
    encoder: TextEncoder | None = None,
    cache: Path | None = None,
) -> tuple[pl.DataFrame, int]:
    """Link ``texts``, taking from ``cache`` what cannot have changed; what was linked is kept there.

    Args:
        texts: distinct texts.
        vocabulary: the names.
        linker: already prepared with the vocabulary's gazetteer.
        encoder: the one it was prepared with.
        cache: folder, or None to link everything. Used only for an :class:`IncrementalLinker`.

    Returns:
        Links as :data:`LINKS`, and how many texts were linked rather than taken from the cache.
    """
    digests = pl.Series("text", [digest(text) for text in texts], dtype=pl.String)
    if cache is None or not isinstance(linker, IncrementalLinker):
        return _link(texts, digests, vocabulary, linker), len(texts)
    # Polars' hashes, of which signatures are made, are stable within a version only.
    maker = f"{linker.fingerprint} {encoder.fingerprint if encoder else ''} polars-{pl.__version__}"
    signatures = vocabulary.signatures(described=encoder is not None)
    kept = _reusable(texts, digests, linker, _load(cache, maker), signatures)
    fresh = ~digests.is_in(kept["text"].implode())
    chosen = fresh.arg_true().to_list()
    linked = _link([texts[k] for k in chosen], digests.filter(fresh), vocabulary, linker)
    links = pl.concat([kept, linked])
    _store(cache, maker, links, signatures)
    return links, len(chosen)


def _link(texts: Sequence[str], digests: pl.Series, vocabulary: Vocabulary, linker: EntityLinker) -> pl.DataFrame:
    found = linker.link(texts)
    rows = pl.DataFrame(
        [(link.text, link.start, link.end, link.entity, link.score) for link in found],
        schema={"row": pl.UInt32, "start": pl.UInt32, "end": pl.UInt32, "entity": pl.UInt32, "score": pl.Float32},
        orient="row",
    )
    nodes = vocabulary.nodes.select("kind", "key").with_row_index("entity")
    return (
        digests.to_frame()
        .with_row_index("row")
        .join(rows.join(nodes, on="entity", how="left"), on="row", how="left", maintain_order="left")
        .sort("row", "start")
        .select(pl.col(name).cast(dtype) for name, dtype in LINKS.items())
    )


def _reusable(
    texts: Sequence[str],
    digests: pl.Series,
    linker: IncrementalLinker,
    stored: tuple[pl.DataFrame, pl.DataFrame] | None,
    signatures: pl.DataFrame,
) -> pl.DataFrame:
    if stored is None:
        return pl.DataFrame(schema=LINKS)
    links, before = stored
    both = ["name", "signature"]
    differing = pl.concat([signatures.join(before, on=both, how="anti"), before.join(signatures, on=both, how="anti")])
    changed = differing["name"].unique().sort().to_list()
    known = digests.is_in(links["text"].unique().implode())
    candidates = known.arg_true().to_list()
    touched = linker.containing([texts[k] for k in candidates], changed) if changed else []
    lost = {digests[k] for k, hit in zip(candidates, touched, strict=bool(changed)) if hit}
    keep = digests.filter(known & ~digests.is_in(sorted(lost)))
    return links.join(keep.to_frame(), on="text", how="semi", maintain_order="left")


def _load(cache: Path, maker: str) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    try:
        if read_json(cache / "links.json") != maker:
            return None
        return read_table(cache / "links.parquet"), read_table(cache / "link-names.parquet")
    except CorruptArtifactError:
        return None


def _store(cache: Path, maker: str, links: pl.DataFrame, signatures: pl.DataFrame) -> None:
    # The mark goes first and comes last: an interrupted write leaves no cache, not a wrong one.
    (cache / "links.json").unlink(missing_ok=True)
    with storage_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        for name, table in (("links", links), ("link-names", signatures)):
            with replacing(cache / f"{name}.parquet") as aside:
                table.write_parquet(aside)
    write_json(cache / "links.json", maker)
