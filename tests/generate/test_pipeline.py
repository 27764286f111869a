"""Drafts, guards, the best of several, the repair, the fallback; records, prompts and reranking."""

import json
import math
from dataclasses import replace

import pytest

from kgrec.errors import DataError, GuardRefusedError, PluginError
from kgrec.generate.drafts import scores
from kgrec.generate.kinds import kinds_of
from kgrec.generate.models.recorded import RecordedModel, prompt_key
from kgrec.generate.prompts import check_prompt, default_prompt, first_line, render, valid_json, version_of
from kgrec.generate.writer import Writer, text_id
from kgrec.plugin.domain import PromptTemplate
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_request

GUARDS = [spec.build() for _, spec in load_plugins().registry("guard").items()]
GOOD = "Comet Letters is a Space film directed by Ada Orbit."
BAD = "Comet Letters is a Space film directed by Brad Pitt."
REPAIR = {"en": default_prompt("repair.en")}


class Scripted:
    """Says one thing after the other, whatever it is asked."""

    name = "scripted"

    def __init__(self, *answers):
        self.answers, self.prompts = list(answers), []

    def complete(self, prompts, *, max_new_tokens, seed, schema=None):
        self.prompts += prompts
        return [self.answers.pop(0) for _ in prompts]


def write(model, **options):
    return Writer(GUARDS, model, repair_prompts=REPAIR, **options).write([toy_request()], seed=1)[0]


def test_a_draft_that_passes_is_shown_as_it_is():
    text = write(Scripted(GOOD))
    assert (text.text, text.model, text.fallback, text.repaired, text.violations) == (
        GOOD,
        "scripted",
        False,
        False,
        (),
    )
    assert text.prompt.startswith("default.en@")


def test_a_draft_that_fails_is_repaired_once_with_its_faults_named():
    model = Scripted(BAD, GOOD)
    text = write(model)
    assert (text.text, text.repaired, text.fallback) == (GOOD, True, False)
    assert any("Brad Pitt" in violation.message for violation in text.violations)
    assert "Brad Pitt" in model.prompts[1].split("Faults:")[-1]


def test_what_fails_twice_is_replaced_by_the_template():
    text = write(Scripted(BAD, BAD))
    assert (text.model, text.fallback, text.repaired) == ("template", True, False)
    assert "Brad Pitt" not in text.text
    assert Writer(GUARDS).check(toy_request(), text.text) == []


def test_without_fallback_a_refused_text_is_an_error():
    writer = Writer(GUARDS, Scripted(BAD, BAD), repair_prompts=REPAIR)
    with pytest.raises(GuardRefusedError, match="Brad Pitt"):
        writer.write([toy_request()], seed=1, allow_fallback=False)
    with pytest.raises(GuardRefusedError, match="no power"):
        Writer(GUARDS, RecordedModel(fails="no power")).write([toy_request()], seed=1, allow_fallback=False)


def test_a_dead_model_leaves_a_note():
    text = write(RecordedModel(fails="no power"))
    assert (text.fallback, text.note) == (True, "no power")


def test_the_best_of_several_passes_and_says_most():
    short = "Comet Letters is a film for you."
    text = write(Scripted(BAD, short, GOOD), candidates=3)
    assert text.text == GOOD
    assert text.scores["total"] > 0


def test_candidates_are_judged_by_coverage_fit_fluency_and_diversity():
    request = toy_request(shown=("Comet Letters is a film for you.",))
    plain, telling = scores(request, ["Comet Letters is a film for you.", GOOD], [-1.0, math.nan])
    assert telling["coverage"] > plain["coverage"]
    assert telling["diversity"] > plain["diversity"] == 0.0
    assert plain["fluency"] == pytest.approx(math.exp(-1))
    assert telling["fluency"] == 0.5


def test_no_requests_and_no_model():
    assert Writer(GUARDS).write([], seed=1) == []
    text = Writer(()).write([toy_request()], seed=1, user_ids=["u1"])[0]
    assert (text.model, text.fallback, text.user_id) == ("template", False, "u1")
    assert text.text_id == text_id("u1", toy_request(), text.text, "template")


