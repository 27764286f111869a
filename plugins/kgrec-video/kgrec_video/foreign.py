"""How foreign graphs write the properties of films, and a short form of a relation type."""

from __future__ import annotations

from collections.abc import Sequence

from kgrec.plugin import RelationType


def foreign(
    *, dbpedia: Sequence[str] = (), schema: Sequence[str] = (), wikidata: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return every way in which graphs write these properties: short, prefixed, IRI."""
    names = [*(f"dbo:{name}" for name in dbpedia), *(f"http://dbpedia.org/ontology/{name}" for name in dbpedia)]
    names += [f"http://dbpedia.org/property/{name}" for name in dbpedia]
    names += [f"{start}{name}" for name in schema for start in ("schema:", "http://schema.org/", "https://schema.org/")]
    names += [f"http://www.wikidata.org/prop/direct/{name}" for name in wikidata]
    return tuple(names)


def relation_type(
    name: str,
    label: str,
    inverse: str,
    inverse_label: str,
    tail: str,
    *,
    zh: tuple[str, str, str],
    reason: str,
    aliases: tuple[str, ...],
    inverse_aliases: tuple[str, ...] = (),
) -> RelationType:
    """Return a relation type whose head is a film; ``zh`` are label, inverse label and reason in Chinese."""
    label_zh, inverse_zh, reason_zh = zh
    return RelationType(
        name,
        label,
        inverse,
        inverse_label,
        tail=tail,
        labels={"zh": label_zh},
        inverse_labels={"zh": inverse_zh},
        aliases=aliases,
        inverse_aliases=inverse_aliases,
        reason=reason,
        reasons={"zh": reason_zh},
    )
