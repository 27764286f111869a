"""The base of all contracts, and those of a plugin as a whole: its hooks, its commands, its domain."""

from __future__ import annotations

import inspect
import io
import json
import random
import re
import string
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, get_args

import numpy as np
import pytest

from kgrec.errors import ConfigError, MissingExtraError, did_you_mean
from kgrec.languages import DEFAULT, languages
from kgrec.plugin import spec
from kgrec.plugin.domain import ACTIONS, AGAINST, LOVE, Domain, Mapping, PromptTemplate, RelationType, Role
from kgrec.plugin.generation import MAIN
from kgrec.plugin.manager import OFFERS, load_plugins, misspelt_hooks
from kgrec.plugin.sample_files import write_sample
from kgrec.plugin.spec import Spec
from kgrec.settings import load_settings


class Contract(ABC):
    """Base of the contract classes: a subclass says how the thing under test is made.

    Attributes:
        has_options: False where the thing under test is not built from options (a domain, a module).
    """

    has_options: ClassVar[bool] = True

    @abstractmethod
    def make(self) -> Any:
        """Return a new thing under test."""

    def test_unknown_option_is_an_error(self) -> None:
        """An option that the class does not know must not be swallowed."""
        if not self.has_options:
            return
        with pytest.raises((TypeError, ValueError, ConfigError)):
            type(self.make())(there_is_no_such_option=1)


@contextmanager
def untouched_random_state() -> Iterator[None]:
    """Fail when the block changes the global random state of ``random``, numpy or (if it is imported) torch."""
    python, numpy_before = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    torch = sys.modules.get("torch")
    torch_before = torch.get_rng_state().clone() if torch is not None else None
    yield
    assert random.getstate() == python, "the global state of random was changed: use a random.Random of your own"
    numpy_after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert str(numpy_after) == str(numpy_before), "the global state of numpy.random was changed: use default_rng(seed)"
    if torch is not None and torch_before is not None:
        same = bool(torch.equal(torch.get_rng_state(), torch_before))
        assert same, "the global state of torch was changed: use a torch.Generator"


HEAVY = ("torch", "torch_geometric", "transformers", "ray", "rdflib", "networkx", "polars", "scipy")
"""What the import of a plugin must not bring: it would slow down every command."""


class PluginContract(Contract):
    """What every plugin module must keep."""

    has_options: ClassVar[bool] = False

    @abstractmethod
    def make(self) -> ModuleType:
        """Return the module that the entry point names."""

    def test_hooks_are_spelt_right(self) -> None:
        """Each function named like a hook is one and carries the marker."""
        assert misspelt_hooks(self.make()) == []

    def test_hooks_take_what_they_are_given(self) -> None:
        """An argument of a hook is called as in the hook's specification; those that are not needed may be left out."""
        for name, hook in vars(spec).items():
            function = getattr(self.make(), name, None)
            if not name.startswith("kgrec_") or function is None:
                continue
            known = list(inspect.signature(hook).parameters)
            for given in inspect.signature(function).parameters:
                told = did_you_mean(given, known) if known else "it takes no argument"
                assert given in known, f"{name} has no argument {given!r}: {told}"

    def test_questions_are_answered_rightly(self) -> None:
        """Hooks that answer a question return what the specification says, or None where one may answer for others."""
        asked: dict[str, Any] = {
            "domain": Domain("generic", "any"), "source": "table.csv", "columns": ["a", "b"], "task": "blurb.en",
        }  # fmt: skip
        answers: dict[str, tuple[type[Any], bool]] = {
            "kgrec_relation_types": (RelationType, True),
            "kgrec_prompt_variants": (str, True),
            "kgrec_schema_mapping": (Mapping, False),
            "kgrec_prompt_template": (PromptTemplate, False),
        }
        for name, (kind, several) in answers.items():
            function = getattr(self.make(), name, None)
            if function is None:
                continue
            answer = function(**{given: asked[given] for given in inspect.signature(function).parameters})
            if several:
                right = isinstance(answer, list) and all(isinstance(one, kind) for one in answer)
                assert right, f"{name} returned {answer!r:.60}: return a list of {kind.__name__}, empty for nothing"
            else:
                right = answer is None or isinstance(answer, kind)
                assert right, f"{name} returned {answer!r:.60}: return a {kind.__name__}, or None to leave it to others"

    def test_implements_a_hook(self) -> None:
        """A plugin without hooks does nothing."""
        assert [name for name in dir(self.make()) if name.startswith("kgrec_")]

    def test_offers(self) -> None:
        """Offer hooks return lists of Specs (or Domains), under different names, with one-line summaries."""
        for kind, hook in OFFERS.items():
            offers = _offers(self.make(), hook)
            expected = Domain if kind == "domain" else Spec
            assert all(isinstance(offer, expected) for offer in offers), hook
            names = [offer.name for offer in offers]
            assert len(names) == len(set(names)), f"{hook} offers a name twice: {names}"
            for offer in offers:
                assert kind == "command" or re.fullmatch(r"[a-z][a-z0-9-]*", offer.name), offer.name
                assert offer.summary.strip(), offer.name
                assert "\n" not in offer.summary, offer.name

    def test_specs_load(self) -> None:
        """Each Spec names a class that is there (a command a function); a missing extra is said to be one."""
        for kind, hook in OFFERS.items():
            for offer in _offers(self.make(), hook):
                if isinstance(offer, Spec):
                    with suppress(MissingExtraError):  # raised only where the Spec names the extra
                        assert callable(offer.imported() if kind == "command" else offer.load())

    def test_import_is_light(self) -> None:
        """The module imports nothing that takes long; Specs are there so that it need not."""
        _assert_light(f"import {self.make().__name__}")