def test_a_record_says_all_that_is_promised():
    record = write(Scripted(BAD, BAD)).to_dict()
    promised = {"text", "kind", "lang", "model", "facts", "violations", "repaired", "fallback", "seconds"}
    assert promised <= set(record)
    assert {"id", "type", "value", "source"} <= set(record["facts"][0])
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{facts} {fact}", "unknown placeholder 'fact'"),
        ("no facts", "'facts' is missing"),
        ("{facts", "brace"),
        ("{facts!r}", "no format"),
        ("{facts:>20}", "no format"),
        ("{facts} {0}", "unknown placeholder '0'"),
        ("{facts.__class__}", "unknown placeholder"),
    ],
)
def test_placeholders_are_strict(text, told):
    with pytest.raises(PluginError) as caught:
        check_prompt(PromptTemplate("x.en", text))
    assert told in f"{caught.value.message} {caught.value.hint}"


def test_every_prompt_of_every_domain_can_be_filled():
    manager = load_plugins()
    for name in manager.registry("domain"):
        for kind in manager.domain(name).kinds:
            for language in ("en", "zh"):
                template = manager.prompt_template(name, f"{kind.name}.{language}")
                assert template.name in (f"{name}/{kind.name}.{language}", f"default.{language}")
                prompt = render(template, toy_request(language, kind=kind))
                assert "#!" not in prompt
                assert toy_request(language).facts[0].value in prompt
    assert manager.prompt_template("generic", "blurb.en").name == "default.en"


def test_every_variant_that_is_named_is_there_and_another_text():
    manager = load_plugins()
    named = {}
    for name in manager.registry("domain"):
        for kind in kinds_of(manager.domain(name)).values():
            for task in (f"{kind.name}.en", f"{kind.name}.zh"):
                small = manager.prompt_template(name, f"{task}@small")  # one for models that say they are small
                assert small is None or "{facts}" in small.text
                main = manager.prompt_template(name, task)
                for variant in manager.prompt_variants(name, task):
                    prompt = manager.prompt_template(name, f"{task}@{variant}")
                    assert version_of(prompt) != version_of(main)
                    assert toy_request().facts[0].value in render(prompt, toy_request(kind=kind))
                    if variant != "small":
                        named.setdefault(f"{name}/{task}", []).append(variant)
    assert named == {"video/blurb.en": ["short"], "video/blurb.zh": ["short"]}


def test_author_and_variant_are_part_of_the_id():
    request = toy_request()
    ids = [text_id("u1", r, "A film.", a) for r in (request, replace(request, variant="b")) for a in ("x", "y")]
    assert len(set(ids)) == 4


def test_another_text_is_another_version():
    assert version_of(PromptTemplate("a", "{facts}")) != version_of(PromptTemplate("a", "{facts} "))


def test_records_are_read_by_prompt_key_and_seed(tmp_path):
    rows = [
        {"prompt": "a", "text": "one"},
        {"key": prompt_key("b"), "text": "two"},
        {"prompt": "a", "seed": 2, "text": "3"},
    ]
    file = tmp_path / "r.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    model = RecordedModel(file=str(file))
    assert model.complete(["a", "b", "c"], max_new_tokens=5, seed=1) == ["one", "two", ""]
    assert model.complete(["a"], max_new_tokens=5, seed=2) == ["3"]
    file.write_text('{"text": 1', encoding="utf-8")
    with pytest.raises(DataError, match=r"r\.jsonl:1"):
        RecordedModel(file=str(file))


def test_answers_are_tidied():
    assert first_line('\n  "A film."  \nmore') == "A film."
    assert first_line('"A" and "B"') == '"A" and "B"'
    schema = {"type": "object", "required": ["text"]}
    assert valid_json('```json\n{"text": "x"}\n```', schema) == '{"text": "x"}'
    assert valid_json("[" * 5000, schema) == valid_json('{"a": 1}', schema) == valid_json("no", schema) == ""
