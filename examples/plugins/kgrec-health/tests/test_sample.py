"""What is planted in the sample comes back in the lists, and texts about it hold."""

import json

import pytest

import kgrec
from kgrec.errors import KgrecError
from kgrec.plugin.sample_files import write_sample
from kgrec_health.sample import catalogue, reading

AWAKE, PILLOWS = "h03", "h04"  # When You Lie Awake, of the clinic; a reader's post
GENERIC = [
    "blurb",
    "reason",
    "email-subject",
    "email",
    "push",
    "social",
    "shelf-title",
    "bundle",
    "plan-step",
    "summary",
]
FAST = ('text.encoder="hashing"', "seed=7")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("health")
    write_sample("kgrec_health.sample:write", folder, seed=7)
    project = kgrec.open(folder, overrides=FAST)
    project.build_graph()
    project.train(device="cpu", only="item-knn")
    return folder, project


def says(folder, text, **wanted):
    """Let a language model answer ``text``; return what arrives, and what guards had against it."""
    answers = "language_models.recorded.answers=" + "{'*' = " + json.dumps(text) + "}"
    project = kgrec.open(folder, overrides=(*FAST, answers, "generate.repair=false"))
    written = project.generate(model="recorded", **wanted)[0]
    return written.text, {violation.guard for violation in written.violations}


def test_readers_of_a_topic_get_what_they_have_not_read(clinic):
    asked = [(reader, article) for reader, articles in reading(7)[1].items() for article in articles]
    found = [article in clinic[1].recommend(reader, n=3).item_ids for reader, article in asked]
    assert len(asked) > 100
    assert sum(found) / len(found) > 0.85


def test_a_tip_is_a_sentence_of_the_approved_source(clinic):
    for row in catalogue()[0]:
        text = clinic[1].generate(item=row[0], kind="health-tip")[0].text if row[4] else ""
        assert not row[4] or "Marrow Bay Clinic" in text
        assert not row[4] or any(sentence.strip(" .") in text for sentence in row[-1].split(". "))


def test_what_readers_post_is_no_tip(clinic):
    try:
        written = clinic[1].generate(item=PILLOWS, kind="health-tip")[0].text
    except KgrecError:
        written = ""
    assert "pillow" not in written.lower()


def test_no_model_words_a_tip(clinic):
    advice = "If you lie awake, a glass of warm milk helps. (Source: Marrow Bay Clinic)"
    arrived, _ = says(clinic[0], advice, item=AWAKE, kind="health-tip")
    assert "milk" not in arrived
    assert "get up and do something calm until you feel sleepy" in arrived


@pytest.mark.parametrize("kind", GENERIC)
def test_no_text_tells_what_somebody_read(clinic, kind):
    reader = next(reader for reader, articles in reading(7)[1].items() if AWAKE in articles)
    text = clinic[1].generate(reader, item=AWAKE, kind=kind)[0].text
    assert "When You Lie Awake" in text
    assert not [row[1] for row in catalogue()[0] if row[0] != AWAKE and row[1] in text]
    assert "You " not in text.replace("When You Lie Awake", "")


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_a_note_names_article_and_source(clinic, language):
    text = clinic[1].generate(item=AWAKE, kind="article-note", language=language)[0].text
    assert "When You Lie Awake" in text
    assert "Marrow Bay Clinic" in text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "When You Lie Awake, an article from Marrow Bay Clinic, takes five minutes to read."),
        ("en", "Dr. Agnes Holm reviewed When You Lie Awake: looking at the clock rarely helps."),
        ("de", "„When You Lie Awake“ von Marrow Bay Clinic ist in fünf Minuten gelesen."),
    ],
)
def test_true_natural_texts_pass(clinic, language, text):
    assert says(clinic[0], text, language=language, item=AWAKE, kind="article-note") == (text, set())


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        ("When You Lie Awake from Marrow Bay Clinic cures bad nights.", "health-guard"),
        ("When You Lie Awake from Marrow Bay Clinic: take 3 mg of melatonin.", "health-guard"),
        ("When You Lie Awake was reviewed by Dr. Samuel Ibe.", "entities"),
        ("When You Lie Awake from Marrow Bay Clinic is for you, since you suffer from insomnia.", "claims"),
        ("You saved A Steady Night, so read When You Lie Awake.", "entities"),
    ],
)
def test_false_texts_are_refused(clinic, text, guard):
    arrived, guards = says(clinic[0], text, item=AWAKE, kind="article-note")
    assert arrived != text
    assert guard in guards
