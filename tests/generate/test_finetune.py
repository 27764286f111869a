"""`kgrec generate tune`, from Python and from the command line, on a toy workspace and a tiny model."""

import json

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import DataError, NotFoundError, UsageError
from kgrec.generate.finetune import FineTuneOptions, texts_of
from kgrec.generate.lora.settings import LoraSettings
from kgrec.progress import SILENT
from kgrec.testing import toy_workspace
from kgrec.testing.generation import tiny_model

pytest.importorskip("peft", reason="peft is not installed")
QUICK = LoraSettings(steps=2, check_every=1, batch_size=2, max_tokens=2000, judged=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy"))
    project = kgrec.open(
        folder, overrides=["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
    )
    project.build_graph()
    return folder


@pytest.fixture
def project(folder):
    return kgrec.open(folder, overrides=["generate.record=true"])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("base"))


def test_parts_share_no_item_and_no_text(project):
    pairs = texts_of(project, FineTuneOptions(), 3, 50, SILENT)
    items = {part: {item for pair in rows for item in pair.items} for part, rows in pairs.items()}
    texts = {part: {pair.text for pair in rows} for part, rows in pairs.items()}
    for found in (items, texts):
        assert not found["train"] & (found["validation"] | found["held-out"])
        assert not found["validation"] & found["held-out"]
    assert {pair.source for pair in pairs["train"]} >= {"template", "description"}
    assert {pair.kind for pair in pairs["train"]} == {"blurb", "reason", "summary"}
    assert texts_of(project, FineTuneOptions(), 3, 50, SILENT) == pairs


def test_prompts_are_those_of_generation_and_descriptions_are_not_copied(project):
    pairs = texts_of(project, FineTuneOptions(kinds=("summary",), sources=("description",)), 3, 50, SILENT)
    for pair in pairs["train"]:
        facts = pair.prompt.split("Facts:")[-1]
        assert pair.prompt.endswith("Text:")
        assert "title: <<<" in facts
        assert pair.text not in facts


def test_chinese_texts(project):
    pairs = texts_of(project, FineTuneOptions(language="zh", sources=("template", "description")), 3, 50, SILENT)
    assert all("正文" in pair.prompt for pair in pairs["train"])
    assert {pair.source for pair in pairs["train"]} == {"template"}  # the descriptions are English


def test_accepted_texts_are_learned_from(project, tmp_path, monkeypatch):
    monkeypatch.setattr(project.feedback.store, "root", tmp_path)
    (text,) = project.generate(item="i02", kind="summary")
    project.feedback.record(text.text_id, "rated", value=5)
    pairs = texts_of(project, FineTuneOptions(sources=("description", "accepted")), 3, 50, SILENT)
    found = [pair for rows in pairs.values() for pair in rows if pair.source == "accepted"]
    assert [(pair.text, pair.items) for pair in found] == [(text.text, ("i02",))]


def test_what_cannot_be_tuned(project):
    with pytest.raises(NotFoundError, match="sonnet"):
        texts_of(project, FineTuneOptions(kinds=("sonnet",)), 0, 5, SILENT)
    with pytest.raises(UsageError, match="unknown source"):
        texts_of(project, FineTuneOptions(sources=("web",)), 0, 5, SILENT)
    with pytest.raises(DataError, match="no texts"):
        texts_of(project, FineTuneOptions(kinds=("blurb",), sources=("description",)), 0, 5, SILENT)
    with pytest.raises(UsageError, match="at least 1"):
        project.tune_writer(FineTuneOptions(items=0), QUICK)


def test_tuned_and_used(project, base):
    found = project.tune_writer(FineTuneOptions(base, kinds=("summary",)), QUICK)
    assert found.change.n == found.before.n > 0
    assert found.before.low <= found.before.mean <= found.before.high
    assert set(found.sources) <= {"template", "description"}
    (text,) = project.generate(item="i02", kind="summary", model="tuned")
    assert text.text
    assert text.note == ""  # the model answered, whatever guards made of it


def test_from_the_command_line(folder, base, tmp_path, capsys):
    words = ["generate", "tune", "-w", str(folder), "--model", base, "--kind", "summary", "--steps", "2"]
    words += ["--judged", "6", "--batch-size", "2", "--out", str(tmp_path / "out"), "--check-every", "1", "--quiet"]
    assert main([*words, "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["steps"] == 2
    assert row["texts"]["held-out"]
    assert main(words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "base model" in shown
    assert "--model tuned:" in shown
    assert main([*words, "--rank", "4"]) == 2
    assert "--restart" in capsys.readouterr().err
    assert main([*words, "--source", "web"]) == 2
    assert (
        main(["generate", "-w", str(folder), "--item", "i02", "--kind", "summary", "--model", "tuned:nowhere", "-q"])
        == 0
    )
