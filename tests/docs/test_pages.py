"""Pages that are made from code are current, and pages that show commands can be followed to the letter."""

import importlib.util
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import pytest

from kgrec.plugin import read_domain
from kgrec.testing import DomainContract

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_settings_is_current():
    page = load("configuration_page")
    assert page.PAGE.read_text(encoding="utf-8") == page.render(), "run python tools/configuration_page.py"


def test_the_page_of_commands_is_current():
    page = load("cli_page")
    assert page.PAGE.read_text(encoding="utf-8") == page.render(), "run python tools/cli_page.py"


@pytest.mark.parametrize("kind", ["scorer", "re-ranker"])
def test_the_pages_of_options_are_current_and_say_what_each_means(kind):
    tool = load("options_page")
    page = tool.render(kind)
    assert tool.PAGES[kind][0].read_text(encoding="utf-8") == page, "run python tools/options_page.py"
    assert not [line for line in page.splitlines() if line.startswith("| `") and line.rstrip().endswith("|  |")]


def test_every_setting_says_what_it_means():
    page = load("configuration_page").render()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    silent = [line for line in rows if line.rstrip().endswith("|  |")]
    assert not silent, silent


def test_the_tour_can_be_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((ROOT / "docs" / "tour.md").read_text(encoding="utf-8"))
    commands = [line for kind, text in blocks if kind == "sh" for line in text.splitlines() if line.strip()]
    assert len(commands) >= 10
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "kgrec"
        run([sys.executable, "-m", "kgrec", *arguments], line)
    assert (tmp_path / "lists.csv").read_text(encoding="utf-8").startswith("user_id,item_id,rank,score")
    for kind, text in blocks:
        if kind == "python":
            run([sys.executable, "-c", text], text)


def run(command, shown):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{shown}\nexit code {done.returncode}\n{done.stderr}")


def test_the_domains_that_the_page_of_plugins_shows_keep_the_contract(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    (shown,) = (code for kind, code in BLOCK.findall(text) if kind == "python" and "Domain(" in code)
    module: dict[str, object] = {}
    exec(shown, module)
    (code,) = module["kgrec_domains"]()
    (files,) = (told for told in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if 'name = "boardgames"' in told)
    (tmp_path / "kgrec_boardgames").mkdir()
    (tmp_path / "kgrec_boardgames" / "__init__.py").touch()
    (tmp_path / "kgrec_boardgames" / "domain.toml").write_text(files, encoding="utf-8")
    (sample,) = (told for told in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if 'liked = "designers"' in told)
    (tmp_path / "kgrec_boardgames" / "sample.toml").write_text(sample, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    data = read_domain("kgrec_boardgames")
    assert [r.name for r in data.relation_types] == ["has_tag", "followed_by", "designed_by"]
    keeps_the_contract(code)
    keeps_the_contract(data)
    DomainContract.test_sample(types.SimpleNamespace(make=lambda: data), tmp_path)
    assert (tmp_path / "first" / "holdout.tsv").is_file()


def keeps_the_contract(domain):
    class Shown(DomainContract):
        def make(self):
            return domain

    checks = [name for name in dir(Shown) if name.startswith("test_") and name != "test_sample"]  # it has none
    assert checks
    for name in checks:
        getattr(Shown(), name)()
