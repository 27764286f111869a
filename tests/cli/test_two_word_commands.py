"""Commands of two words, ``kgrec generate evaluate``, beside the command that their first word is."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Annotated

import pytest
import typer

from kgrec.cli.application import build_cli
from kgrec.plugin import Spec, hookimpl
from kgrec.plugin.manager import load_plugins


@pytest.fixture
def called(monkeypatch):
    module, said = ModuleType("a_writer"), []

    def write(arguments: Annotated[list[str] | None, typer.Argument()] = None):
        said.append(("write", *(arguments or ())))

    def evaluate(users: int = 3):
        said.append(("evaluate", users))

    def first(n: int = 1):
        said.append(("first", n))

    @hookimpl
    def kgrec_commands():
        names = {"write": "write", "write evaluate": "evaluate", "list first": "first"}
        return [Spec(name, f"a_writer:{function}", "does it") for name, function in names.items()]

    for function in (write, evaluate, first, kgrec_commands):
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "a_writer", module)

    def run(*words):
        said.clear()
        build_cli(load_plugins([EntryPoint("writer", "a_writer", "kgrec")])).main(list(words), standalone_mode=False)
        return said[-1] if said else None

    return run


def test_the_longer_name_goes_first(called):
    assert called("write", "evaluate", "--users", "5") == ("evaluate", 5)
    assert called("write", "anna") == ("write", "anna")
    assert called("write") == ("write",)


def test_somebody_of_that_name_can_be_reached(called):
    assert called("write", "--", "evaluate") == ("write", "evaluate")


def test_a_first_word_that_is_no_command_lists_those_that_begin_with_it(called, capsys):
    assert called("list", "first", "--n", "2") == ("first", 2)
    assert called("list", "--quiet", "first") == ("first", 1)
    assert called("list") is None
    assert "first" in capsys.readouterr().out
