"""The text of an item: its title, description, attributes and linked entities, put together by a template."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.errors import ConfigError, DataError, did_you_mean
from kgrec.plugin.domain import Domain

CORE_FIELDS = ("title", "description", "entities")
MAX_ENTITIES = 20

_JOINT = re.compile(r".*?(?:[\s.,;:!?|/·—–…，。；：、！？]+\s*|(?<=[\]\)}》」』”’】）]))", re.DOTALL)
_CLOSING = "])}》」』”’】）\"'"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder with the words around it that make no sense without it.

    Attributes:
        name: of the placeholder.
        before: what leads to it: a label, an opening bracket.
        after: what joins it to the next part, or ends the text.
    """

    name: str
    before: str
    after: str


def parse_template(template: str) -> list[Placeholder]:
    """Split a template into its parts: the text between two placeholders is cut after its first punctuation or space.

    >>> parse_template("{title}. Directed by {director}.")
    [Placeholder(name='title', before='', after='. '), Placeholder(name='director', before='Directed by ', after='.')]

    Raises:
        ConfigError: braces do not match, or there is no placeholder.
    """
    try:
        pieces = [(text, name) for text, name, _, _ in string.Formatter().parse(template)]
    except ValueError as error:
        raise ConfigError(f"item template {template!r}: {error}", hint="a literal brace is written twice") from None
    names = [name for _, name in pieces if name is not None]
    if not names:
        raise ConfigError(f"item template {template!r} has no placeholder", hint="for example '{title}. {description}'")
    literals = [""]
    for text, name in pieces:
        literals[-1] += text
        if name is not None:
            literals.append("")
    befores, afters = [literals[0]], []
    for literal in literals[1:-1]:
        joint = _JOINT.match(literal)
        cut = joint.end() if joint else 0
        afters.append(literal[:cut])
        befores.append(literal[cut:])
    afters.append(literals[-1])
    return [Placeholder(name, before, after) for name, before, after in zip(names, befores, afters, strict=True)]


def item_texts(
    dataset: Dataset, entity_labels: pl.DataFrame | list[list[str]] | None, template: str | None, domain: Domain
) -> list[str]:
    """Return the text of every item, in the order of the vocabulary; empty where nothing is known of it.

    A part that is missing takes its label and its punctuation with it.

    Args:
        dataset: titles, descriptions and attributes.
        entity_labels: names of the entities linked with each item: a list for each item, or a table with the columns
            ``item`` (position) and ``labels`` (list of strings); items may be missing from it.
        template: with ``{title}``, ``{description}``, ``{entities}`` and names of attributes; None: the domain's.
        domain: brings the default template and names further attributes that data may have.

    Raises:
        ConfigError: the template names something that neither the data nor the domain has.
    """
    template = template or domain.item_template
    parts = parse_template(template)
    known = dict.fromkeys((*CORE_FIELDS, *dataset.item_attributes, *domain.attributes))
    for part in parts:
        if part.name not in known:
            raise ConfigError(
                f"item template names {part.name!r}, which no item has", hint=did_you_mean(part.name, known)
            )
    comma = "、" if re.search(r"[\u3000-\u303f\u4e00-\u9fff]", template) else ", "
    table = dataset.items.with_columns(_entities(dataset, entity_labels).alias("entities"))
    values = table.select(_value(table, part.name, comma).alias(f"p{k}") for k, part in enumerate(parts))
    return values.select(_assemble(parts)).to_series().to_list()


def _entities(dataset: Dataset, entity_labels: pl.DataFrame | list[list[str]] | None) -> pl.Series:
    empty = pl.Series("labels", [None] * dataset.n_items, dtype=pl.List(pl.String))
    if entity_labels is None:
        return empty
    if isinstance(entity_labels, list):
        return pl.Series("labels", entity_labels, dtype=pl.List(pl.String))
    rows = entity_labels.select(pl.col("item").cast(pl.UInt32), pl.col("labels"))
    rows = rows.explode("labels").group_by("item", maintain_order=True).agg("labels")
    items = pl.DataFrame({"item": pl.int_range(dataset.n_items, dtype=pl.UInt32, eager=True)})
    return items.join(rows, on="item", how="left", maintain_order="left")["labels"]


def _value(table: pl.DataFrame, name: str, comma: str) -> pl.Expr:
    """Return a column as text: lists joined, white space collapsed, nothing as the empty string."""
    if name not in table.columns:
        return pl.lit("", dtype=pl.String)
    column = pl.col(name)
    if isinstance(table.schema[name], pl.List):
        column = column.cast(pl.List(pl.String)).list.drop_nulls().list.unique(maintain_order=True)
        column = column.list.head(MAX_ENTITIES).list.join(comma)
    return column.cast(pl.String).fill_null("").str.replace_all(r"\s+", " ").str.strip_chars()


def _assemble(parts: list[Placeholder]) -> pl.Expr:
    last = len(parts) - 1
    pieces = []
    for k, part in enumerate(parts):
        value, present = pl.col(f"p{k}"), pl.col(f"p{k}") != ""
        if part.after[:1] in tuple(".。!！?？"):
            # A description that ends in a full stop does not get a second one.
            value = value.str.replace(r"[.。]+$", "")
        # What joins a part to the next goes when no next one is there; brackets are closed all the same.
        closing = part.after if k == last else "".join(c for c in part.after if c in _CLOSING)
        after = pl.lit(closing)
        if k < last:
            follows = pl.any_horizontal(*(pl.col(f"p{j}") != "" for j in range(k + 1, len(parts))))
            after = pl.when(follows).then(pl.lit(part.after)).otherwise(after)
        pieces.append(pl.when(present).then(pl.concat_str(pl.lit(part.before), value, after)).otherwise(pl.lit("")))
    return pl.concat_str(pieces).str.strip_chars().alias("text")


def read_keywords(file: Path, item_ids: pl.Series) -> list[str]:
    """Return the keywords of each item, empty where it has none.

    Args:
        file: written by `kgrec generate enrich`, or by hand: columns ``item_id`` and ``keywords``.
        item_ids: of all items, in the order of the vocabulary.

    Raises:
        DataError: there is no such file, or it lacks a column.
    """
    hint = "write it by `kgrec generate enrich --out FILE`, or leave out text.keywords"
    try:
        table = pl.read_csv(file, infer_schema=False).select("item_id", "keywords")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file} holds no keywords: {error}", hint=hint) from None
    table = table.unique("item_id", keep="last", maintain_order=True)
    asked = pl.DataFrame({"item_id": item_ids})
    found = asked.join(table, on="item_id", how="left", maintain_order="left")["keywords"]
    return found.fill_null("").to_list()
