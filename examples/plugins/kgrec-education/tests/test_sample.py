"""What is planted in the sample comes back in the lists, and texts about it hold."""

import json

import pytest

import kgrec
from kgrec.plugin.sample_files import write_sample
from kgrec_education.sample import catalogue, learning

FORECASTING = "c05"
FAST = ('text.encoder="hashing"', "seed=7")


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    folder = tmp_path_factory.mktemp("education")
    write_sample("kgrec_education.sample:write", folder, seed=7)
    project = kgrec.open(folder, overrides=FAST)
    project.build_graph()
    project.train(device="cpu", only=("item-knn", "transitions"))
    return folder, project


def says(folder, text, **wanted):
    """Let a language model answer ``text``; return what arrives, and what guards had against it."""
    answers = "language_models.recorded.answers=" + "{'*' = " + json.dumps(text) + "}"
    project = kgrec.open(folder, overrides=(*FAST, answers, "generate.repair=false"))
    written = project.generate(model="recorded", **wanted)[0]
    return written.text, {violation.guard for violation in written.violations}


def before_its_prerequisite(school, **wanted):
    """Return how many courses stand in lists before something that they need."""
    needs = {row[0]: set(row[6].split("|")) - {""} for row in catalogue()[0]}
    done = {learner: set() for learner in learning(7)[1]}
    for learner, course, action, _ in learning(7)[0]:
        done[learner] |= {course} if action == "completed" else set()
    early = 0
    for learner, known in done.items():
        for course in school[1].recommend(learner, n=8, **wanted).item_ids:
            early += not needs[course] <= known
            known.add(course)
    return early


def test_nobody_is_shown_a_course_before_its_prerequisite(school):
    assert before_its_prerequisite(school) == 0
    assert before_its_prerequisite(school, rerank="none") > 0


def test_learners_get_the_next_course_of_their_programme(school):
    asked = [(learner, courses) for learner, courses in learning(7)[1].items() if courses]
    found = [bool({*courses} & {*school[1].recommend(learner, n=3).item_ids}) for learner, courses in asked]
    assert len(asked) > 50
    assert sum(found) / len(found) > 0.85


@pytest.mark.parametrize("language", ["en", "de", "zh"])
@pytest.mark.parametrize("kind", ["learning-step", "course-card"])
def test_own_kinds_name_the_course(school, kind, language):
    written = school[1].generate("learner001", item=FORECASTING, kind=kind, language=language)[0]
    assert "Forecasting in Practice" in written.text
    assert "16" in written.text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Forecasting in Practice takes 16 hours and builds on SQL for Analysts and Statistics from Scratch."),
        ("en", "Dr. Helen Asante shows in Forecasting in Practice how to predict next month's demand."),
        ("de", "„Forecasting in Practice“ dauert 16 Stunden und baut auf „SQL for Analysts“ auf."),
    ],
)
def test_true_natural_texts_pass(school, language, text):
    assert says(school[0], text, language=language, item=FORECASTING, kind="course-card") == (text, set())


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        ("Forecasting in Practice needs no prior knowledge.", "education-guard"),
        ("You will pass with Forecasting in Practice by Dr. Helen Asante.", "education-guard"),
        ("Forecasting in Practice builds on First Steps in Python.", "entities"),
        ("Forecasting in Practice takes 6 hours.", "numbers"),
        ("Marek Dvořák teaches Forecasting in Practice.", "entities"),
    ],
)
def test_false_texts_are_refused(school, text, guard):
    arrived, guards = says(school[0], text, item=FORECASTING, kind="course-card")
    assert arrived != text
    assert guard in guards
