"""The relations of a workspace: actions, the domain's, those of attributes, and those of imported graphs."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import polars as pl

from kgrec.errors import DataError
from kgrec.graph.tables import RELATIONS
from kgrec.plugin.domain import ACTIONS, Domain, RelationType

ACTION_LABELS: Mapping[str, tuple[str, str]] = {
    "view": ("viewed", "viewed by"),
    "click": ("clicked", "clicked by"),
    "like": ("liked", "liked by"),
    "cart": ("put in the cart", "put in the cart by"),
    "purchase": ("purchased", "purchased by"),
    "rate": ("rated", "rated by"),
    "comment": ("commented on", "commented on by"),
    "share": ("shared", "shared by"),
    "collect": ("collected", "collected by"),
    "search": ("searched for", "searched for by"),
    "impression": ("was shown", "shown to"),
    "dislike": ("disliked", "disliked by"),
    "skip": ("skipped", "skipped by"),
}
"""How an interaction reads from the user and from the item."""

MENTIONS = RelationType("mentions", inverse="mentioned_by", inverse_label="mentioned in")
"""An item's text names an entity or another item."""


def action_relation(action: str) -> RelationType:
    """Return the relation of an action: ``purchase`` and ``purchased_by``."""
    label, inverse = ACTION_LABELS[action]
    return RelationType(
        action, label=label, inverse=inverse.replace(" ", "_"), inverse_label=inverse, head="user", tail="item"
    )


def readable(foreign: str) -> str:
    """Return how the foreign name of a relation reads.

    >>> names = ("http://dbpedia.org/ontology/musicComposer", "people.person.nationality", "dbo:associatedBand", "7")
    >>> [readable(name) for name in names]
    ['music composer', 'person nationality', 'associated band', 'relation 7']
    """
    local = unquote(foreign.rstrip("/#")) if "://" in foreign else foreign
    local = re.split(r"[/#:]", local)[-1]
    if local.count(".") >= 2:  # Freebase: domain.type.property, where the domain says nothing new
        local = " ".join(local.split(".")[-2:])
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+", " ", local).strip().lower()
    return f"relation {spaced}".strip() if not re.search(r"[^\W\d]", spaced) else spaced


def relation_name(foreign: str) -> str:
    """Return the name of a relation that no type of the domain claims; equal for equal input, whatever else there is.

    >>> relation_name("people.person.nationality"), relation_name("http://example.org/like")
    ('people_person_nationality', 'graph_like')
    """
    words = foreign if "://" in foreign or foreign.count(".") < 2 else foreign.replace(".", " ")
    name = readable(words).replace(" ", "_")
    if name == "relation":  # nothing but punctuation
        name = f"relation_{zlib.crc32(foreign.encode()):08x}"
    return f"graph_{name}" if name in ACTIONS or name == MENTIONS.name else name


def attribute_relation(name: str, attribute: str, head: str) -> RelationType:
    """Return a relation for an attribute whose relation no domain describes: ``has_genre`` reads "has genre"."""
    label = readable(name)
    return RelationType(
        name, label=label, inverse=f"inverse_of_{name}", inverse_label=f"{label} of", head=head, tail=attribute
    )


@dataclass
class Schema:
    """The relations known so far, by name; imported ones are added as they are met."""

    types: dict[str, RelationType] = field(default_factory=dict)
    _foreign: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def add(self, relation: RelationType) -> None:
        """Add a relation and the foreign names it goes by; one that is there already stays."""
        if relation.name in self.types:
            return
        self.types[relation.name] = relation
        for alias in (relation.name, *relation.aliases):
            self._foreign.setdefault(alias, (relation.name, False))
        for alias in (relation.inverse, *relation.inverse_aliases):
            self._foreign.setdefault(alias, (relation.name, True))

    def find(self, name: str) -> tuple[RelationType, bool] | None:
        """Return the relation that goes by ``name`` and whether ``name`` reads from tail to head; None: unknown."""
        known = self._foreign.get(name)
        return (self.types[known[0]], known[1]) if known else None

    def resolve(self, names: Iterable[str]) -> pl.DataFrame:
        """Find the relations that foreign names stand for; an unknown name becomes a relation of its own.

        Returns:
            Columns ``foreign``, ``relation``, ``swapped`` (head and tail change places).
        """
        rows = []
        for foreign in sorted(set(names)):
            known = self._foreign.get(foreign) or self._foreign.get(relation_name(foreign))
            if known is None:
                self.add(_imported(relation_name(foreign), readable(foreign)))
                known = (relation_name(foreign), False)
            rows.append((foreign, *known))
        schema = {"foreign": pl.String(), "relation": pl.String(), "swapped": pl.Boolean()}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def table(self, previous: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return the relations as :data:`RELATIONS`, those of ``previous`` first and in their order.

        Raises:
            DataError: more relations than an edge can number.
        """
        rows = [(t.name, t.label, t.inverse, t.inverse_label) for t in self.types.values()]
        table = pl.DataFrame(rows, schema=dict(RELATIONS), orient="row")
        if previous is not None:
            table = pl.concat([previous, table.join(previous, on="name", how="anti")])
        if table.height > 2**16:
            raise DataError(
                f"the graph has {table.height:,} relations, more than {2**16:,}",
                hint="check that the relation column of the triples is not head or tail",
            )
        return table


def build_schema(domain: Domain, actions: Iterable[str]) -> Schema:
    """Return the schema of a workspace before attributes and triples are read.

    The relations of actions are not open to foreign names: an imported ``like`` is no interaction.
    """
    schema = Schema()
    for action in ACTIONS:
        if action in set(actions):
            schema.types[action] = action_relation(action)
    for relation in domain.relation_types:
        schema.add(relation)
    return schema


def _imported(name: str, label: str) -> RelationType:
    return RelationType(name, label=label, inverse=f"inverse_of_{name}", inverse_label=f"{label} of", head="entity")
