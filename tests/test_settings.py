import copy
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.config import Config
from kgrec.errors import ConfigError, DataError, NotFoundError
from kgrec.settings import flatten, load_settings


@pytest.fixture
def toml(tmp_path):
    def write(text):
        file = tmp_path / "kgrec.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_defaults_alone():
    settings = load_settings(None)
    assert settings.config == Config()
    assert {origin for _, _, origin in settings.rows()} == {"default"}


def test_each_layer_wins_over_the_one_before(toml):
    file = toml('domain = "video"\n[recommend]\nn = 20\ninclude_seen = true\n')
    domain = {"recommend": {"n": 15, "block_size": 64}, "feedback": {"like_threshold": 3.5}}
    settings = load_settings(file, ["recommend.n=25"], domain_defaults={"video": domain}.__getitem__)
    recommend = settings.config.recommend
    assert (recommend.n, recommend.include_seen, recommend.block_size) == (25, True, 64)
    assert settings.config.feedback.like_threshold == 3.5
    origins = {key: origin for key, _, origin in settings.rows()}
    assert origins["recommend.n"] == "--set"
    assert origins["recommend.include_seen"] == "kgrec.toml"
    assert origins["recommend.block_size"] == "domain video"
    assert origins["feedback.like_threshold"] == "domain video"
    assert origins["seed"] == "default"


def test_the_domain_is_the_one_that_set_names(toml):
    asked = []
    load_settings(toml('domain = "video"'), ["domain=news"], domain_defaults=lambda name: asked.append(name) or {})
    assert asked == ["news"]


def test_a_domain_s_defaults_are_not_changed_by_what_is_laid_over_them(toml):
    defaults = {"scorers": {"als": {"factors": 64}}}
    before = copy.deepcopy(defaults)
    file = toml("[scorers.als]\nregularization = 3.0\n")
    config = load_settings(file, ["scorers.als.factors=8"], domain_defaults=lambda _: defaults).config
    assert config.scorers["als"] == {"factors": 8, "regularization": 3.0}
    assert defaults == before


def test_tables_of_the_same_name_are_merged_and_lists_replaced(toml):
    file = toml('[train]\nscorers = ["als", "ease"]\nseed_unused = 1\n'.replace("seed_unused = 1\n", ""))
    config = load_settings(file, ['train.scorers=["gnn"]', "train.device=cpu"]).config
    assert config.train.scorers == ["gnn"]
    assert config.train.device == "cpu"


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("train.device=cpu", ("train", "device"), "cpu"),
        (" train.device = cpu ", ("train", "device"), "cpu"),
        ('train.device="cpu"', ("train", "device"), "cpu"),
        ("graph.store=false", ("graph", "store"), False),
        ("recommend.n=3", ("recommend", "n"), 3),
        ("linking.threshold=0.25", ("linking", "threshold"), 0.25),
        ("data.cleaning.min_time=1995-01-01", ("data", "cleaning", "min_time"), "1995-01-01"),
        ("text.item_template={title} = {brand}", ("text", "item_template"), "{title} = {brand}"),
        ("text.item_template=", ("text", "item_template"), ""),
        ("scorers.als.factors=[32, 64]", ("scorers", "als", "factors"), [32, 64]),
    ],
)
def test_set_reads_toml_and_takes_the_rest_as_text(override, key, value):
    found = load_settings(None, [override]).config.model_dump()
    for part in key:
        found = found[part]
    assert found == value


@pytest.mark.parametrize("override", ["seed", "=3", " = 3", "train..device=cpu", ".seed=1", "train.=1"])
def test_set_needs_key_and_value(override):
    with pytest.raises(ConfigError, match="key=value") as caught:
        load_settings(None, [override])
    assert "--set train.device=cpu" in caught.value.hint


@given(st.integers(0, 2**31), st.floats(0, 1), st.text("abc {}|=[]'\"#,", max_size=20))
def test_what_set_says_is_what_comes_out(seed, threshold, template):
    import json

    overrides = [f"seed={seed}", f"linking.threshold={threshold!r}", f"text.item_template={json.dumps(template)}"]
    config = load_settings(None, overrides).config
    assert (config.seed, config.linking.threshold, config.text.item_template) == (seed, threshold, template)


@given(st.text(max_size=40))
def test_any_set_is_taken_or_refused_with_a_config_error(text):
    with suppress(ConfigError):
        assert load_settings(None, [text]).config == Config()


@given(
    st.recursive(
        st.integers() | st.lists(st.integers(), max_size=2),
        lambda leaf: st.dictionaries(st.text("ab", min_size=1, max_size=3), leaf, max_size=3),
        max_leaves=8,
    ).filter(lambda tree: isinstance(tree, dict))
)
def test_flatten_keeps_every_value_under_its_path(tree):
    for key, value in flatten(tree).items():
        found = tree
        for part in key.split("."):
            found = found[part]
        assert found == value
        assert not isinstance(value, dict) or not value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sed = 3", "unknown key 'sed'", "'seed'"),
        ("[train]\ndevise = 'cpu'", "unknown key 'train.devise'", "'device'"),
        ("[[data.interactions]]\npaht = 'x'\npath = 'y'", "unknown key 'data.interactions.0.paht'", "'path'"),
        (
            "[[data.items]]\npath = 'x'\n[data.items.attributes.genres]\ncolumn = 'g'\nseperator = '|'",
            "unknown key 'data.items.0.attributes.genres.seperator'",
            "'separator'",
        ),
        (
            "[[data.triples]]\npath = 'x'\n[data.triples.link]\npath = 'l'\ncolums = {}",
            "unknown key 'data.triples.0.link.colums'",
            "'columns'",
        ),
    ],
)
def test_unknown_keys_name_the_nearest_known_one(toml, text, message, hint):
    file = toml(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert caught.value.message == f"{file}: {message}"
    assert hint in caught.value.hint


def test_a_wrong_table_of_set_is_said_to_be_of_set(toml):
    of_domain = {"text": {"item_template": "{title}"}}
    with pytest.raises(ConfigError, match=r"^--set: text: "):
        load_settings(toml("seed = 1"), ["text=3"], domain_defaults=lambda _: of_domain)


def test_an_unknown_key_of_set_is_said_to_be_of_set(toml):
    with pytest.raises(ConfigError, match=r"^--set: unknown key 'trian'"):
        load_settings(toml("seed = 1"), ["trian.device=cpu"])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("seed = -1", "seed"),
        ("seed = 'x'", "seed"),
        ("domain = 3", "domain"),
        ("[train]\ndevice = 'tpu'", "train.device"),
        ("[linking]\nthreshold = 1.5", "linking.threshold"),
        ("[feedback.action_weights]\nview = -1", "feedback.action_weights.view"),
        ("[feedback]\nlike_threshold = inf", "feedback.like_threshold"),
        ("[[data.interactions]]\nformat = 'csv'", "data.interactions.0.path"),
    ],
)
def test_unusable_values_name_file_and_key(toml, text, key):
    file = toml(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert caught.value.message.startswith(f"{file}: {key}")


def test_broken_toml_names_the_line(toml):
    with pytest.raises(ConfigError, match=r"kgrec\.toml: .*line 2"):
        load_settings(toml("seed = 1\ndomain = video\n"))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(NotFoundError, match="no such file"):
        load_settings(tmp_path / "kgrec.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        load_settings(tmp_path / "folder.toml")
    (tmp_path / "latin.toml").write_bytes('domain = "é"'.encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        load_settings(tmp_path / "latin.toml")
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbfseed = 5")
    assert load_settings(tmp_path / "marked.toml").config.seed == 5
