"""Writing from Python and from the command line, on a toy workspace."""

import json

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import NotFoundError, UsageError, UserError
from kgrec.generate.service import GenerateOptions
from kgrec.testing import toy_workspace
from kgrec.text.profile import KNOWN_INTERESTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy"))
    project = kgrec.open(
        folder, overrides=["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
    )
    project.build_graph()
    project.train(only=["item-knn"])
    return folder


@pytest.fixture(scope="module")
def project(folder):
    return kgrec.open(folder)


def test_a_text_for_a_user(project):
    (text,) = project.generate("u03")
    assert text.text
    assert (text.kind, text.language, text.model, text.user_id) == ("blurb", "en", "template", "u03")
    assert project.generate("u03")[0].text == text.text
    assert project.generate("u03", language="zh")[0].text != text.text
    kinds = {fact.type for fact in text.facts}
    assert {"title", "entity", "number", "text"} <= kinds
    assert all(fact.source for fact in text.facts)


def test_facts_are_those_of_the_catalogue_and_the_history(project):
    (text,) = project.generate("u03", item="i02", kind="reason")
    told = {(fact.name, fact.value) for fact in text.facts}
    assert ("title", "The astronaut 3") in told
    assert ("director", "Ada Orbit") in told or ("directed_by", "Ada Orbit") in told
    assert ("year", "1992") in told
    seen = set(project.dataset.interactions.filter(project.dataset.interactions["user"] == 3)["item"].to_list())
    titles = set(project.dataset.items["title"].to_list())
    history = [fact.value for fact in text.facts if fact.type == "history"]
    assert set(history) <= titles
    assert seen


def test_a_summary_needs_no_user_and_two_readers_get_texts_of_their_own(project):
    (text,) = project.generate(item="i02", kind="summary")
    assert "The astronaut 3" in text.text
    assert text.user_id == ""
    with pytest.raises(UsageError, match="for a user"):
        project.generate(item="i02", kind="blurb")
    texts = {project.generate(user, item="i02", kind="blurb")[0].text for user in ("u01", "u03", "u05", "u07")}
    assert len(texts) > 1


def test_unknown_names(project):
    for arguments, error in (
        ({"user": "nobody"}, NotFoundError),
        ({"user": "u03", "item": "none"}, NotFoundError),
        ({"user": "u03", "kind": "poem"}, NotFoundError),
        ({"user": "u03", "model": "gpt"}, NotFoundError),
        ({"user": "u03", "tone": "angry"}, UsageError),
        ({"user": "u03", "language": "fr"}, UsageError),
        ({}, UsageError),
    ):
        with pytest.raises(error):
            project.generate(**arguments)


def test_a_model_without_key_or_file_is_no_catastrophe(project, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (text,) = project.generate("u03", model="openai:tiny")
    assert (text.model, text.fallback) == ("template", True)
    assert "OPENAI_API_KEY" in text.note
    (text,) = project.generate("u03", model="smollm2:no-such-file.gguf")
    assert text.fallback
    assert text.note


def test_an_interest_names_its_events(project):
    profile = project.profiler.profile("u03")
    assert profile.interests
    entity = next(i for i in profile.interests if i.kind in ("entity", "category"))
    assert entity.evidence
    assert entity.count >= len(entity.evidence) > 0
    assert 0 < entity.weight <= 1
    titles = set(project.dataset.items["title"].to_list())
    assert all(event.what in titles for event in entity.evidence)


def test_info_profile_and_texts_agree_on_a_user(project):
    """There is one engine; texts leave out words of texts, which state nothing of an item."""
    for user in project.dataset.users["user_id"].to_list():
        known, told = project.user_info(user), project.texts.profile(user)
        found = project.profiler.profile(user, limit=KNOWN_INTERESTS)
        named = {(one.kind, one.name): round(one.weight, 3) for one in found.interests}
        assert known["terms"] == {name: weight for (kind, name), weight in named.items() if kind == "term"}
        assert known["entities"] == {
            name: weight for (kind, name), weight in named.items() if kind in ("entity", "category")
        }
        assert known["own_words"] == " ".join(found.own_words) == " ".join(told.own_words)
        assert found.history == told.history
        without_terms = [(one.name, one.weight, one.count) for one in found.interests if one.kind != "term"]
        of_texts = [(one.name, one.weight, one.count) for one in told.interests]
        assert of_texts == without_terms[: len(of_texts)]
    assert (project.workspace.cache / "text" / "terms.safetensors").is_file()


def test_all_is_taken_up_where_it_stopped(project, tmp_path):
    out = tmp_path / "texts.jsonl"
    assert project.texts.generate_all(out, GenerateOptions("blurb"), users=["u01", "u02", "u03"]) == 3
    whole = out.read_text(encoding="utf-8")
    lines = whole.splitlines(keepends=True)
    out.write_text("".join(lines[:1]) + lines[1][:30], encoding="utf-8")  # interrupted in the middle of a line
    assert project.texts.generate_all(out, GenerateOptions("blurb"), users=["u01", "u02", "u03"]) == 2
    again = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {row["text"] for row in again} == {json.loads(line)["text"] for line in lines}
    assert project.texts.generate_all(out, GenerateOptions("summary")) == project.dataset.n_items
    assert project.texts.generate_all(out, GenerateOptions("summary")) == 0
    with pytest.raises(UsageError, match="JSON lines"):
        project.texts.generate_all(tmp_path / "texts.csv")
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n{"b": 2}\n', encoding="utf-8")
    with pytest.raises(UserError, match="something else"):
        project.texts.generate_all(tmp_path / "other.jsonl", GenerateOptions("summary"))


def test_the_command_line(folder, tmp_path, capfd):
    def run(*words):
        code = main([str(word) for word in (*words, "-w", folder, "-q")])
        return code, capfd.readouterr().out

    code, out = run("generate", "u03", "--format", "json")
    (record,) = json.loads(out)
    assert (code, record["kind"], record["lang"], record["fallback"]) == (0, "blurb", "en", False)
    code, out = run("generate", "u03", "--show-facts")
    assert (code, "f1" in out, "items.csv" in out) == (0, True, True)
    code, out = run("generate", "--all", "--kind", "summary", "--out", tmp_path / "all.jsonl")
    assert (code, len((tmp_path / "all.jsonl").read_text("utf-8").splitlines())) == (0, 24)
    code, out = run("recommend", "u03", "-n", "2", "--generate", "blurb", "--format", "json")
    assert (code, all(row["text"] for row in json.loads(out))) == (0, True)
    code, out = run("profile", "u03", "--format", "json")
    assert (code, bool(json.loads(out)[0]["evidence"])) == (0, True)
    assert run("generate")[0] == 2
    assert run("generate", "--all")[0] == 2
    assert run("generate", "u03", "--kind", "poem")[0] == 3
