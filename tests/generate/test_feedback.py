"""Feedback from Python and from the command line, on a toy workspace: recorded, measured, learned from, forgotten."""

import json
import time
from dataclasses import replace

import polars as pl
import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import ConfigError, DataError, NotFoundError, PluginError
from kgrec.generate.kinds import BLURB, GENERIC
from kgrec.generate.service import GenerateOptions
from kgrec.plugin.domain import PromptTemplate
from kgrec.plugin.generation import MAIN
from kgrec.testing import toy_workspace

SET = ["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
RECORD = ["generate.record=true", "generate.window_hours=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy"))
    project = kgrec.open(folder, overrides=SET)
    project.build_graph()
    project.train(only=["item-knn"])
    return folder


@pytest.fixture
def opened(folder, tmp_path):
    """Opens the workspace, its record kept apart."""

    def opened(*settings):
        project = kgrec.open(folder, overrides=[*RECORD, *settings])
        project.feedback.store.root = tmp_path
        return project

    return opened


@pytest.fixture
def project(opened):
    return opened()


def test_nothing_is_kept_unless_the_settings_say_so(folder):
    project = kgrec.open(folder)
    (text,) = project.generate("u03")
    assert not (folder / "feedback").exists()
    with pytest.raises(NotFoundError) as caught:
        project.feedback.record(text.text_id, "clicked")
    assert "generate.record = true" in caught.value.hint
    with pytest.raises(ConfigError, match="record = true"):
        kgrec.open(folder, overrides=["generate.variants=thompson"])


def test_what_is_kept_of_a_text(project):
    (text,) = project.generate("u03")
    project.generate("u03")
    assert project.feedback.store.texts()["text_id"].to_list() == [text.text_id]
    (record,) = project.feedback.store.records([text.text_id])
    assert record.text == text
    assert (text.user_id, text.kind, text.language, text.model, text.variant) == (
        "u03",
        "blurb",
        "en",
        "template",
        "main",
    )
    assert (record.tone, record.asked, bool(record.version)) == ("neutral", "template", True)
    assert (record.seed, abs(record.time - time.time()) < 600) == (project.config.seed, True)


def test_one_event_and_what_is_wrong_with_it(project):
    (text,) = project.generate("u03")
    assert project.feedback.record(text.text_id, "shown").stored == 1
    assert project.feedback.record(text.text_id, "rated", value=5, event_id="e1").stored == 1
    assert project.feedback.record(text.text_id, "rated", value=5, event_id="e1").duplicates == 1
    wrong = (
        ("rated", 6, "from 1 to 5"),
        ("dwelt", None, "no seconds"),
        ("sneezed", None, "unknown"),
    )
    for event, value, told in wrong:
        with pytest.raises(DataError, match=told):
            project.feedback.record(text.text_id, event, value=value)
    with pytest.raises(NotFoundError) as caught:
        project.feedback.record(text.text_id + "x", "clicked")
    assert text.text_id in caught.value.hint


def test_an_edit_is_kept_and_guards_say_what_they_have_against_it(project):
    (text,) = project.generate("u03")
    title = next(fact.value for fact in text.facts if fact.type == "title")
    assert project.feedback.record(text.text_id, "edited", text=text.text).faulty_edits == 0
    assert (
        project.feedback.record(text.text_id, "edited", text=f"{title} is a film directed by Brad Pitt.").faulty_edits
        == 1
    )
    violations = project.feedback.store.events()["violations"].to_list()
    assert violations[0] == []
    assert any("Brad Pitt" in told for told in violations[1])
    assert project.feedback.accepted() == []
    (pair,) = project.feedback.accepted(faulty_edits=True)
    assert "Brad Pitt" in pair.text
    assert title in pair.prompt
    assert "{" not in pair.prompt


def test_what_readers_accept_becomes_pairs(project):
    texts = [project.generate(user)[0] for user in ("u01", "u03", "u05")]
    for text in texts[:2]:
        project.feedback.record(text.text_id, "clicked")
    project.feedback.record(texts[0].text_id, "edited", text=texts[0].text + " ")
    pairs = {pair.text_id: pair for pair in project.feedback.accepted()}
    assert {key: pair.why for key, pair in pairs.items()} == {texts[0].text_id: "edited", texts[1].text_id: "clicked"}
    assert pairs[texts[1].text_id].text == texts[1].text
    assert all(pair.prompt for pair in pairs.values())


def events_of(texts, at, clicked):
    rows = [(text.text_id, "shown", at) for text in texts]
    return rows + [(text.text_id, "clicked", at + 5) for text in texts if clicked(text)]


@pytest.fixture
def two_phrasings(monkeypatch):
    """A kind of text with a second file of phrases."""
    kind = replace(BLURB, phrases={**BLURB.phrases, "en@brief": GENERIC[1].phrases["en"]})
    monkeypatch.setattr("kgrec.generate.kinds.GENERIC", (kind,))
    return kind


