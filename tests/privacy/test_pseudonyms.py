"""With pseudonyms a workspace holds no id of a user; with the key at hand commands take and show ids all the same."""

import json
import shutil
import stat

import polars as pl
import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.data.pseudonyms import PATTERN, Pseudonyms, key_file
from kgrec.errors import ConfigError
from kgrec.privacy.inventory import Inventory
from kgrec.privacy.person import PersonalData
from kgrec.testing import toy_workspace

SETS = ["text.encoder=hashing", "generate.record=true", "data.pseudonyms=true"]


def run(folder, *words):
    return main([str(word) for word in (*words, "-w", folder, "-q", *(w for s in SETS for w in ("--set", s)))])


def renamed(folder):
    """Make a workspace whose ids occur nowhere else."""
    toy_workspace(folder)
    for name in ("interactions", "users"):
        table = pl.read_csv(folder / f"{name}.csv", infer_schema=False)
        table.with_columns(user_id="reader-number-" + pl.col("user_id")).write_csv(folder / f"{name}.csv")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(home, tmp_path):
    folder = renamed(tmp_path / "workspace")
    project = kgrec.open(folder, overrides=SETS)
    project.build_graph()
    project.train(only=["popularity", "item-knn"])
    return folder


def places(folder, *ids):
    project = kgrec.open(folder, overrides=SETS)
    service = project.privacy()
    inventory: Inventory = service.inventory
    person = PersonalData(ids[0], known_as=ids)
    return {place.kind for place in inventory.survey(person).places if "number" not in place.holds.split(";")[0]}


def test_ids_are_in_the_inputs_alone(folder, home, capfd):
    who = "reader-number-u04"
    assert run(folder, "generate", who, "-n", "1", "-f", "json") == 0
    text = json.loads(capfd.readouterr().out)[0]
    assert text["user_id"] == who
    assert run(folder, "generate", "feedback", text["text_id"], "clicked", "--user", who) == 0
    assert places(folder, who) == {"input"}
    assert run(folder, "recommend", who, "-f", "json") == 0
    capfd.readouterr()
    pseudonym = Pseudonyms.of(folder).stored(who)
    assert PATTERN.fullmatch(pseudonym)
    assert {"dataset", "graph", "models", "feedback"} <= places(folder, pseudonym)
    for file in (key_file(), Pseudonyms.of(folder).table_file):
        assert file.is_relative_to(home)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_commands_take_and_show_ids_with_the_key(folder, home, tmp_path, capfd):
    who = "reader-number-u04"
    for words in (("recommend", who), ("explain", who, "i01"), ("profile", who)):
        assert run(folder, *words) == 0
        assert who in capfd.readouterr().out
    assert run(folder, "recommend", "--all", "-n", "1", "--out", tmp_path / "all.csv") == 0
    assert pl.read_csv(tmp_path / "all.csv")["user_id"].str.starts_with("reader-number-").all()
    (tmp_path / "some.txt").write_text(f"{who}\n")
    assert run(folder, "recommend", "--users", tmp_path / "some.txt", "-f", "tsv") == 0
    assert who in capfd.readouterr().out
    assert run(folder, "recommend", "nobody") == 3
    assert "nobody" in capfd.readouterr().err
    pseudonym = Pseudonyms.of(folder).stored(who)
    shutil.rmtree(home)
    assert run(folder, "recommend", pseudonym, "-f", "json") == 0
    out = capfd.readouterr().out
    assert pseudonym in out
    assert who not in out
    assert run(folder, "recommend", who) == 3
    with pytest.raises(ConfigError, match="key"):
        kgrec.open(folder, overrides=SETS).build_graph()


def test_the_same_person_in_two_workspaces_has_two_pseudonyms(folder, tmp_path):
    other = renamed(tmp_path / "other")
    kgrec.open(other, overrides=SETS).build_graph()
    ids = {name: set(kgrec.open(name, overrides=SETS).dataset.users["user_id"]) for name in (folder, other)}
    assert len(ids[folder]) == len(ids[other]) == 30
    assert not ids[folder] & ids[other]
    before = ids[folder]
    kgrec.open(folder, overrides=SETS).build_graph()
    assert set(kgrec.open(folder, overrides=SETS).dataset.users["user_id"]) == before


def test_a_person_with_a_pseudonym_is_forgotten_by_the_id(folder, tmp_path):
    who = "reader-number-u04"
    assert run(folder, "recommend", "--all", "-n", "1", "--out", tmp_path / "all.csv") == 0
    pseudonym = Pseudonyms.of(folder).stored(who)
    project = kgrec.open(folder, overrides=SETS)
    made = project.privacy().forget(who)
    assert made.complete
    assert {place.kind for place in made.left} == {"input"}
    assert places(folder, who, pseudonym) == {"input"}
    assert who not in pl.read_parquet(Pseudonyms.of(folder).table_file)["user_id"]
    kgrec.open(folder, overrides=SETS).build_graph()
    assert who not in pl.read_parquet(Pseudonyms.of(folder).table_file)["user_id"]
    assert pseudonym not in kgrec.open(folder, overrides=SETS).dataset.users["user_id"]
