"""``kgrec plugins`` explains what is wrong; the other commands go on with one line of warning."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from kgrec.cli import application
from kgrec.cli.run import CommandLineRun
from kgrec.errors import PluginError, UserError
from kgrec.plugin import Spec, hookimpl, workspace_command
from kgrec.plugin.manager import PluginManager, load_plugins


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
    assert other.err == "warning: plugin 'gone' is broken and not in use; `kgrec plugins` tells more\n"


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
    assert "scorer 'ease' of plugin 'rival' is left out: 'kgrec' has one" in got.err
    assert "data source" in got.out  # the other kinds are listed all the same


def offering(name, target="plugin_it:function", summary="Greet."):
    def kgrec_commands():
        return [Spec(name, target, summary)]

    return hookimpl(kgrec_commands)


def test_a_plugin_adds_a_command(kgrec, installed):
    def hello(name: str) -> None:
        """Greet."""
        print(f"hello {name}")

    installed(it=_module(kgrec_commands=offering("hello"), function=hello))
    assert "hello" in kgrec("--help").out
    assert kgrec("hello", "you").out == "hello you\n"
    assert "did you mean 'hello'" in kgrec("helo", "you").err


def test_a_plugins_command_gets_the_workspace(kgrec, project, installed):
    @workspace_command
    def titles(run, item: str):
        """List titles."""
        found = run.project.titles([item])
        run.data([{"title": found[0]}], lambda: print(*found))
        run.say("done")

    installed(it=_module(kgrec_commands=offering("list titles", summary="List titles."), function=titles))
    got = kgrec("list", "titles", "i1", "-w", "there", "--set", "seed=7")
    assert (got.out, got.err) == ("Heat (1995)\n", "done\n")
    assert project.opened == {"path": Path("there"), "overrides": ("seed=7",)}
    assert json.loads(kgrec("list", "titles", "i1", "-f", "json", "-q").out) == [{"title": "Heat (1995)"}]
    titles.function(CommandLineRun(load_plugins([]), quiet=True), "i1")  # a test may call it as it is


@pytest.mark.parametrize("name", ["train", "train fast"])
def test_a_command_that_clashes_costs_that_command_only(kgrec, project, installed, name):
    def kgrec_commands():
        return [Spec(name, "plugin_it:function", "Steal."), Spec("hello", "plugin_it:function", "Greet.")]

    installed(it=_module(kgrec_commands=hookimpl(kgrec_commands), function=lambda: print("hello")))
    got = kgrec("info")
    assert got.code == 0
    assert f"command {name!r} of plugin 'it' is left out: 'kgrec' has one" in got.err
    assert "KGREC_DISABLE=it" in kgrec("plugins").err
    assert kgrec("hello").out == "hello\n"
    assert kgrec("train", "-q").code == 0
    assert project.calls[-1][0] == "train"


def test_a_plugin_that_fails_to_offer_commands_costs_its_commands_only(kgrec, project, installed):
    def kgrec_commands():
        raise RuntimeError("oops")

    installed(clumsy=_module(kgrec_commands=hookimpl(kgrec_commands)))
    got = kgrec("info")
    assert got.code == 0
    assert got.err.count("\n") == 1
    assert "plugin 'clumsy' failed in kgrec_commands: RuntimeError: oops" in kgrec("plugins").err


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("plugin_it:gone", "'plugin_it' has no 'gone'"),
        ("no_such_module:f", "cannot be imported"),
        ("plugin_it:__name__", "is no function"),
    ],
)
def test_a_command_that_cannot_be_imported_is_named(kgrec, project, installed, target, says):
    installed(it=_module(kgrec_commands=offering("hello", target)))
    assert "Greet." in kgrec("--help").out
    got = kgrec("hello")
    assert got.code == 3
    assert got.err.startswith("error: command 'hello' of plugin 'it' cannot be used: ")
    assert says in got.err
    assert kgrec("info").err == ""


def test_a_command_that_raises_names_plugin_and_version(kgrec, installed, monkeypatch):
    def function():
        raise ZeroDivisionError("oops")

    installed(it=_module(kgrec_commands=offering("hello"), function=function))
    monkeypatch.setattr(PluginManager, "named", lambda _, plugin: f"{plugin!r} 1.2")
    got = kgrec("hello")
    assert got.code == 3
    error, hint = got.err.splitlines()
    assert error == "error: command 'hello' of plugin 'it' 1.2 failed: ZeroDivisionError: oops"
    assert "KGREC_DISABLE=it" in hint
    with pytest.raises(PluginError) as caught:
        kgrec("--debug", "hello")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_error_that_a_command_means_to_raise_passes_as_it_is(kgrec, installed):
    def function():
        raise UserError("no such thing", hint="look again")

    installed(it=_module(kgrec_commands=offering("hello"), function=function))
    assert kgrec("hello").err == "error: no such thing\nhint: look again\n"


def test_a_scorer_that_is_no_default_is_said_to_be_one(kgrec, installed):
    def kgrec_scorers():
        return [Spec("dear", "m:C", "costs much", default=False), Spec("cheap", "m:C", "costs little")]

    installed(shop=_module(kgrec_scorers=hookimpl(kgrec_scorers)))
    offers = json.loads(kgrec("plugins", "-f", "json").out)[-1]["offers"]["scorer"]
    assert offers == {"dear": "costs much; only where named", "cheap": "costs little"}