class CommandsContract(Contract):
    """What a plugin must keep that offers commands."""

    has_options: ClassVar[bool] = False

    @abstractmethod
    def make(self) -> ModuleType:
        """Return the module that implements ``kgrec_commands``."""

    def test_commands_have_names_of_one_word_or_two(self) -> None:
        """There are commands, named by a word, or by two as in ``graph stats``."""
        offers = _offers(self.make(), "kgrec_commands")
        assert offers, "kgrec_commands offers nothing"
        for offer in offers:
            assert re.fullmatch(r"[a-z][a-z0-9-]*( [a-z][a-z0-9-]*)?", offer.name), offer.name

    def test_summary_is_the_first_line_of_the_help(self) -> None:
        """The line in the list of commands is that of ``--help``."""
        for offer in _offers(self.make(), "kgrec_commands"):
            assert isinstance(offer, Spec)
            told = (inspect.getdoc(offer.imported()) or "").partition("\n")[0]
            assert told == offer.summary, f"{offer.name}: {told!r} is not {offer.summary!r}"

    def test_offering_is_light(self) -> None:
        """Offering commands imports nothing that takes long: it happens at every start of the command line."""
        _assert_light(f"import {self.make().__name__} as plugin; plugin.kgrec_commands()")

    def test_commands_answer_help(self) -> None:
        """Every command has annotations that the command line can read."""
        from kgrec.cli.application import offered_command

        for offer in _offers(self.make(), "kgrec_commands"):
            assert isinstance(offer, Spec)
            text = io.StringIO()
            with redirect_stdout(text):
                offered_command(offer).main(["--help"], prog_name=f"kgrec {offer.name}", standalone_mode=False)
            assert offer.summary.split()[0] in text.getvalue()


def _offers(plugin: ModuleType, hook: str) -> list[Spec | Domain]:
    function = getattr(plugin, hook, None)
    if function is None:
        return []
    assert not inspect.signature(function).parameters, f"{hook} takes no argument"
    offers = function()
    assert isinstance(offers, list), f"{hook} must return a list"
    return offers


