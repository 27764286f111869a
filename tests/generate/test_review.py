"""The queue of texts that somebody has to accept, drafts with their checks, and prompts that are shown."""

import io
import json

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.testing import toy_workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy"))
    settings = ["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
    project = kgrec.open(folder, overrides=settings)
    project.build_graph()
    project.train(only=["item-knn"])
    with (folder / "kgrec.toml").open("a") as stream:
        stream.write("\n[generate]\nrecord = true\n")
    return folder


def answered(folder, monkeypatch, capsys, lines, *more):
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    code = main(["generate", "review", "-w", str(folder), *more])
    return code, capsys.readouterr()


def test_piped_answers_decide_and_what_is_rejected_is_not_learned_from(folder, monkeypatch, capsys, tmp_path):
    project = kgrec.open(folder)
    texts = [project.generate("u03", seed=seed)[0] for seed in range(5)]
    ids = list(dict.fromkeys(text.text_id for text in texts))
    assert [record.text.text_id for record in project.feedback.waiting()] == ids
    assert len(ids) >= 4
    project.feedback.record(ids[1], "clicked")
    new = "The astronaut finds a new world."
    code, said = answered(folder, monkeypatch, capsys, f"a\nr too dull\ns\nb\ne {new}\\nFor you.\n", "-f", "json")
    assert code == 0
    told = {row["text_id"]: row for row in json.loads(said.out)}
    assert [told[k]["verdict"] for k in ids[:3]] == ["accepted", "rejected", "edited"]
    assert told[ids[2]]["text"] == f"{new}\nFor you."
    assert told[ids[2]]["objections"]  # the title is missing
    assert "guards object" in said.err
    assert [record.text.text_id for record in project.feedback.waiting()] == ids[3:]
    approved = [(record.text.text_id, text) for record, text in project.feedback.approved()]
    assert approved == [(ids[0], texts[0].text), (ids[2], f"{new}\nFor you.")]
    accepted = {pair.text_id: pair.why for pair in project.feedback.accepted(faulty_edits=True)}
    assert accepted == {ids[0]: "accepted", ids[2]: "edited"}
    assert answered(folder, monkeypatch, capsys, "", "-n", "0", "--out", str(tmp_path / "ok.jsonl"))[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "ok.jsonl").read_text().splitlines()]
    assert [(row["text"], row["edited"]) for row in rows] == [(text, text != texts[0].text) for _, text in approved]
    # Who thinks again decides last.
    project.feedback.record(ids[0], "rejected", time=2_000_000_000 - 300_000_000)
    project.feedback.record(ids[0], "rejected")
    assert ids[0] not in {record.text.text_id for record, _ in project.feedback.approved()}


def test_an_answer_that_is_none_stops_with_its_line_and_what_was_decided_stays(folder, monkeypatch, capsys):
    project = kgrec.open(folder)
    for seed in range(5, 12):
        project.generate("u04", seed=seed)
    before = len(project.feedback.waiting())
    code, said = answered(folder, monkeypatch, capsys, "a\nperhaps\n")
    assert code == 2
    assert "line 2" in said.err
    assert len(project.feedback.waiting()) == before - 1


def test_drafts_are_shown_with_checks_and_scores(folder, capsys):
    (text,) = kgrec.open(folder).generate("u05", candidates=4, show_candidates=True)
    assert len(text.candidates) > 1
    assert text.text in {draft.text for draft in text.candidates}
    best = max(draft.scores["total"] for draft in text.candidates if not draft.violations)
    assert text.scores["total"] == best
    assert not text.fallback
    assert (text.model, kgrec.open(folder).generate("u03")[0].candidates) == ("template", ())
    assert main(["generate", "u03", "--show-candidates", "3", "-w", str(folder), "-f", "json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert {"text", "violations", "changes", "scores"} <= set(shown["candidates"][0])


def test_the_prompt_is_shown_though_no_model_is_asked(folder, capsys):
    assert main(["generate", "u03", "--show-prompt", "-w", str(folder)]) == 0
    assert "<<<The astronaut" in capsys.readouterr().out
    assert "prompt_text" in kgrec.open(folder).generate("u03", show_prompt=True)[0].to_dict()
