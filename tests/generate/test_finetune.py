"""`kgrec generate tune`, from Python and from the command line, on a toy workspace and a tiny model."""

import json

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import DataError, NotFoundError, UsageError
from kgrec.generate.finetune_texts import FineTuneOptions, texts_of
from kgrec.generate.kinds import kinds_of
from kgrec.progress import SILENT
from kgrec.testing import toy_workspace
from kgrec.testing.generation import tiny_model

pytest.importorskip("peft", reason="peft is not installed")
QUICK = {"steps": 2, "check_every": 1, "batch_size": 2, "max_tokens": 2000, "judged": 6}


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


def collected(project, **options):
    given = FineTuneOptions(**{"base": "tiny", "seed": 3, "judged": 50, **options})
    return texts_of(project.texts, project.feedback.accepted, given, SILENT)


def test_parts_share_no_item_and_no_text(project):
    pairs = collected(project)
    items = {part: {item for pair in rows for item in pair.items} for part, rows in pairs.items()}
    texts = {part: {pair.text for pair in rows} for part, rows in pairs.items()}
    for found in (items, texts):
        assert not found["train"] & (found["validation"] | found["held-out"])
        assert not found["validation"] & found["held-out"]
    assert {pair.source for pair in pairs["train"]} >= {"template", "description"}
    assert {pair.kind for pair in pairs["train"]} == set(kinds_of(project.texts.domain)) - {"tip"}
    assert collected(project) == pairs


def test_prompts_are_those_of_generation_and_descriptions_are_not_copied(project):
    pairs = collected(project, kinds=("summary",), sources=("description",))
    for pair in pairs["train"]:
        facts = pair.prompt.split("each with its id:")[-1]
        assert pair.prompt.endswith("Answer with the text alone.")
        assert "title: <<<" in facts
        assert pair.text not in facts


def test_chinese_texts(project):
    pairs = collected(project, language="zh", sources=("template", "description"))
    assert all("正文" in pair.prompt for pair in pairs["train"])
    assert {pair.source for pair in pairs["train"]} == {"template"}  # the descriptions are English


def test_accepted_texts_are_learned_from(project, tmp_path, monkeypatch):
    monkeypatch.setattr(project.feedback.store, "root", tmp_path)
    (text,) = project.generate(item="i02", kind="summary")
    project.feedback.record(text.text_id, "rated", value=5)
    pairs = collected(project, sources=("description", "accepted"))
    found = [pair for rows in pairs.values() for pair in rows if pair.source == "accepted"]
    assert [(pair.text, pair.items) for pair in found] == [(text.text, ("i02",))]


def test_what_cannot_be_tuned(project):
    with pytest.raises(NotFoundError, match="sonnet"):
        collected(project, kinds=("sonnet",))
    with pytest.raises(UsageError, match="sources"):
        collected(project, sources=("web",))
    with pytest.raises(DataError, match="no texts"):
        collected(project, kinds=("blurb",), sources=("description",))
    with pytest.raises(UsageError, match="items must be greater than or equal to 1"):
        project.finetune(FineTuneOptions(base="tiny", items=0))


def test_tuned_and_used(project, base):
    found = project.finetune(FineTuneOptions(base=base, kinds=("summary",), **QUICK))
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
