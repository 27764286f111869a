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
    texts = tmp_path / "texts.jsonl"
    for _ in range(2):  # the second finds that nothing is left to write
        assert run(folder, "generate", "--all", "--kind", "blurb", "--out", texts) == 0
    assert sorted(json.loads(line)["user_id"] for line in texts.read_text().splitlines()) == [
        f"reader-number-u{k:02}" for k in range(30)
    ]
    for words in (
        ("recommend", "--all", "-n", "1", "--parts", tmp_path / "parts"),
        ("export-user", who, "--out", tmp_path / "mine"),
        ("graph", "show", who, "-f", "json"),
        ("evaluate", "--only", "popularity", "--out", tmp_path / "figures.json"),
    ):
        assert run(folder, *words) == 0
    told = [(tmp_path / name).read_text() for name in ("figures.json", "mine/data.json", "mine/summary.md")]
    told += [capfd.readouterr().out, *pl.read_parquet(tmp_path / "parts" / "part-00000.parquet")["user_id"]]
    assert not any(PATTERN.search(text) for text in told)
    assert all("reader-number-" in text for text in (*told[:3], *told[4:]))
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


def test_a_server_takes_and_shows_ids_and_keeps_none(folder, tmp_path):
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from kgrec.serve.app import create_app
    from kgrec.serve.keys import Keys
    from kgrec.serve.serving import Metrics, Serving

    who, project = "reader-number-u04", kgrec.open(folder, overrides=SETS)
    serving = Serving(project.live, project, Keys(tmp_path / "keys"), Metrics())
    ask = TestClient(create_app(serving), base_url="http://localhost:8080").post
    made = ask("/v1/recommend", json={"user_id": who, "n": 3, "texts": "blurb"}).json()
    assert made["user_id"] == who
    texts = ask("/v1/generate", json={"user_id": who, "n": 1}).json()["texts"]
    assert ask("/v1/feedback", json={"text_id": texts[0]["text_id"], "event": "clicked", "user_id": who}).is_success
    item = made["items"][0]["item_id"]
    told = [ask("/v1/explain", json={"user_id": who, "item_id": item}).json()["user_id"]]
    told += [one["user_id"] for one in ask("/v1/users-for-item", json={"item_id": item, "n": 3}).json()["users"]]
    assert ask("/v1/events", json={"events": [{"user_id": who, "item_id": item, "action": "like"}]}).is_success
    for kind in ("events", "lists"):
        job = serving.jobs.new("export", kind)
        serving.jobs._run(job)
        told += [json.loads(line)["user_id"] for line in serving.jobs.file(job).read_text().splitlines()]
        serving.jobs.drop(job)
    project.live.log.flush()
    project.live.log.close()
    assert len(told) > 5
    assert all(one.startswith("reader-number-") for one in told)
    assert places(folder, who) == {"input"}
