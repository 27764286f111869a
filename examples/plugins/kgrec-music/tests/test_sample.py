"""What is planted in the sample comes back in the lists, and texts about it hold."""

import json

import pytest

import kgrec
from kgrec.plugin.sample_files import write_sample
from kgrec_music.sample import listening

BERGEN = "a04"  # Letters to Bergen
FAST = ('text.encoder="hashing"', "seed=7")


@pytest.fixture(scope="module")
def radio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    write_sample("kgrec_music.sample:write", folder, seed=7)
    project = kgrec.open(folder, overrides=FAST)
    project.build_graph()
    project.train(device="cpu", only=("item-knn", "content"))
    return folder, project


def says(folder, text, **wanted):
    """Let a language model answer ``text``; return what arrives, and what guards had against it."""
    answers = "language_models.recorded.answers=" + "{'*' = " + json.dumps(text) + "}"
    project = kgrec.open(folder, overrides=(*FAST, answers, "generate.repair=false"))
    written = project.generate(model="recorded", **wanted)[0]
    return written.text, {violation.guard for violation in written.violations}


def test_fans_of_a_band_get_its_soloist(radio):
    asked = [(listener, album) for listener, albums in listening(7)[1].items() for album in albums]
    found = [album in radio[1].recommend(listener, n=3).item_ids for listener, album in asked]
    assert len(asked) > 100
    assert sum(found) / len(found) > 0.85


@pytest.mark.parametrize("language", ["en", "de", "zh"])
@pytest.mark.parametrize("kind", ["press-play", "liner-note", "playlist"])
def test_own_kinds_name_the_album(radio, kind, language):
    written = radio[1].generate("listener001", item=[BERGEN], kind=kind, language=language)[0]
    assert "Letters to Bergen" in written.text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Mette Sandvik alone at the piano, with rain on the roof: Letters to Bergen is for a quiet evening."),
        ("en", "Letters to Bergen came out in 2023 on Blue Quay and lasts 38 minutes."),
        ("de", "„Letters to Bergen“ von Mette Sandvik ist 2023 bei Blue Quay erschienen und dauert 38 Minuten."),
    ],
)
def test_true_natural_texts_pass(radio, language, text):
    assert says(radio[0], text, language=language, item=BERGEN, kind="liner-note") == (text, set())


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        ("Letters to Bergen by Mette Sandvik: “the harbour keeps what I cannot say”.", "music-guard"),
        ("Letters to Bergen by Mette Sandvik, remastered.", "music-guard"),
        ("Letters to Bergen by Nora Whelan is solo piano in a wooden church.", "claims"),
        ("Letters to Bergen by Mette Sandvik lasts 52 minutes.", "numbers"),
        ("Letters to Bergen reached number one in Norway.", "claims"),
    ],
)
def test_false_texts_are_refused(radio, text, guard):
    arrived, guards = says(radio[0], text, item=BERGEN, kind="liner-note")
    assert arrived != text
    assert guard in guards
