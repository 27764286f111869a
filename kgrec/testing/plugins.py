"""The contracts of a plugin as a whole and of the commands it adds."""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
from abc import abstractmethod
from contextlib import redirect_stdout, suppress
from types import ModuleType
from typing import ClassVar

from kgrec.errors import MissingExtraError
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import OFFERS, misspelt_hooks
from kgrec.plugin.spec import Spec
from kgrec.testing.contract import Contract

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
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"imports {done.stdout.split()}"
