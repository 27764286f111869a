"""The other contracts pass right parts and catch wrong ones."""

import importlib.util
import sys
import types
from dataclasses import replace

import polars as pl
import pytest

import kgrec.testing
from kgrec.errors import DataError
from kgrec.plugin import Attribute, Domain, RelationType, Spec, TextPattern, builtin, hookimpl
from kgrec.settings import load_settings
from kgrec.testing import (
    CommandsContract,
    DataSourceContract,
    DomainContract,
    PluginContract,
    TextEncoderContract,
    toy_dataset,
    toy_tables,
    toy_workspace,
)
from kgrec.text.encoders.hashing import HashingEncoder


class PipeSource:
    def claims(self, path):
        return path.suffix == ".pipe"

    def read(self, path, reading=None):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (UnicodeDecodeError, FileNotFoundError):
            raise DataError(f"{path} cannot be read") from None
        if not lines:
            raise DataError(f"{path} is empty")
        rows = [line.split("|") for line in lines[1:]]
        table = pl.DataFrame(rows, schema=dict.fromkeys(lines[0].split("|"), pl.String), orient="row")
        return table.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.UInt32).alias("__line__"))


class TestPipeSource(DataSourceContract):
    file_name = "events.pipe"

    def make(self):
        return PipeSource()

    def write(self, table, path):
        lines = ["|".join(table.columns), *("|".join(row) for row in table.iter_rows())]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


DOMAIN = Domain(
    name="films",
    summary="films",
    action_weights={"view": 0.5},
    verbs={"en": {"view": "watched"}},
    relation_types=(
        RelationType(
            "made_by",
            label="made by",
            inverse="maker_of",
            inverse_label="maker of",
            reason="also made by {entity}",
            aliases=("film.by",),
        ),
    ),
    attributes={"maker": Attribute("maker", relation="made_by")},
    columns={"items": {"title": ("name",)}},
    item_template="{title} {maker}",
    patterns=(TextPattern("made_by", "by (?P<entity>[A-Z]+)"),),
)


class TestDomain(DomainContract):
    def make(self):
        return DOMAIN


@pytest.mark.parametrize(
    ("change", "test"),
    [
        ({"name": "My Domain"}, "test_name_and_summary"),
        ({"action_weights": {"buy": 1.0}}, "test_actions_exist"),
        ({"item_noun": {"zh": "电影"}}, "test_words_for_people"),
        ({"relation_types": DOMAIN.relation_types * 2}, "test_relation_types"),
        ({"relation_types": (replace(DOMAIN.relation_types[0], reason="by {name}"),)}, "test_reasons_can_be_filled"),
        ({"attributes": {"maker": Attribute("maker", relation="made")}}, "test_attributes_name_relations"),
        ({"columns": {"items": {"name": ("title",)}}}, "test_columns_are_of_known_fields"),
        ({"item_template": "{title} {actor}"}, "test_item_template"),
        ({"patterns": (TextPattern("made_by", "by .*"),)}, "test_patterns"),
    ],
)
def test_inconsistent_domains_are_caught(change, test):
    class Contract(DomainContract):
        def make(self):
            return replace(DOMAIN, **change)

    with pytest.raises(AssertionError):
        getattr(Contract(), test)()


class TestBuiltinPlugin(PluginContract):
    def make(self):
        return builtin

    def test_specs_load(self):
        """Checked by the tests of each room, which load what they build."""


class TestBuiltinCommands(CommandsContract):
    def make(self):
        return builtin


class TestGenericDomain(DomainContract):
    def make(self):
        (domain,) = builtin.kgrec_domains()
        return domain


@pytest.fixture
def module(tmp_path, monkeypatch):
    def load(code):
        file = tmp_path / "toy_plugin_under_test.py"
        file.write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        spec = importlib.util.spec_from_file_location(file.stem, file)
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        monkeypatch.setitem(sys.modules, file.stem, loaded)
        return loaded

    return load


