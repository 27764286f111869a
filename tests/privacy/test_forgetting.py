"""A person is found everywhere, gone at once, and gone from every byte in the end."""

import gzip
import json
import shutil
import sqlite3
import subprocess
import sys
import uuid

import polars as pl
import pytest
import zstandard
from safetensors.numpy import load_file

import kgrec
from kgrec.cli.app import main
from kgrec.data.forgotten import ForgottenUsers
from kgrec.errors import NotFoundError, UserError
from kgrec.graph.store import open_store
from kgrec.live.events import Event
from kgrec.live.lists import ListRequest
from kgrec.live.records import Described
from kgrec.privacy.forgetting import PersonalDataService
from kgrec.serve.jobs import Jobs
from kgrec.testing import toy_workspace
from kgrec.workspace import Workspace

WHO = "zq-Ünique\u00b7person"
WORDS = "nobody else ever said brontotherium before"
SCORERS = ["popularity", "item-knn", "ease", "als"]
HASHING = ["text.encoder=hashing", "generate.record=true", "train.precision=int8", "train.distill=true"]


def planted(folder):
    """Make a workspace in which u04 has an id that occurs nowhere else, and words of their own."""
    toy_workspace(folder)
    for name in ("interactions", "users"):
        table = pl.read_csv(folder / f"{name}.csv", infer_schema=False)
        table = table.with_columns(user_id=pl.col("user_id").replace("u04", WHO))
        if name == "users":
            mine = pl.col("user_id") == WHO
            table = table.with_columns(description=pl.when(mine).then(pl.lit(WORDS)).otherwise("description"))
        else:
            nonsense = pl.DataFrame({"user_id": [WHO], "item_id": ["i00"], "action": ["yodel"]})
            table = pl.concat([table, nonsense], how="diagonal")
        table.write_csv(folder / f"{name}.csv")
    orders = [f"o{k},{WHO if k < 3 else f'u{k + 10}'}" for k in range(9)]  # an order without lines is the person's, too
    (folder / "orders.csv").write_text("order,customer\n" + "\n".join(orders) + "\n")
    (folder / "lines.csv").write_text("of,sku\no0,i01\n o1 ,i02\no4,i03\no5,i04\n")
    with (folder / "kgrec.toml").open("a") as stream:
        stream.write(
            '\n[[data.interactions]]\npath = "lines.csv"\ncolumns = { user = "customer", item = "sku" }\n'
            'action = "purchase"\njoin = { path = "orders.csv", on = "of", key = "order" }\n'
        )
    return folder


def run(folder, *words):
    sets = [word for one in HASHING for word in ("--set", one)]
    return main([str(word) for word in (*words, "-w", folder, "-q", *sets)])


