"""Pages that are made from code are current, and pages that show commands can be followed to the letter."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import types

import pytest
from filelock import FileLock

from kgrec.plugin import read_domain
from kgrec.testing import TOYS, DomainContract
from tests.docs.running import PAGES, ROOT, RUN, blocks, follow, steps

SCORERS = "popularity,item-knn,ease,als"
AGAIN = "run python tools/reference_pages.py"


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


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Return the video sample, built and trained, once for all processes that test."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "docs-films"
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            for line in ("init films --domain video", "build-graph -w films", f"train -w films --only {SCORERS}"):
                folder.mkdir(exist_ok=True)
                command = [sys.executable, "-m", "kgrec", *line.split()]
                subprocess.run(command, cwd=folder, check=True, capture_output=True)
            (folder / "made").touch()
    return folder / "films"


TUTORIAL = {code: ROOT / "docs" / code / "plugin_tutorial.md" for code in ("", "zh")}
RUNNING = [page for page in PAGES if any(kind != "file" for kind, *_ in steps(page)) and page != TUTORIAL["zh"]]

LONG = {"evaluation", "generate", "graph", "notebook", "privacy", "production", "reranking"}
"""Pages whose commands take long: followed with the slow tests."""
FOLLOWED = [pytest.param(page, marks=[pytest.mark.slow] if page.stem in LONG else []) for page in RUNNING]


def test_the_tutorials_show_the_same():
    assert set(steps(TUTORIAL["zh"])) <= set(steps(TUTORIAL[""]))


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_can_be_followed(page, films, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    if "kgrec init films" not in page.read_text(encoding="utf-8"):
        shutil.copytree(films, folder / "films")
    follow(page, folder, dict(os.environ))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_are_of_known_kinds(page):
    shown = {kind for _, kind, _ in blocks(page)}
    known = {*RUN, "javascript", "toml", "text", "ini", "json", "math", "pycon", "py", "dockerfile", "html"}
    assert shown <= known
    assert "py" not in shown or page.name == "api.md"  # signatures; code that runs is marked python


def test_the_pages_of_the_reference_are_current():
    tool = load("reference_pages")
    pages = tool.render()
    assert set((tool.DOCS / "parts").glob("*.md")) == set(pages) - {tool.DOCS / "api.md"}, AGAIN
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, AGAIN


def test_the_domains_that_the_page_of_plugins_shows_keep_the_contract(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    found = blocks(ROOT / "docs" / "plugins.md")
    (shown,) = (code for _, kind, code in found if kind == "python" and "Domain(" in code)
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


def test_the_network_that_the_page_of_plugins_shows_learns():
    found = blocks(ROOT / "docs" / "plugins.md")
    (shown,) = (code for _, kind, code in found if kind == "python" and "GraphScorer" in code)
    assert len(shown.splitlines()) <= 30
    module: dict[str, object] = {}
    exec(shown, module)
    toy = TOYS["checkerboard"]()
    network = module["HGT"](embedding_size=16, n_layers=2, epochs=8, heads=4)
    assert toy.solved_by(network.fit(toy.data, seed=1)) > 0.9
