"""What holds for the code as a whole: light imports, layers, short files, exact public names."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kgrec

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "torch_geometric", "transformers", "implicit", "polars", "rdflib", "pyoxigraph", "networkx", "scipy")
SOURCES = sorted([*(ROOT / "kgrec").rglob("*.py"), *(ROOT / "plugins").rglob("kgrec_*/**/*.py")])
TESTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "plugins").rglob("tests/**/*.py")])


def imported(code):
    """Return which heavy packages ``code`` imports in a fresh interpreter."""
    script = f"{code}\nimport json, sys\nprint(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    [
        "import kgrec",
        "import kgrec; dir(kgrec); kgrec.KgrecError, kgrec.Request",
        "import kgrec.plugin, kgrec.settings, kgrec.workspace",
        "from kgrec.plugin.manager import load_plugins, OFFERS\n"
        "manager = load_plugins()\n"
        "[manager.registry(kind) for kind in OFFERS]\n"
        "[manager.domain(name) for name in manager.registry('domain')]\n"
        "assert all(not plugin.error for plugin in manager.plugins)",
    ],
    ids=["package", "names", "foundation", "all plugins"],
)
def test_import_is_light(code):
    assert imported(code) == []


def test_public_names_are_exact():
    assert kgrec.__all__ == ["ItemList", "KgrecError", "Profile", "Project", "Request", "open"]
    assert sorted(kgrec.__all__) == kgrec.__all__
    assert dir(kgrec) == kgrec.__all__
    for name in kgrec.__all__:
        assert getattr(kgrec, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        kgrec.opne  # noqa: B018


def test_layers_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed (extra dev)")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_files_are_short():
    too_long = {
        str(file.relative_to(ROOT)): lines
        for file in SOURCES + TESTS
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert too_long == {}


def test_test_files_have_names_of_their_own():
    names = [file.name for file in TESTS if file.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))


FORBIDDEN = {
    "pickle": r"^\s*(?:import pickle|from pickle|import dill|import joblib)",
    "eval": r"(?<![\w.])(?:eval|exec)\(",
    "unsafe torch.load": r"torch\.load\((?!.*weights_only=True)",
    "allow_pickle": r"allow_pickle\s*=\s*True",
    "global random state": r"(?:np|numpy)\.random\.(?:seed|rand|randn|randint|shuffle|choice)\(|torch\.manual_seed\(",
    "unfinished work": r"\bTODO\b|\bFIXME\b|NotImplementedError",
    "a path of one machine": r"[\"'(]/(?:home|work|root|Users)/",
    "a language by name": r"(?:==|!=|\bin)\s*\(?[\"'](?:en|zh|de)[\"']",
}


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_source_contains(rule):
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in SOURCES
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(FORBIDDEN[rule], line)
    ]
    assert found == []


FIELDS = r"films?|movies?|songs?|brands?|movielens|amazon|lastfm|douban|goodreads|retailrocket|dbbook"
"""Words of one field of application, and names of data sets; ``cart`` is an action that kgrec knows."""


def test_the_core_names_no_field_and_no_data_set():
    found = []
    for file in SOURCES:
        inside = file.relative_to(ROOT).parts
        if inside[0] != "kgrec" or inside[1] == "testing":  # toy data is of some field
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            text = ""
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                text = node.value
            elif isinstance(node, (ast.Name, ast.Attribute, ast.FunctionDef, ast.ClassDef, ast.arg)):
                text = getattr(node, "id", "") or getattr(node, "attr", "") or getattr(node, "name", "")
                text = (text or getattr(node, "arg", "")).replace("_", " ")
            if said := re.search(rf"\b(?:{FIELDS})\b", text, re.IGNORECASE):
                found.append(f"{file.relative_to(ROOT)}:{node.lineno}: {said[0]}")
    assert found == []


def test_every_part_of_the_package_is_documented():
    undocumented = [
        str(file.relative_to(ROOT))
        for file in SOURCES
        if file.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert undocumented == []


def test_broad_excepts_say_why():
    silent = []
    for file in SOURCES:
        lines = file.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if re.search(r"except(?: \(?(?:Base)?Exception\b.*)?:", line) and "#" not in line:
                after = "".join(lines[number : number + 6])
                if "raise" not in after:
                    silent.append(f"{file.relative_to(ROOT)}:{number}")
    assert silent == []


def test_only_the_plugin_room_imports_pluggy_and_nobody_click():
    for file in SOURCES:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(?:import click|from click)", text, re.MULTILINE), file
        if re.search(r"^\s*(?:import pluggy|from pluggy)", text, re.MULTILINE):
            assert file.name in ("manager.py", "spec.py"), file
            assert file.parent.name == "plugin", file