OFFER = "from kgrec.plugin import Spec\ndef kgrec_commands():\n    return [Spec({name!r}, {target!r}, 'Say hello.')]\n"
HELLO = OFFER.format(name="say hello", target="toy_plugin_under_test:hello") + "def hello():\n    {doc!r}\n"


def test_commands_of_a_plugin(module):
    good = module(HELLO.format(doc="Say hello."))

    class Contract(CommandsContract):
        def make(self):
            return good

    for name in dir(Contract):
        if name.startswith("test_"):
            getattr(Contract(), name)()


@pytest.mark.parametrize(
    ("code", "test"),
    [
        ("import polars\ndef kgrec_commands(): return []\n", "test_offering_is_light"),
        ("def kgrec_commands(): return []\n", "test_commands_have_names_of_one_word_or_two"),
        (OFFER.format(name="Say", target="m:f"), "test_commands_have_names_of_one_word_or_two"),
        (OFFER.format(name="say it twice", target="m:f"), "test_commands_have_names_of_one_word_or_two"),
        (HELLO.format(doc="Say good-bye."), "test_summary_is_the_first_line_of_the_help"),
    ],
)
def test_bad_commands_are_caught(module, code, test):
    bad = module(code)

    class Contract(CommandsContract):
        def make(self):
            return bad

    with pytest.raises(AssertionError):
        getattr(Contract(), test)()


def test_bad_plugins_are_caught():
    bad = types.ModuleType("bad")

    @hookimpl
    def kgrec_scorers():
        return [Spec("Two", "kgrec.nowhere:Thing", "a\nb")]

    @hookimpl
    def kgrec_scorer():
        return []

    bad.kgrec_scorers, bad.kgrec_scorer = kgrec_scorers, kgrec_scorer

    class Contract(PluginContract):
        def make(self):
            return bad

    with pytest.raises(AssertionError):
        Contract().test_hooks_are_spelt_right()
    with pytest.raises(AssertionError):
        Contract().test_offers()
    with pytest.raises(Exception, match="nowhere"):
        Contract().test_specs_load()


class Scaled(HashingEncoder):
    def encode(self, texts):
        return super().encode(texts) * 2


class Padded(HashingEncoder):
    def encode(self, texts):
        return super().encode([text or "empty" for text in texts])


@pytest.mark.parametrize(("cls", "test"), [(Scaled, "test_unit_rows"), (Padded, "test_empty_text_is_the_zero_row")])
def test_wrong_encoders_are_caught(cls, test):
    class Contract(TextEncoderContract):
        def make(self):
            return cls()

    with pytest.raises(AssertionError):
        getattr(Contract(), test)()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_toy_dataset_round_trips_and_plants_its_tastes(language, tmp_path):
    dataset = toy_dataset(language)
    assert (dataset.n_users, dataset.n_items) == (30, 24)
    rated = dataset.interactions.filter(pl.col("action") == "rate")
    own = rated.select(pl.col("user") // 10 == pl.col("item") // 8, pl.col("value") >= 4)
    assert own["user"].equals(own["value"].alias("user"))
    assert dataset.interactions["time"].is_sorted()
    assert dataset.interactions.filter(pl.col("item").is_null())["action"].unique().to_list() == ["search"]
    dataset.save(tmp_path)
    assert type(dataset).load(tmp_path).interactions.equals(dataset.interactions)


def test_toy_workspace_can_be_configured(tmp_path):
    folder = toy_workspace(tmp_path / "toy", "zh")
    config = load_settings(folder / "kgrec.toml").config
    assert [file.path for file in config.data.interactions] == ["interactions.csv"]
    for file in (*config.data.interactions, *config.data.items, *config.data.users):
        header = pl.read_csv(folder / file.path).columns
        assert set(file.columns.values()) <= set(header)
    assert pl.read_csv(folder / "items.csv")["title"].to_list() == toy_tables("zh")["items"]["title"].to_list()


def test_all_is_exported():
    assert sorted(kgrec.testing.__all__) == sorted(set(kgrec.testing.__all__))
    assert all(hasattr(kgrec.testing, name) for name in kgrec.testing.__all__)