def test_variants_are_named_and_drawn(project, opened, two_phrasings, tmp_path):
    brief = project.generate("u03", variant="brief")[0]
    assert (brief.variant, brief.text) == ("brief", project.generate("u03", variant="brief")[0].text)
    assert project.generate("u03")[0].variant == MAIN
    with pytest.raises(NotFoundError, match="unknown variant 'brie'"):
        project.generate("u03", variant="brie")
    project = opened("generate.variants=thompson")
    users = [f"u{k:02}" for k in range(1, 13)]
    first = [project.generate(user, seed=seed)[0] for user in users for seed in range(2)]
    assert {text.variant for text in first} == {MAIN, "brief"}
    shown = events_of(first * 1, time.time() - 7200, lambda text: text.variant == "brief")
    pl.DataFrame(shown, schema=["text_id", "event", "time"], orient="row").write_parquet(tmp_path / "e.parquet")
    report = project.feedback.from_file(tmp_path / "e.parquet")
    assert report.stored == len(set(shown))
    later = [project.generate(user, seed=seed)[0].variant for user in users for seed in range(2, 5)]
    assert later.count("brief") > 0.7 * len(later)
    found = project.evaluate_feedback()
    best = found.best
    assert max(best, key=best.get).startswith("blurb.en · template · brief@")
    assert sum(best.values()) == pytest.approx(1)


def test_a_prompt_that_failed_is_still_the_one_that_was_asked(project, opened, tmp_path, monkeypatch):
    manager, given = type(project.manager), project.manager.prompt_template
    prompts = {"blurb.en@brief": PromptTemplate("toy/blurb.en@brief", "Briefly: {facts}")}
    monkeypatch.setattr(manager, "prompt_variants", lambda self, domain, task: ["brief"] if task == "blurb.en" else [])
    monkeypatch.setattr(manager, "prompt_template", lambda self, domain, task: prompts.get(task) or given(domain, task))
    (tmp_path / "answers.jsonl").write_text("", encoding="utf-8")
    model = f"recorded:{tmp_path / 'answers.jsonl'}"
    (text,) = project.generate("u03", model=model, variant="brief")
    assert (text.fallback, text.model, text.variant) == (True, "template", "brief")
    project.feedback.record(text.text_id, "shown", time=1.7e9)
    project.feedback.record(text.text_id, "clicked", time=1.7e9)
    arms = project.texts.variants.arms(BLURB, "en", model)
    assert [(arm.name, arm.successes, arm.failures) for arm in arms] == [("main", 0, 0), ("brief", 1, 0)]
    (pair,) = project.feedback.accepted()
    assert pair.prompt.startswith("Briefly: ")
    by = {group.by: group.label for group in project.evaluate_feedback().groups}
    assert by["model"] == "template (stepped in)"
    prompts.clear()
    with pytest.raises(PluginError, match=r"'blurb[.]en@brief'"):
        opened().texts.variants.of(BLURB, "en", model)


def test_files_bad_rows_and_the_page(folder, tmp_path, capfd):
    def run(*words):
        code = main([str(word) for word in (*words, "-w", folder, "-q", "--set", "generate.record=true")])
        out, err = capfd.readouterr()
        return code, out if "json" in words else " ".join(out.split()), err

    code, out, _ = run("generate", "u03", "-n", "3", "-f", "json")
    ids = [row["text_id"] for row in json.loads(out)]
    lines = ["tid,what,value,timestamp", f"{ids[0]},impression,,1700000000", f"{ids[0]},click,,1700000009"]
    lines += [
        f"{ids[1]},impression,,1700000000",
        f"{ids[1]},dwell,12.5,1700000009",
        "nope,click,,1700000009",
        ",click,,",
    ]
    lines += [f"{ids[0]},click,,1700000009"]
    (tmp_path / "e.csv").write_text("\n".join(lines), encoding="utf-8")
    code, _, err = run("generate", "feedback", "--from", tmp_path / "e.csv")
    assert (code, "--column text_id=NAME" in err) == (2, True)
    command = (
        "generate",
        "feedback",
        "--from",
        tmp_path / "e.csv",
        "--column",
        "text_id=tid",
        "--column",
        "event=what",
    )
    code, out, _ = run(*command, "-f", "json")
    (report,) = json.loads(out)
    assert (code, report["rows"], report["stored"], report["duplicates"]) == (0, 7, 4, 1)
    assert report["rejected"] == {"no such text on record": 1, "no text id": 1}
    assert [row["line"] for row in report["examples"]] == [6, 7]
    code, out, _ = run(*command)
    assert (code, "0 events recorded, 5 already there, 2 of 7 rows left out" in out) == (0, True)
    code, out, _ = run("generate", "evaluate", "--feedback", "-f", "json", "--html", tmp_path / "r.html")
    (found,) = json.loads(out)
    everything = found["groups"][0]
    assert (code, everything["shown"], everything["clicked"], everything["ctr"]["mean"]) == (0, 2, 1, 0.5)
    assert (everything["dwell"]["mean"], everything["enough"]) == (12.5, False)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "too little data" in page
    assert "blurb.en · template · main@" in page
    code, out, _ = run("generate", "evaluate", "--feedback")
    assert (code, "50.0%" in out, "too little data" in out) == (0, True, True)
    code, out, _ = run("generate", "feedback", "--forget", "u03", "-f", "json")
    assert json.loads(out) == [{"texts": 3, "events": 4}]
    assert run("generate", "feedback")[0] == 2
    assert run("generate", "feedback", ids[0])[0] == 2
    assert run("generate", "feedback", ids[0], "clicked")[0] == 3
    assert run("generate", "feedback", "--from", tmp_path / "e.csv", "--column", "text_id", "-f", "json")[0] == 2
    code, out, _ = run("generate", "evaluate", "--feedback")
    assert (code, "no text was shown" in out) == (0, True)


def test_a_batch_is_recorded_too(project, tmp_path):
    project.texts.generate_all(tmp_path / "all.jsonl", GenerateOptions("summary"))
    written = {json.loads(line)["text_id"] for line in (tmp_path / "all.jsonl").read_text("utf-8").splitlines()}
    assert set(project.feedback.store.texts()["text_id"]) == written
