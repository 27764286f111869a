"""The generator of a plugin, found by its entry point, from Python and from the command line."""

import importlib
import json
import sys

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import ConfigError, GuardRefusedError, NotFoundError, UsageError
from kgrec.testing import toy_workspace

PLUGIN = '''
from kgrec.plugin import Spec, hookimpl


class Plain:
    """Says one sentence; asks a language model only where it is given one."""

    def __init__(self, ending="."):
        self.ending = ending

    def write(self, requests, *, model, seed):
        title = [next(fact.value for fact in request.facts if fact.type == "title") for request in requests]
        if model is not None:
            return model.complete(title, max_new_tokens=20, seed=seed)
        if self.ending == "wrong":
            return ["one text for all"] * (len(title) + 1)
        if self.ending == "broken":
            raise ZeroDivisionError("of all things")
        return [f"{name} is a good choice{self.ending}" for name in title]


@hookimpl
def kgrec_generators():
    return [Spec("plain", "plain_generator:Plain", "says one sentence")]
'''


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    """A plugin as pip would install it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "plain_generator.py").write_text(PLUGIN, encoding="utf-8")
    about = folder / "plain_generator-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-generator\nVersion: 0.1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[kgrec]\nplain = plain_generator\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("plain_generator", None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy"))
    project = kgrec.open(
        folder, overrides=["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
    )
    project.build_graph()
    project.train(only=["item-knn"])
    return folder


def test_it_writes_where_it_is_named(folder):
    project = kgrec.open(folder)
    (text,) = project.generate("u03", item="i02", model="plain")
    assert (text.text, text.model, text.fallback) == ("The astronaut 3 is a good choice.", "plain", False)
    assert text.prompt == ""
    settings = ["generate.model=plain", "generators.plain.ending=' for you.'"]
    (text,) = kgrec.open(folder, overrides=settings).generate("u03", item="i02")
    assert text.text == "The astronaut 3 is a good choice for you."


def test_guards_judge_it_and_the_template_steps_in(folder):
    project = kgrec.open(folder, overrides=["generators.plain.ending=' by Brad Pitt.'"])
    (text,) = project.generate("u03", item="i02", model="plain")
    assert (text.model, text.fallback) == ("template", True)
    assert any("Brad Pitt" in violation.message for violation in text.violations)
    with pytest.raises(GuardRefusedError, match="Brad Pitt"):
        project.generate("u03", item="i02", model="plain", allow_fallback=False)


def test_it_may_ask_a_language_model(folder, tmp_path):
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"key": "*", "text": "The astronaut 3 is from 1992."}\n', encoding="utf-8")
    (text,) = kgrec.open(folder).generate("u03", item="i02", model=f"plain:recorded:{answers}")
    assert (text.text, text.model) == ("The astronaut 3 is from 1992.", "plain:recorded")
    (text,) = kgrec.open(folder).generate("u03", item="i02", model=f"prompt:recorded:{answers}")
    assert (text.text, text.model) == ("The astronaut 3 is from 1992.", "recorded")
    (text,) = kgrec.open(folder).generate("u03", item="i02", model="plain:smollm2:no-such-file.gguf")
    assert (text.model, text.fallback) == ("template", True)


def test_what_it_does_wrong_is_told_with_its_name(folder):
    for ending, told in (("wrong", "did not return one text"), ("broken", "ZeroDivisionError: of all things")):
        project = kgrec.open(folder, overrides=[f"generators.plain.ending={ending}"])
        text = project.generate("u03", model="plain")[0]
        assert (text.model, text.fallback) == ("template", True)
        assert told in text.note
        assert "'plain' of plugin" in text.note
    with pytest.raises(ConfigError, match=r"generators\.plain"):
        kgrec.open(folder, overrides=["generators.plain.start=x"]).generate("u03", model="plain")


def test_unknown_names_tell_what_there_is(folder):
    project = kgrec.open(folder)
    with pytest.raises(NotFoundError, match="generator or language model 'plane'") as caught:
        project.generate("u03", model="plane")
    assert "plain" in caught.value.hint
    with pytest.raises(UsageError, match="asks a language model") as caught:
        project.generate("u03", model="prompt")
    assert "smollm2" in caught.value.hint


def test_the_command_line(folder, capfd):
    def run(*words):
        code = main([str(word) for word in (*words, "-w", folder, "-q")])
        return code, *capfd.readouterr()

    code, out, _ = run("generate", "u03", "--item", "i02", "--model", "plain", "-f", "json")
    (record,) = json.loads(out)
    assert (code, record["model"], record["text"]) == (0, "plain", "The astronaut 3 is a good choice.")
    code, out, _ = run("generate", "u03", "--item", "i02", "--set", "generate.model=plain", "--show-facts")
    assert (code, "a good choice" in out) == (0, True)
    code, out, _ = run(
        "recommend", "u03", "-n", "1", "--generate", "blurb", "--set", "generate.model=plain", "-f", "json"
    )
    assert (code, "a good choice" in json.loads(out)[0]["text"]) == (0, True)
    code, _, err = run("generate", "u03", "--model", "plane")
    assert (code, "plain" in err) == (3, True)
    code, out, _ = run("plugins", "-f", "json")
    assert "plain" in next(row for row in json.loads(out) if row["name"] == "plain")["offers"]["generator"]
