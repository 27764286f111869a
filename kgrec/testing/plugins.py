"""The contracts of a plugin as a whole and of the commands it adds."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from abc import abstractmethod
from contextlib import suppress
from types import ModuleType
from typing import ClassVar

import pytest
import typer

from kgrec.errors import MissingExtraError
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import OFFERS, Spec, misspelt_hooks
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
                assert re.fullmatch(r"[a-z][a-z0-9-]*", offer.name), offer.name
                assert offer.summary.strip(), offer.name
                assert "\n" not in offer.summary, offer.name

    def test_specs_load(self) -> None:
        """Each Spec names a class that is there; a missing extra is said to be one."""
        for hook in OFFERS.values():
            for offer in _offers(self.make(), hook):
                if isinstance(offer, Spec):
                    with suppress(MissingExtraError):  # raised only where the Spec names the extra
                        assert inspect.isclass(offer.load())

    def test_import_is_light(self) -> None:
        """The module imports nothing that takes long; Specs are there so that it need not."""
        _assert_light(f"import {self.make().__name__}")


class CommandsContract(Contract):
    """What a plugin must keep that adds commands."""

    has_options: ClassVar[bool] = False

    @abstractmethod
    def make(self) -> ModuleType:
        """Return the module that implements ``kgrec_commands``."""

    def test_adds_commands_with_help(self) -> None:
        """Every added command answers ``--help`` with more than its name."""
        from typer.main import get_command
        from typer.testing import CliRunner

        app = _app()
        self.make().kgrec_commands(app)
        command = get_command(app)
        added = [name for name in getattr(command, "commands", {}) if name != "there-already"]
        assert added, "kgrec_commands added nothing"
        for name in added:
            result = CliRunner().invoke(app, [name, "--help"])
            assert result.exit_code == 0, result.output
            assert getattr(command, "commands")[name].get_short_help_str().strip(), f"{name} has no help text"  # noqa: B009

    def test_registering_is_silent(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing is printed: stdout belongs to the command that runs."""
        self.make().kgrec_commands(_app())
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err == ""

    def test_registering_is_light(self) -> None:
        """Adding commands imports nothing that takes long: it happens at every start of the command line."""
        _assert_light(f"import typer, {self.make().__name__} as plugin; plugin.kgrec_commands(typer.Typer())")


def _offers(plugin: ModuleType, hook: str) -> list[Spec | Domain]:
    function = getattr(plugin, hook, None)
    if function is None:
        return []
    assert not inspect.signature(function).parameters, f"{hook} takes no argument"
    offers = function()
    assert isinstance(offers, list), f"{hook} must return a list"
    return offers


def _app() -> typer.Typer:
    app = typer.Typer()

    @app.command("there-already")
    def there_already() -> None:
        """Keep the application a group."""

    return app


def _assert_light(code: str) -> None:
    script = f"import sys; {code}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"imports {done.stdout.split()}"
