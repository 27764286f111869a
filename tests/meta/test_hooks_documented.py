"""Every hook is documented, typed, used by a real plugin; offer hooks take no argument."""

import inspect
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from kgrec.cli.application import build_cli
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import spec
from kgrec.plugin.manager import OFFERS, load_plugins
from kgrec.project import open_project
from kgrec.testing import toy_training_data, toy_workspace

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "plugin_hooks.md"
HOOKS = {name: hook for name, hook in vars(spec).items() if name.startswith("kgrec_")}


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_documented_with_its_signature(name):
    hook = HOOKS[name]
    parameters = [f"{p.name}: {p.annotation}" for p in inspect.signature(hook).parameters.values()]
    signature = f"### `{name}({', '.join(parameters)}) -> {hook.__annotations__['return']}`"
    assert signature in DOCS.read_text(encoding="utf-8").splitlines()


def test_no_hook_is_documented_that_is_none():
    assert re.findall(r"^### `(\w+)\(", DOCS.read_text(encoding="utf-8"), re.MULTILINE) != []
    assert set(re.findall(r"^### `(\w+)\(", DOCS.read_text(encoding="utf-8"), re.MULTILINE)) == set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_hook_says_what_it_takes_and_returns(name):
    hook = HOOKS[name]
    for parameter in inspect.signature(hook).parameters:
        assert f":param {parameter}:" in hook.__doc__, parameter
    assert hook.__annotations__["return"] == "None" or ":return:" in hook.__doc__


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_used_by_a_real_plugin(name):
    assert [plugin.name for plugin in load_plugins().plugins if name in plugin.hooks] != []


def test_no_installed_plugin_is_broken():
    assert {plugin.name: plugin.error for plugin in load_plugins().plugins if plugin.error} == {}


def test_offer_hooks_take_no_argument_and_return_lists():
    for hook in OFFERS.values():
        assert not inspect.signature(HOOKS[hook]).parameters, hook
        assert HOOKS[hook].__annotations__["return"].startswith("list["), hook
    offers = {name for name, hook in HOOKS.items() if not inspect.signature(hook).parameters}
    assert offers == set(OFFERS.values()), "an offer hook that the manager does not ask"


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The plugin of docs/plugin_tutorial.md, as a module on the path."""
    text = (ROOT / "docs" / "plugin_tutorial.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"kgrec_hidden_gems\.py -->\n+```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "kgrec_hidden_gems.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield source
    sys.modules.pop("kgrec_hidden_gems", None)


def test_the_documented_plugin_is_short_and_works(example):
    assert sum(bool(line.strip()) for line in example.splitlines()) <= 50
    manager = load_plugins([EntryPoint("hidden-gems", "kgrec_hidden_gems", "kgrec")])
    assert manager.plugins[1].error == ""
    scorer = manager.registry("scorer")["hidden-gems"].build({"damping": 1.0})
    data = toy_training_data()
    scores = scorer.fit(data, seed=1).score(np.arange(2))
    assert scores.shape == (2, data.n_items)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert not np.allclose(scores[0], scores[1])  # it looks at the reader


def test_the_documented_command_works(tmp_path, monkeypatch, capsys):
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    (source,) = (code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "@workspace_command" in code)
    (tmp_path / "kgrec_hidden_gems.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    manager = load_plugins([EntryPoint("hidden-gems", "kgrec_hidden_gems", "kgrec")])
    open_project(toy_workspace(tmp_path / "toy")).build_graph()
    options = ["gems", "list", "--limit", "2", "-w", str(tmp_path / "toy"), "-f", "jsonl"]
    build_cli(manager).main(options, standalone_mode=False, obj=CommandLineRun(manager))
    assert capsys.readouterr().out.count('{"title": ') == 2
    sys.modules.pop("kgrec_hidden_gems", None)


def test_the_documented_entry_point_is_of_the_group():
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert "[project.entry-points.kgrec]" in text
    assert "(plugin_hooks.md)" in text
