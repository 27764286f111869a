"""The contract of a domain."""

from __future__ import annotations

import importlib
import re
import string
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, get_args

from kgrec.errors import did_you_mean
from kgrec.languages import DEFAULT, languages
from kgrec.plugin.domain import ACTIONS, Domain, Role
from kgrec.settings import load_settings
from kgrec.testing.contract import Contract

FIELDS: dict[str, set[str]] = {
    "interactions": {"user", "item", "action", "value", "time", "text"},
    "items": {"id", "title", "description"},
    "users": {"id", "description"},
    "triples": {"head", "relation", "tail"},
    "link": {"item", "entity"},
}
"""kgrec's fields by the role of a file."""


class DomainContract(Contract):
    """What every domain must keep: it is data, so this is a check of its consistency."""

    has_options: ClassVar[bool] = False

    @abstractmethod
    def make(self) -> Domain:
        """Return the domain."""

    def test_name_and_summary(self) -> None:
        """The name can stand in kgrec.toml, the summary in one line of a table."""
        domain = self.make()
        assert isinstance(domain, Domain)
        assert re.fullmatch(r"[a-z][a-z0-9-]*", domain.name), domain.name
        assert domain.summary.strip()
        assert "\n" not in domain.summary

    def test_actions_exist(self) -> None:
        """Weights and verbs are of actions that kgrec knows; weights are not negative."""
        domain = self.make()
        for action in (*domain.action_weights, *(action for by in domain.verbs.values() for action in by)):
            assert action in ACTIONS, f"{action!r}: {did_you_mean(action, ACTIONS)}"
        assert all(weight >= 0 for weight in domain.action_weights.values())

    def test_words_for_people(self) -> None:
        """Words are there, in languages that there are; each verb is in the main language at least."""
        domain = self.make()
        assert not domain.item_noun or domain.item_noun.get(DEFAULT, "").strip(), domain.item_noun
        for by_language in (domain.item_noun, domain.verbs, domain.verbs_before_names, domain.units, domain.cues):
            assert set(by_language) <= set(languages()), set(by_language) - set(languages())
        for by_action in (*domain.verbs.values(), *domain.verbs_before_names.values()):
            assert set(by_action) <= set(domain.verbs.get(DEFAULT, {})), by_action
            assert all(verb.strip() for verb in by_action.values()), by_action

    def test_relation_types(self) -> None:
        """Names are snake case and unique over both directions, labels are there, aliases mean one thing."""
        relations = self.make().relation_types
        names = [name for relation in relations for name in {relation.name, relation.inverse}]
        assert len(names) == len(set(names)), f"a name is used twice: {sorted(names)}"
        assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in names), names
        assert all(relation.label.strip() and relation.inverse_label.strip() for relation in relations)
        aliases = [alias for relation in relations for alias in (*relation.aliases, *relation.inverse_aliases)]
        assert len(aliases) == len(set(aliases)), f"an alias is used twice: {sorted(aliases)}"

    def test_reasons_can_be_filled(self) -> None:
        """A relation's reason has no placeholder but ``{entity}``, and names it."""
        for relation in self.make().relation_types:
            for sentence in filter(None, (relation.reason, *relation.reasons.values())):
                assert _placeholders(sentence) == {"entity"}, f"{relation.name}: {sentence!r}"

    def test_attributes_name_relations(self) -> None:
        """An attribute becomes edges of a relation type of the domain, or stays a literal."""
        domain = self.make()
        known = {relation.name for relation in domain.relation_types}
        for name, attribute in domain.attributes.items():
            relation = attribute.relation
            assert relation is None or relation in known, f"{name}: {did_you_mean(relation, known)}"
            assert attribute.separator != "", name

    def test_columns_are_of_known_fields(self) -> None:
        """Column names are given for files and fields that kgrec has."""
        for role, fields in self.make().columns.items():
            assert role in get_args(Role), role
            assert set(fields) <= FIELDS[role], f"{role}: {set(fields) - FIELDS[role]}"

    def test_item_template(self) -> None:
        """The item's text is made of parts that the domain has."""
        domain = self.make()
        known = {"title", "description", "entities", *domain.attributes}
        used = _placeholders(domain.item_template)
        assert used, "the item template names nothing"
        assert used <= known, used - known

    def test_patterns(self) -> None:
        """A pattern compiles, names its entity and a relation of the domain."""
        domain = self.make()
        known = {relation.name for relation in domain.relation_types}
        for pattern in domain.patterns:
            assert "entity" in re.compile(pattern.pattern).groupindex, pattern.pattern
            assert pattern.relation in known, f"{pattern.relation}: {did_you_mean(pattern.relation, known)}"
            assert pattern.language in (None, *languages())

    def test_kinds_of_text(self) -> None:
        """Kinds have names, phrases that can be read, and of each section without a mark a line that needs little."""
        from kgrec.generate.template import load_phrases

        domain = self.make()
        names = [kind.name for kind in domain.kinds]
        assert len(names) == len(set(names)), names
        for kind in domain.kinds:
            assert re.fullmatch(r"[a-z][a-z0-9-]*", kind.name), kind.name
            assert kind.summary.strip()
            for language, target in kind.phrases.items():
                assert re.fullmatch(r"[a-z]{2}(@[a-z0-9-]+)?", language), language
                always = [section for section in load_phrases(target).sections if not section.mark]
                bare = {*kind.requires, "noun", "nouns"}
                assert all(any(needs <= bare for needs in section.needs) for section in always), target

    def test_units_and_cues(self) -> None:
        """Units are of attributes and cues of relations of the domain; a cue has one place for a name."""
        domain = self.make()
        known = {relation.name for relation in domain.relation_types}
        for units in domain.units.values():
            assert set(units) <= set(domain.attributes), set(units) - set(domain.attributes)
        for cues in domain.cues.values():
            assert set(cues) <= known, set(cues) - known
            assert all(cue.count("{}") == 1 for worded in cues.values() for cue in worded), cues

    def test_sample(self, tmp_path: Path) -> None:
        """The sample, where there is one, is the same for the same seed, and its kgrec.toml can be read."""
        target = self.make().sample
        if target is None:
            return
        module, _, name = target.partition(":")
        write = getattr(importlib.import_module(module), name)
        for folder in ("first", "second"):
            (tmp_path / folder).mkdir()
            write(tmp_path / folder, 0)
        first, second = _contents(tmp_path / "first"), _contents(tmp_path / "second")
        assert first, "the sample is empty"
        assert first == second, "the sample differs from one call to the next"
        if "kgrec.toml" in first:
            load_settings(tmp_path / "first" / "kgrec.toml")


def _placeholders(template: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