def _assert_light(code: str) -> None:
    script = f"import sys; {code}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"imports {done.stdout.split()}"


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
        """Weights and verbs are of actions that kgrec knows; weights are not negative, those of a rejection 0."""
        domain = self.make()
        for action in (*domain.action_weights, *(action for by in domain.verbs.values() for action in by)):
            assert action in (*ACTIONS, LOVE), f"{action!r}: {did_you_mean(action, ACTIONS)}"
        assert all(weight >= 0 for weight in domain.action_weights.values())
        against = [action for action in AGAINST if domain.action_weights.get(action)]
        assert not against, f"{against[0]} speaks against an item, whatever it weighs: leave its weight out"

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
        """A relation's reason has no placeholder but ``{entity}``, and names it where it leads to no item."""
        for relation in self.make().relation_types:
            worded = (relation.reason, *relation.reasons.values())
            for sentence in (way for ways in worded for way in ([ways] if isinstance(ways, str) else ways) if way):
                named = set() if relation.tail == "item" else {"entity"}
                assert named <= _placeholders(sentence) <= {"entity"}, f"{relation.name}: {sentence!r}"

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

    def test_columns_can_be_told_apart(self) -> None:
        """A column name stands for one field of a file, and is one that a file can have."""
        for role, fields in self.make().columns.items():
            seen: dict[str, str] = {}
            for field, names in fields.items():
                for name in names:
                    folded = "".join(filter(str.isalnum, name)).casefold()
                    assert folded, f"{role}.{field}: {name!r} is no name of a column"
                    first = seen.setdefault(folded, field)
                    assert first == field, f"{role}: column {name!r} cannot be both {first} and {field}: leave one out"

    def test_reasons_are_in_all_its_languages(self) -> None:
        """A relation that has a reason in one of the domain's languages has one in the others."""
        domain = self.make()
        codes = [code for code in domain.item_noun if code in languages()]
        for relation in domain.relation_types:
            told = {code for code in codes if relation.reason_in(code)}
            missing = sorted(set(codes) - told)
            assert not told or not missing, (
                f"{relation.name} has no reason in {', '.join(missing)}: add it to the words of that language,"
                f" or items are not explained there"
            )

    def test_patterns_are_fast(self) -> None:
        """No pattern takes long on a long text: a catalogue has thousands, and a stranger writes them."""
        patterns = [pattern.pattern for pattern in self.make().patterns]
        code = (
            "import json, re, sys, time\nfor pattern in json.loads(sys.stdin.read()):\n    print(pattern, flush=True)\n"
            "    for text in ('a' * 4000, 'Aa ' * 1500, 'by ' * 1500, '中' * 4000, ' ' * 4000):\n"
            "        for behind in ('', '!'):\n            list(re.finditer(pattern, text + behind))\nprint('done')"
        )
        given = json.dumps(patterns)
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", code], input=given, capture_output=True, text=True, timeout=10, check=False
            )
        except subprocess.TimeoutExpired as error:
            told = (error.stdout or b"").decode() if isinstance(error.stdout, bytes | None) else error.stdout
            last = told.strip().splitlines()[-1] if told.strip() else ""
            raise AssertionError(f"pattern {last!r} runs away on a long text: bound its repetitions") from None
        assert done.returncode == 0, done.stderr[-300:]

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
        """Kinds have names, phrases that can be read, and a line that needs a title at most."""
        from kgrec.generate.template import FREE, kind_phrases

        domain = self.make()
        names = [kind.name for kind in domain.kinds]
        assert len(names) == len(set(names)), names
        for kind in domain.kinds:
            assert re.fullmatch(r"[a-z][a-z0-9-]*", kind.name), kind.name
            assert kind.summary.strip()
            for language, target in kind.phrases.items():
                assert re.fullmatch(r"[a-z]{2}(@[a-z0-9-]+)?", language), language
                code, _, variant = language.partition("@")
                phrases = kind_phrases(kind, code, variant or MAIN)
                assert phrases is not None
                told = [needs for section in phrases.sections if not section.mark for needs in section.needs]
                # Somebody without a history, and an item that is a title alone, get a text, too.
                bare = any(needs <= FREE for needs in told) or phrases.sections[0].mark == "*"
                assert bare or kind.approved, (
                    f"{target}: no section of the kind {kind.name} ({', '.join(s.name for s in phrases.sections)}) has"
                    " a line with no slot but {title}: an item of which no more is known gets no text; such a line is"
                    " used where no other can be"
                )

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
        for folder in ("first", "second"):
            (tmp_path / folder).mkdir()
            write_sample(target, tmp_path / folder, 0)
        first, second = _contents(tmp_path / "first"), _contents(tmp_path / "second")
        assert first, "the sample is empty"
        assert first == second, "the sample differs from one call to the next"
        if "kgrec.toml" in first:
            load_settings(tmp_path / "first" / "kgrec.toml")


class RecipeContract(Contract):
    """What the recipes of a plugin must keep, told by a small export of the kind.

    Attributes:
        export: name of a file -> its text.
        rows: user, item and action of each interaction in them, without rows that are to be left out.
    """

    has_options: ClassVar[bool] = False
    export: ClassVar[dict[str, str]]
    rows: ClassVar[list[tuple[str, str, str]]]

    @abstractmethod
    def make(self) -> ModuleType:
        """Return the module of hooks."""

    def test_export_is_read(self, tmp_path: Path) -> None:
        """``kgrec init`` reads the files by the recipes, and a build finds the interactions that are in them."""
        from kgrec.data.ingest import ingest
        from kgrec.data.propose import propose

        for name, text in self.export.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        manager = load_plugins([], also=[self.make()])
        told = propose([tmp_path / name for name in self.export], "generic", manager, folder=tmp_path)
        (tmp_path / "kgrec.toml").write_text(told, encoding="utf-8")
        config = load_settings(tmp_path / "kgrec.toml").config
        dataset = ingest(config, manager.domain("generic"), manager, tmp_path).dataset
        found = dataset.interactions.sort("time", maintain_order=True)
        users, items = dataset.users["user_id"].gather(found["user"]), dataset.items["item_id"].gather(found["item"])
        have = list(zip(users, items, found["action"].cast(str), strict=True))
        assert sorted(have) == sorted(self.rows), f"the recipes read {have}"

    def test_other_files_are_left_alone(self) -> None:
        """A recipe claims no file of other columns: it says ``has``, ``width`` or ``name``."""
        manager = load_plugins([], also=[self.make()])
        for columns in (["user_id", "item_id", "rating", "timestamp"], ["a", "b", "c"], ["column_1", "column_2"]):
            assert manager.schema_mapping("generic", "table.csv", columns) is None, columns


def _placeholders(template: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
