"""A package that is not installed is named with the extra that brings it, by whatever way it is met: exit code 4."""

import importlib
import sys

import pytest

from kgrec.cli.app import main
from kgrec.errors import MissingExtraError
from kgrec.plugin.manager import load_plugins


class Blocked:
    """Finds nothing of a package."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def without(monkeypatch):
    def block(package):
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Blocked(package), *sys.meta_path])

    return block


def test_a_part_that_imports_late(without):
    without("openai")
    with pytest.raises(MissingExtraError) as caught:
        load_plugins().registry("language model")["openai"].build({"model": "m"})
    assert caught.value.hint == "pip install 'kgrec[endpoint]'"
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("package", "extra"),
    [
        ("openai", "endpoint"),
        ("optuna", "tune"),
        ("peft", "lora"),
        ("tensorboardX", "tensorboard"),
        ("lightgbm", "rank"),
    ],
)
def test_whatever_imports_it(without, monkeypatch, capsys, package, extra):
    without(package)
    application = importlib.import_module("kgrec.cli.application")
    monkeypatch.setattr(application, "run", lambda words: importlib.import_module(package))
    assert main([]) == 4
    assert f"pip install 'kgrec[{extra}]'" in capsys.readouterr().err