def lived(folder):
    """Let the person come to a server: events, a session that was hers, receipts, edits, jobs, texts."""
    project = kgrec.open(folder, overrides=HASHING)
    live = project.live
    made = live.recommend(ListRequest(user_id=WHO, n=3, explain=True))
    session = "session-of-ünique"
    live.append([Event(user_id=who, item_id="i05", action="like", rec_id=made.rec_id) for who in (WHO, session)])
    live.log.export(folder / "live" / "export")  # before anybody knows whose the session is
    live.merge(session, WHO)
    live.edit(WHO, {"i05": 0.0})
    live.put_user(WHO, Described(description=WORDS))
    jobs = Jobs(live, folder)
    jobs._run(jobs.new("export", "events"))
    jobs._run(jobs.new("export", "users"))
    texts = project.feedback.store.texts()["text_id"].to_list()
    project.feedback.record(texts[0], "edited", text=WORDS, user=WHO)
    live.log.flush()
    live.log.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A workspace with everything that commands leave behind."""
    folder = planted(tmp_path_factory.mktemp("person") / "workspace")
    project = kgrec.open(folder, overrides=HASHING)
    project.build_graph()
    project.train(only=SCORERS)
    assert run(folder, "generate", WHO, "-n", "2") == 0
    assert run(folder, "evaluate", "--only", "popularity,item-knn") == 0
    outside = folder.parent / "out"
    outside.mkdir()
    for name in ("lists.csv", "lists.parquet", "lists.jsonl", "lists.json"):
        assert run(folder, "recommend", "--all", "-n", "3", "--out", outside / name) == 0
    assert run(folder, "generate", "--all", "--kind", "blurb", "--out", outside / "texts.jsonl") == 0
    assert run(folder, "graph", "export", outside / "graph.nt") == 0
    with_files = [
        ("predict", WHO, "i00"),
        ("recommend", "--all", "-n", "3", "--parts", outside / "parts"),
        ("evaluate", "--only", "popularity", "--out", outside / "figures.json", "--html", outside / "figures.html"),
        ("generate", "evaluate", "--users", "3", "--out", outside / "texts.json", "--html", outside / "texts.html"),
        ("generate", "review", "-n", "0", "--out", outside / "approved.json"),
        ("generate", WHO, "--out", outside / "own.json"),
        ("explain", WHO, "i00", "--out", outside / "paths.svg"),
        ("graph", "show", WHO, "--out", outside / "around.html"),
        ("graph", "query", "SELECT * { ?s ?p ?o } LIMIT 9000", "--out", outside / "rows.csv"),
        ("check", "--html", outside / "check.html"),
        ("export-user", WHO, "--out", outside / "handed over"),
        ("runs", "export", "latest", "--out", outside / "runs"),
    ]
    for words in with_files:
        assert run(folder, *words) == 0, words
    lived(folder)
    judged = folder / "artifacts" / "judged-texts" / "template-0.jsonl"  # as an interrupted evaluation leaves it
    judged.parent.mkdir(exist_ok=True)
    judged.write_text(json.dumps({"variant": "template", "user_id": WHO, "item_ids": ["i00"], "text": ""}) + "\n")
    return folder


@pytest.fixture
def folder(full, tmp_path):
    copied = tmp_path / "workspace"
    shutil.copytree(full.parent, tmp_path, dirs_exist_ok=True)
    (copied / "artifacts" / "name").write_text(uuid.uuid4().hex)  # a workspace of its own
    Workspace(copied).note_outputs(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    return copied


def decoded(file):
    """Return the bytes of a file, and what it unpacks to."""
    data = file.read_bytes()
    yield data
    if data.startswith(b"PAR1"):
        yield pl.read_parquet(file).write_ndjson().encode()
    elif data.startswith(b"SQLite"):
        with sqlite3.connect(file) as db:
            yield "\n".join(db.iterdump()).encode()
    elif file.suffix == ".safetensors":
        yield b"\n".join(array.tobytes() for array in load_file(file).values())
    elif file.suffix == ".gz":
        yield gzip.decompress(data)
    elif file.suffix == ".zst":
        yield zstandard.ZstdDecompressor().decompressobj().decompress(data)


def grepped(place, needle=WHO):
    """Return the files under a folder that hold the id or the words, by brute force."""
    found = set()
    spellings = [needle.encode(), json.dumps(needle)[1:-1].encode(), needle.encode("utf-16-le")]
    for file in sorted(place.rglob("*")):
        if file.is_file() and any(s in data for data in decoded(file) for s in spellings):
            found.add(file)
        if file.name == "store" and file.is_dir() and needle == WHO:
            quads = "\n".join(map(str, open_store(file)))
            if "%C3%9Cnique" in quads or "Ünique" in quads:
                found.add(file)
    return found


def test_every_place_is_found(folder):
    found = kgrec.open(folder, overrides=HASHING).privacy().where(WHO)
    listed = {(folder / place.path).resolve() for place in found.places}
    assert grepped(folder.parent) | grepped(folder.parent, WORDS) <= listed
    assert {place.kind for place in found.places} >= {
        "input",
        "dataset",
        "graph",
        "text",
        "models",
        "cache",
        "run",
        "feedback",
        "output",
    }
    assert not found.unread
    numbers = [place.path for place in found.places if "number" in place.holds]
    assert any("interactions.parquet" in path for path in numbers)


def test_gone_from_every_byte(folder):
    project = kgrec.open(folder, overrides=HASHING)
    before = {user: project.recommend(user).item_ids for user in ("u00", "u20")}
    made = project.privacy().forget(WHO, rewrite_inputs=True)
    assert (made.complete, made.found, made.left) == (True, (), ())
    assert (
        grepped(folder.parent) == set() == grepped(folder.parent, WORDS) == grepped(folder.parent, "session-of-ünique")
    )
    assert (folder / "orders.csv").read_text().splitlines()[1] == "o3,u13"
    assert (folder / "lines.csv").read_text() == "of,sku\no4,i03\no5,i04\n"
    assert not (folder / "forgotten.json").exists()
    assert set(made.scorers["exact"]) == set(project.ranker.scorers)
    project.unload()
    assert {user: project.recommend(user).item_ids for user in before}.keys() == before.keys()
    with pytest.raises(NotFoundError):
        project.recommend(WHO)
    assert WHO not in project.recommend_many(n=3)["user_id"].to_list()
    lists = pl.read_csv(folder.parent / "out" / "lists.csv")
    assert lists["user_id"].n_unique() == 29
    assert pl.read_parquet(folder.parent / "out" / "lists.parquet")["user_id"].n_unique() == 29
    assert len({row["user_id"] for row in json.loads((folder.parent / "out" / "lists.json").read_text())}) == 29
    assert not (folder.parent / "out" / "graph.nt").exists()
    certificate = next((folder / "artifacts" / "certificates").glob("*.json")).read_text()
    assert json.loads(certificate)["complete"] is True
    assert json.loads(certificate)["subject"] == ForgottenUsers(folder, made.salt).digest(WHO)


def test_inputs_stay_and_bring_nobody_back(folder):
    made = kgrec.open(folder, overrides=HASHING).privacy().forget(WHO)
    assert made.complete
    assert {place.kind for place in made.left} == {"input"}
    files = {file.relative_to(folder).as_posix() for file in grepped(folder) | grepped(folder, WORDS)}
    assert files == {"interactions.csv", "orders.csv", "users.csv"}
    kept = (folder / "forgotten.json").read_text()
    assert WHO not in kept
    project = kgrec.open(folder, overrides=HASHING)
    assert project.build_graph().dataset["users"] == 29
    # The id comes back: with rows that are younger, and with a file that was not there.
    with (folder / "interactions.csv").open("a") as stream:
        stream.write(f'"{WHO}",i01,rate,5.0,4000000000,\n')
    project = kgrec.open(folder, overrides=[*HASHING, 'data.cleaning.max_time="2100-01-01"'])
    project.build_graph()
    facts = project.dataset.user_facts(int(project.dataset.user_positions([WHO])[0]))
    assert (facts["interactions"], facts["attributes"]) == (0, {}) or facts["interactions"] == 1


def test_gone_from_lists_at_once(folder):
    """The entry alone takes the person out, whatever the artifacts still hold."""
    ForgottenUsers.of(folder).begin(WHO, [])
    project = kgrec.open(folder, overrides=HASHING)
    for asked in (project.recommend, project.user_info, lambda user: project.explain(user, "i00")):
        with pytest.raises(NotFoundError):
            asked(WHO)
    lists = project.recommend_many(n=2)
    assert lists["user_id"].n_unique() == 29
    assert project.recommend("u00").item_ids


KILLED = """
import os, signal, sys
import kgrec
from kgrec.privacy.forgetting import PersonalDataService

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

