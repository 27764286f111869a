"""The kinds of text of a domain that states none of its own."""

from __future__ import annotations

from kgrec.errors import NotFoundError
from kgrec.languages import DEFAULT, every_language, get_language, languages
from kgrec.plugin.domain import Domain, TextKind


def _generic(name: str, summary: str, *, personal: bool = True) -> TextKind:
    phrases = {code: f"kgrec.languages:{code}/phrases/{name}.txt" for code in languages()}
    lengths = {one.code: one.length.kinds[name] for one in every_language() if name in one.length.kinds}
    return TextKind(name, summary, phrases, personal=personal, max_length=lengths)


BLURB = _generic("blurb", "two or three sentences that say what the item is and why for this reader")
REASON = _generic("reason", "one sentence why the item may suit this reader")
SUMMARY = _generic("summary", "what the item is, in one or two sentences, for nobody in particular", personal=False)
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


def cues_of(domain: Domain, code: str) -> dict[str, tuple[str, ...]]:
    """Return the words that state each relation of ``domain`` in a language: its label, and what the domain adds."""
    found, spaced = {}, get_language(code).spaced
    for relation in domain.relation_types:
        label = relation.labels.get(code, relation.label if code == DEFAULT else "")
        # A single word ("in", "about", "rated") stands in too many sentences to state one relation.
        telling = " " in label if spaced else bool(label)
        labels = (f"{label} {{}}" if spaced else f"{label}{{}}",) if telling else ()
        found[relation.name] = (*labels, *domain.cues.get(code, {}).get(relation.name, ()))
    return found
