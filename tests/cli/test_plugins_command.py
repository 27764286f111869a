"""``kgrec plugins`` explains what is wrong; the other commands go on with one line of warning."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from kgrec.cli import application
from kgrec.plugin import Spec, hookimpl
from kgrec.plugin.manager import load_plugins


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Pretend that plugins are installed: ``installed(name=module)``."""

    def install(**modules: object) -> None:
        entries = []
        for name, module in modules.items():
            if module is not None:
                monkeypatch.setitem(sys.modules, f"plugin_{name}", module)
            entries.append(EntryPoint(name, f"plugin_{name}", "kgrec"))
        monkeypatch.setattr(application, "load_plugins", lambda: load_plugins(entries))

    return install


def _module(**functions):
    module = ModuleType("a_plugin")
    for name, function in functions.items():
        setattr(module, name, function)
    return module


def test_what_is_built_in(kgrec, installed):
    installed()
    got = kgrec("plugins")
    assert got.code == 0
    assert got.err == ""
    assert "popularity" in got.out
    built_in = json.loads(kgrec("plugins", "-f", "json").out)[0]
    assert (built_in["name"], built_in["state"]) == ("kgrec", "ok")
    assert "csv" in built_in["offers"]["data source"]


def test_a_plugin_that_cannot_be_imported_is_a_warning(kgrec, project, installed):
    installed(gone=None)
    got = kgrec("plugins")
    assert got.code == 0
    assert "not in use" in got.out
    assert "No module named 'plugin_gone'" in got.out
    assert got.err.startswith("warning: plugin 'gone' is not in use: ModuleNotFoundError")
    other = kgrec("info")
    assert other.code == 0
    assert other.err == "warning: plugin 'gone' is broken and not in use; `kgrec plugins` tells why\n"


def test_a_misspelt_hook_is_named_with_the_right_one(kgrec, installed):
    def kgrec_scorer():
        return []

    installed(typo=_module(kgrec_scorer=hookimpl(kgrec_scorer)))
    assert "did you mean 'kgrec_scorers'" in kgrec("plugins").err


def test_a_clash_of_names_names_both_owners(kgrec, installed):
    def kgrec_scorers():
        return [Spec("ease", "somewhere:Ease", "another")]

    installed(rival=_module(kgrec_scorers=hookimpl(kgrec_scorers)))
    got = kgrec("plugins")
    assert got.code == 0
    assert "'kgrec' and 'rival'" in got.err
    assert "data source" in got.out  # the other kinds are listed all the same


def test_a_plugin_adds_a_command(kgrec, installed):
    def kgrec_commands(app):
        @app.command()
        def hello(name: str) -> None:
            """Greet."""
            print(f"hello {name}")

    installed(greeter=_module(kgrec_commands=hookimpl(kgrec_commands)))
    assert "hello" in kgrec("--help").out
    assert kgrec("hello", "you").out == "hello you\n"
    assert "did you mean 'hello'" in kgrec("helo", "you").err


def test_a_plugins_command_may_not_replace_another(kgrec, installed):
    def kgrec_commands(app):
        app.command("train")(lambda: None)

    installed(thief=_module(kgrec_commands=hookimpl(kgrec_commands)))
    got = kgrec("info")
    assert got.code == 3
    assert "command 'train' of plugin 'thief' exists already" in got.err
    assert "KGREC_DISABLE=thief" in got.err


def test_a_plugin_that_fails_to_add_its_command_is_a_warning(kgrec, project, installed):
    def kgrec_commands(app):
        raise RuntimeError("oops")

    installed(clumsy=_module(kgrec_commands=hookimpl(kgrec_commands)))
    assert kgrec("info").code == 0
    assert "failed in kgrec_commands: RuntimeError: oops" in kgrec("plugins").err


def test_a_scorer_that_is_no_default_is_said_to_be_one(kgrec, installed):
    def kgrec_scorers():
        return [Spec("dear", "m:C", "costs much", default=False), Spec("cheap", "m:C", "costs little")]

    installed(shop=_module(kgrec_scorers=hookimpl(kgrec_scorers)))
    offers = json.loads(kgrec("plugins", "-f", "json").out)[-1]["offers"]["scorer"]
    assert offers == {"dear": "costs much; only where named", "cheap": "costs little"}