moment, root, who = sys.argv[1:]
setattr(PersonalDataService, moment, die)
kgrec.open(root, overrides=["text.encoder=hashing"]).privacy().forget(who, rewrite_inputs=True)
"""


@pytest.mark.parametrize("moment", ["_tables", "_models", "_outputs"])
def test_interrupted_it_is_resumed(folder, moment):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, moment, str(folder), WHO], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9, done.stderr
    project = kgrec.open(folder, overrides=HASHING)
    with pytest.raises(NotFoundError):
        project.recommend(WHO)
    made = project.privacy().forget(WHO, rewrite_inputs=True)
    assert made.complete
    assert grepped(folder.parent) == set()


def test_nobody_is_forgotten_by_chance(folder):
    with pytest.raises(NotFoundError):
        kgrec.open(folder, overrides=HASHING).privacy().forget("somebody else")
    assert not (folder / "forgotten.json").exists()


def test_a_moved_workspace_knows_its_outputs_and_a_copy_leaves_them(folder, tmp_path):
    inside, lists = folder / "lists.csv", folder.parent / "out" / "lists.csv"
    shutil.copy(lists, inside)
    Workspace(folder).note_outputs([inside])
    shutil.copytree(folder, tmp_path / "copy")
    assert Workspace(tmp_path / "copy").outputs() == {}
    home = tmp_path / "far" / "away"
    home.mkdir(parents=True)
    moved = Workspace(folder.rename(home / "renamed"))
    assert {moved.root / "lists.csv", lists} <= set(moved.outputs())
    (tmp_path / "out").rename(home / "out")  # and what lay beside it
    assert {moved.root / "lists.csv", home / "out" / "lists.csv"} <= set(moved.outputs())
    (home / "out" / "lists.csv").write_text("theirs")
    assert home / "out" / "lists.csv" not in moved.outputs()
    moved.note_outputs([moved.root / "lists.csv"])
    shutil.rmtree(moved.artifacts)  # who builds again has written it all the same
    assert moved.root / "lists.csv" in moved.outputs()
    (moved.root / "lists.csv").unlink()
    (moved.root / "lists.csv").symlink_to(tmp_path / "copy" / "lists.csv")
    assert moved.root / "lists.csv" not in moved.outputs()


def test_a_changed_output_without_rows_stays_and_is_named(folder):
    page = folder.parent / "out" / "graph.nt"
    page.write_text(page.read_text() + "# mine\n")
    made = kgrec.open(folder, overrides=HASHING).privacy().forget(WHO, rewrite_inputs=True)
    assert page.exists()
    assert not made.complete
    assert [place.path for place in made.found] == [str(page)]
    page.unlink()
    assert kgrec.open(folder, overrides=HASHING).privacy().forget(WHO).complete


def test_the_commands(folder, capfd):
    assert run(folder, "forget", WHO, "--dry-run", "-f", "json") == 0
    places = json.loads(capfd.readouterr().out)
    assert {"kind", "path", "holds", "count", "then"} == set(places[0])
    assert run(folder, "export-user", WHO, "--out", folder / "mine") == 0
    known = json.loads((folder / "mine" / "data.json").read_text())
    assert known["attributes"]["description"] == WORDS
    assert len(known["interactions"]) == 8
    assert [row["reason"] for row in known["rejected"]] == ["unknown action"]
    assert known["texts"]
    assert known["recommended"]
    assert known["interests"]
    summary = (folder / "mine" / "summary.md").read_text()
    assert WORDS in summary
    capfd.readouterr()
    assert run(folder, "forget", WHO, "--rewrite-inputs") == 0
    assert "nothing is left" in capfd.readouterr().out
    assert grepped(folder.parent) == set()  # the export goes, too
    assert run(folder, "forget", WHO) == 3


def test_epoch_models_may_be_postponed(tmp_path):
    project = kgrec.open(planted(tmp_path / "w"), overrides=[*HASHING, "scorers.gnn.epochs=1"])
    project.build_graph()
    project.train(only=["popularity", "ease", "gnn"])
    if "gnn" not in project.ranker.scorers:
        pytest.skip("the fusion did not take the network")
    made = project.privacy().forget(WHO, epochs=False)
    assert made.scorers["left_out"] == {"gnn": "trains by epochs"}
    assert made.scorers["by"]
    project.unload()
    assert "gnn" not in project.ranker.scorers
    assert project.recommend("u00").item_ids
    assert project.info()["renew"]["by"] == made.scorers["by"]


def test_the_only_user_cannot_be_taken_out_of_a_workspace(tmp_path):
    (tmp_path / "log.csv").write_text("user_id,item_id\nsolitary,a\nsolitary,b\n")
    (tmp_path / "kgrec.toml").write_text('[[data.interactions]]\npath = "log.csv"\n')
    project = kgrec.open(tmp_path)
    project.build_graph()
    with pytest.raises(UserError, match="no interaction"):
        project.privacy().forget("solitary")
    assert isinstance(project.privacy(), PersonalDataService)
