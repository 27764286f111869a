"""The kinds of text of a domain that states none of its own."""

from __future__ import annotations

from kgrec.errors import NotFoundError
from kgrec.plugin.domain import Domain, TextKind


def _phrases(name: str) -> dict[str, str]:
    return {language: f"kgrec.generate:phrases/{name}.{language}.txt" for language in ("en", "zh")}


BLURB = TextKind("blurb", "two or three sentences that say what the item is and why for this reader", _phrases("blurb"))
SUMMARY = TextKind(
    "summary",
    "what the item is, in one or two sentences, for nobody in particular",
    _phrases("summary"),
    personal=False,
    max_length={"en": 50, "zh": 100},
)
REASON = TextKind(
    "reason",
    "one sentence why the item may suit this reader",
    _phrases("reason"),
    max_length={"en": 40, "zh": 80},
)
GENERIC = (BLURB, REASON, SUMMARY)


def kinds_of(domain: Domain) -> dict[str, TextKind]:
    """Return the kinds of ``domain`` by name, the usual one first; those of no particular field where it has none."""
    kinds = domain.kinds or GENERIC
    return {kind.name: kind for kind in kinds}


def kind_of(domain: Domain, name: str | None) -> TextKind:
    """Return the kind ``name``, or the domain's usual one for None.

    Raises:
        NotFoundError: the domain has no such kind.
    """
    kinds = kinds_of(domain)
    if name is None:
        return next(iter(kinds.values()))
    if name not in kinds:
        raise NotFoundError.of("kind of text", name, kinds, where=f"domain {domain.name!r}")
    return kinds[name]


def cues_of(domain: Domain, language: str) -> dict[str, tuple[str, ...]]:
    """Return the words that state each relation of ``domain``: its label, and what the domain adds."""
    found = {}
    for relation in domain.relation_types:
        label = relation.label if language == "en" else relation.labels.get(language, "")
        # A single English word ("in", "about", "rated") stands in too many sentences to state one relation.
        telling = " " in label if language == "en" else bool(label)
        labels = (f"{label} {{}}" if language == "en" else f"{label}{{}}",) if telling else ()
        found[relation.name] = (*labels, *domain.cues.get(relation.name, {}).get(language, ()))
    return found
