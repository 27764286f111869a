"""``kgrec init``: looks at files, or writes a sample; never overwrites unasked."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from kgrec.cli import application
from kgrec.plugin import Domain, hookimpl
from kgrec.plugin.manager import load_plugins
from kgrec.settings import load_settings


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "in" / "log.csv"
    file.parent.mkdir()
    file.write_text("user_id,item_id,rating\n" + "".join(f"u{k % 5},i{k % 7},{k % 5 + 1}\n" for k in range(60)))
    return file


def test_a_proposal_is_written_and_shown(kgrec, log, tmp_path):
    got = kgrec("init", tmp_path / "ws", "--from", log)
    assert got.code == 0
    text = (tmp_path / "ws" / "kgrec.toml").read_text("utf-8")
    assert "user ← user_id" in got.out
    assert "[[data.interactions]]" in text
    assert f"kgrec build-graph -w {tmp_path / 'ws'}" in got.err
    config = load_settings(tmp_path / "ws" / "kgrec.toml").config
    assert config.data.interactions[0].path == "../in/log.csv"
    assert config.data.interactions[0].columns["user"] == "user_id"


def test_settings_that_are_there_are_not_overwritten(kgrec, log, tmp_path):
    (tmp_path / "kgrec.toml").write_text("seed = 1\n")
    got = kgrec("init", tmp_path, "--from", log)
    assert got.code == 3
    assert "--force" in got.err
    assert (tmp_path / "kgrec.toml").read_text() == "seed = 1\n"
    assert kgrec("init", tmp_path, "--from", log, "--force").code == 0
    assert "log.csv" in (tmp_path / "kgrec.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ([], 2, "which files?"),
        (["--from", "missing.csv"], 3, "missing.csv does not exist"),
        (["--domain", "generc"], 3, "did you mean 'generic'"),
        (["--domain", "generic"], 2, "no bundled sample"),
        (["--from", "a.csv", "--sample"], 2, "exclude each other"),
    ],
)
def test_what_cannot_be_made(kgrec, tmp_path, args, code, says):
    got = kgrec("init", tmp_path / "ws", *args)
    assert got.code == code
    assert says in got.err
    assert "hint: " in got.err
    assert not (tmp_path / "ws").exists()


def test_a_folder_that_is_a_file(kgrec, log):
    assert kgrec("init", log, "--from", log).code == 3


@pytest.fixture
def sampler(monkeypatch):
    """A plugin whose domain has a sample; what it writes is in ``sampler.files``."""
    module = ModuleType("a_sampler")
    module.files = {"kgrec.toml": 'domain = "toy"\n', "log.csv": "user,item\n"}

    def write(folder, seed):
        assert seed == 42
        for name, text in module.files.items():
            (folder / name).write_text(text)
        if module.files.get("fails"):
            raise OSError(28, "No space left on device", str(folder))

    def kgrec_domains():
        return [Domain("toy", "for tests", sample="a_sampler:write")]

    module.write, module.kgrec_domains = write, hookimpl(kgrec_domains)
    monkeypatch.setitem(sys.modules, "a_sampler", module)
    monkeypatch.setattr(application, "load_plugins", lambda: load_plugins([EntryPoint("toy", "a_sampler", "kgrec")]))
    return module


def test_a_domains_sample(kgrec, sampler, tmp_path):
    got = kgrec("init", tmp_path / "ws", "--domain", "toy")
    assert got.code == 0
    assert sorted(path.name for path in (tmp_path / "ws").iterdir()) == ["kgrec.toml", "log.csv"]
    assert 'domain = "toy"' in got.out
    assert "--domain toy" in kgrec("init", tmp_path / "other", "--sample").err


def test_a_sample_that_fails_leaves_nothing(kgrec, sampler, tmp_path):
    sampler.files["fails"] = "yes"
    got = kgrec("init", tmp_path / "ws", "--domain", "toy")
    assert got.code == 5
    assert "no space left" in got.err
    assert list((tmp_path / "ws").iterdir()) == []


def test_a_sample_without_settings_is_the_plugins_fault(kgrec, sampler, tmp_path):
    del sampler.files["kgrec.toml"]
    got = kgrec("init", tmp_path / "ws", "--domain", "toy")
    assert got.code == 3
    assert "a_sampler:write must write one" in got.err


def test_where_a_person_must_say_a_question_mark_stands(kgrec, tmp_path):
    notes = tmp_path / "notes.csv"
    notes.write_text("a,b\n1.5,2.5\n", encoding="utf-8")
    got = kgrec("init", str(tmp_path / "ws"), "--from", str(notes))
    assert got.code == 5
    assert "columns do not tell" in got.err
    assert "no file tells who did what" in got.err
    assert 'user = "?", item = "?"' in (tmp_path / "ws" / "kgrec.toml").read_text(encoding="utf-8")
    build = kgrec("build-graph", "-w", str(tmp_path / "ws"))
    assert "kgrec.toml line 8: fill in what stands as ?" in build.err


def test_words_of_actions_are_shown_with_counts(kgrec, tmp_path):
    log = tmp_path / "log.csv"
    words = ["buy", "return", "frobnicate", "buy", "buy", "view"]
    log.write_text(
        "who,sku,what\n" + "".join(f"u{k % 3},s{k % 4},{w}\n" for k, w in enumerate(words)), encoding="utf-8"
    )
    got = kgrec("init", str(tmp_path / "ws"), "--yes", "--from", str(log))
    assert got.code == 0
    assert "return" in got.out
    assert "dislike" in got.out
    assert "1 of 6 rows have words that kgrec knows no action for: frobnicate" in got.err
