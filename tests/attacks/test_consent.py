"""A workspace decides neither where secrets and texts go nor what is read outside of it."""

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.config import Config
from kgrec.consent import Consent, check_options, check_paths, is_loopback, origin, outside, paths_of, trust_file
from kgrec.errors import ConfigError, ConsentError

STRANGER = "https://collect.example/v1"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANOTHER_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_stranger_gets_no_secret_and_no_text():
    with pytest.raises(ConsentError, match=r"\$ANOTHER_SECRET to https://collect\.example") as caught:
        Consent.load().host(STRANGER, "ANOTHER_SECRET")
    assert caught.value.hint.endswith("kgrec trust host https://collect.example ANOTHER_SECRET")
    with pytest.raises(ConsentError, match="send texts to"):
        Consent.load().host(STRANGER)
    assert not trust_file().exists()


def test_what_is_allowed_is_kept_for_exactly_that_host_and_variable():
    Consent.load(ask=lambda question: "ANOTHER_SECRET" in question).host(STRANGER, "ANOTHER_SECRET")
    assert stat.S_IMODE(trust_file().stat().st_mode) == 0o600
    Consent.load().host("https://COLLECT.example:443/other", "ANOTHER_SECRET")
    for url, variable in (
        (STRANGER, "OPENAI_API_KEY"),
        ("http://collect.example", "ANOTHER_SECRET"),
        ("https://collect.example:8443", "ANOTHER_SECRET"),
        ("https://collect.example.evil.example", "ANOTHER_SECRET"),
    ):
        with pytest.raises(ConsentError):
            Consent.load().host(url, variable)
    withdrawn, count = Consent.load().withdraw("https://collect.example")
    assert count == 1
    assert Consent.load().hosts == withdrawn.hosts == frozenset()


def test_this_machine_gets_texts_but_no_secret():
    for url in ("http://127.0.0.1:8000/v1", "http://localhost:8000", "http://[::1]:9000"):
        Consent.load().host(url)
        with pytest.raises(ConsentError):
            Consent.load().host(url, "OPENAI_API_KEY")
    assert not is_loopback(origin("http://127.0.0.1.evil.example"))
    assert not is_loopback(origin("http://localhost.evil.example"))


@pytest.mark.parametrize(
    "url",
    ["ftp://host", "host/v1", "", "https://", "file:///etc/passwd", "https://me:secret@host/v1", "http://h:99999"],
)
def test_what_is_no_address_is_refused_without_telling_passwords(url):
    with pytest.raises(ConfigError) as caught:
        origin(url)
    assert "secret" not in caught.value.message


@given(st.text(max_size=40))
def test_any_address_is_an_origin_or_an_error(text):
    try:
        found = origin(text)
    except ConfigError:
        return
    assert origin(found) == found


def test_files_outside_need_consent_links_followed(tmp_path):
    root, secret = tmp_path / "workspace", tmp_path / "outside.csv"
    (root / "data").mkdir(parents=True)
    secret.write_text("a")
    (root / "data" / "link.csv").symlink_to(secret)
    for path in (secret, root / ".." / "outside.csv", root / "data" / "link.csv"):
        assert outside(root, path) == secret
        with pytest.raises(ConsentError, match="outside of it") as caught:
            Consent.load().path(root, path)
        assert caught.value.hint.endswith(f"kgrec trust path {secret}")
    assert outside(root, root / "data" / "own.csv") is None
    allowed = Consent.load().allow(paths=[(str(root), str(secret))])
    allowed.path(root, secret)
    with pytest.raises(ConsentError):
        allowed.path(root, tmp_path / "outside.csv.bak")
    with pytest.raises(ConsentError):
        allowed.path(tmp_path / "another", secret)


@pytest.mark.parametrize("content", [b"[[host]]\norigin = 3", b"\xff", b"host = 3", b"[[host]"])
def test_a_damaged_list_allows_nothing(content):
    trust_file().parent.mkdir(parents=True)
    trust_file().write_bytes(content)
    with pytest.raises(ConfigError, match=r"trust\.toml cannot be read"):
        Consent.load()


def test_an_endpoint_of_kgrec_toml_needs_consent_before_anything_is_sent(monkeypatch):
    pytest.importorskip("openai")
    from kgrec.generate.models.endpoint import EndpointModel

    monkeypatch.setenv("ANOTHER_SECRET", "s3cret")
    monkeypatch.setenv("OPENAI_API_KEY", "mine")
    for options in (
        {"base_url": STRANGER, "api_key_env": "ANOTHER_SECRET"},
        {"base_url": STRANGER},
        {"base_url": STRANGER, "api_key": "of the workspace"},
        {"api_key_env": "ANOTHER_SECRET"},
    ):
        with pytest.raises(ConsentError):
            EndpointModel(**options)
    assert EndpointModel().options.base_url is None
    monkeypatch.setenv("OPENAI_BASE_URL", STRANGER)
    assert EndpointModel(base_url=STRANGER).options.base_url == STRANGER


def test_organisation_and_project_are_for_the_own_address_only(monkeypatch):
    pytest.importorskip("openai")
    from kgrec.generate.models.endpoint import EndpointModel

    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "mine")
    Consent.load().allow(hosts=[(origin(STRANGER), "OPENAI_API_KEY")])
    for options, sent in (({}, True), ({"base_url": STRANGER}, False)):
        client = EndpointModel(**options)._client
        request = client._build_request(_options(client))
        assert ("openai-organization" in request.headers) is sent
        assert ("openai-project" in request.headers) is sent


def _options(client):
    from openai._models import FinalRequestOptions

    return FinalRequestOptions.construct(method="post", url="/chat/completions", json_data={})


def test_the_environment_is_not_changed():
    before = dict(os.environ)
    with pytest.raises(ConsentError):
        Consent.load().host(STRANGER, "OPENAI_API_KEY")
    assert dict(os.environ) == before


OUTSIDE = """domain = "generic"
[[data.interactions]]
path = "own.csv"
columns = {{ user = "user_id", item = "item_id" }}
{more}
"""


@pytest.mark.parametrize(
    "more",
    [
        '[[data.items]]\npath = "{outside}/items.csv"\ncolumns = {{ id = "item_id" }}',
        '[[data.items]]\npath = "../outside/items.csv"\ncolumns = {{ id = "item_id" }}',
        '[[data.items]]\npath = "link.csv"\ncolumns = {{ id = "item_id" }}',
        '[text]\nkeywords = "../outside/items.csv"',
        '[text]\nencoder = "transformers"\noptions = {{ model = "{outside}" }}',
        '[language_models.recorded]\nfile = "{outside}/items.csv"',
    ],
)
def test_a_workspace_of_a_stranger_reads_nothing_outside_of_itself(tmp_path, more):
    import kgrec

    root, away = tmp_path / "workspace", tmp_path / "outside"
    root.mkdir()
    away.mkdir()
    (away / "items.csv").write_text("item_id,title\ni1,secret\n")
    (root / "link.csv").symlink_to(away / "items.csv")
    (root / "own.csv").write_text("user_id,item_id\nu1,i1\n")
    (root / "kgrec.toml").write_text(OUTSIDE.format(more=more.format(outside=away)))
    project = kgrec.open(root)
    for work in (project.build_graph, project.train, lambda: project.texts):
        with pytest.raises(ConsentError, match="outside of it"):
            work()
    assert not (root / "artifacts").exists()
    Consent.load().allow(paths=[(str(root.resolve()), str(away.resolve()))])
    assert project.build_graph().dataset["interactions"] == 1


def test_links_within_a_folder_of_files_are_asked_about(tmp_path):
    import kgrec

    root, away = tmp_path / "workspace", tmp_path / "outside"
    (root / "logs").mkdir(parents=True)
    away.mkdir()
    (away / "secret.csv").write_text("user_id,item_id\nsecret,secret\n")
    (root / "logs" / "own.csv").write_text("user_id,item_id\nu1,i1\n")
    (root / "logs" / "far.csv").symlink_to(away / "secret.csv")
    for path in ("logs/*.csv", "logs"):
        toml = f'[[data.interactions]]\npath = "{path}"\ncolumns = {{ user = "user_id", item = "item_id" }}\n'
        (root / "kgrec.toml").write_text(toml)
        with pytest.raises(ConsentError, match=r"secret\.csv"):
            kgrec.open(root).build_graph()


@pytest.mark.parametrize("url", ["https://h%2e.example/v1", "postgresql://good%2Cevil/db#t", "https://h<x>/"])
def test_a_host_in_disguise_is_none(url):
    with pytest.raises(ConfigError, match="is no address"):
        origin(url.partition("#")[0])


@pytest.mark.parametrize("query", ["host=evil.example", "hostaddr=10.0.0.1", "service=x&sslmode=require"])
def test_an_address_of_a_database_leads_where_it_says(query, monkeypatch):
    pytest.importorskip("adbc_driver_postgresql")
    from pathlib import Path

    from kgrec.data.sources.databases import SqlSource

    with pytest.raises(ConfigError, match="cannot stand in the address"):
        SqlSource().read(Path(f"postgresql://good.example/db?{query}#events"))


def test_a_database_gets_no_password_unasked(monkeypatch):
    url = "postgresql://collect.example/db#events"
    Consent.load().allow(hosts=[("postgresql://collect.example", "")])
    Consent.load().source(url)
    monkeypatch.setenv("PGPASSWORD", "mine")
    with pytest.raises(ConsentError, match=r"\$PGPASSWORD") as caught:
        Consent.load().source(url)
    assert caught.value.hint.endswith("kgrec trust host postgresql://collect.example PGPASSWORD")


def test_what_the_user_types_needs_no_consent(tmp_path, monkeypatch):
    import kgrec
    from kgrec import consent

    for name in ("_HOSTS", "_PATHS", "_NAMED"):
        monkeypatch.setattr(consent, name, set())
    monkeypatch.setenv("ANOTHER_SECRET", "s3cret")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "kgrec.toml").write_text('[language_models.openai]\napi_key_env = "ANOTHER_SECRET"\n')
    (tmp_path / "words.csv").write_text("item_id,keywords\n")
    kgrec.open(
        tmp_path / "w",
        overrides=["language_models.openai.base_url=https://mine.example/v1", f"text.keywords={tmp_path}/words.csv"],
    )
    Consent.load().host("https://mine.example/v1")
    Consent.load().host("https://mine.example/v1", "OPENAI_API_KEY")
    Consent.load().path(tmp_path / "w", tmp_path / "words.csv")
    for url, variable in (("https://mine.example/v1", "ANOTHER_SECRET"), (STRANGER, ""), ("http://mine.example", "")):
        with pytest.raises(ConsentError):
            Consent.load().host(url, variable)
    assert not trust_file().exists()


def test_doctor_tells_what_a_workspace_wants(tmp_path, monkeypatch, capsys):
    from kgrec.cli import doctor
    from kgrec.cli.app import main

    root = tmp_path / "workspace"
    (root / "enc").mkdir(parents=True)
    (root / "enc" / "config.json").write_text("{}")
    (tmp_path / "far.csv").write_text("item_id\n")
    monkeypatch.setenv("ANOTHER_SECRET", "s3cret")
    (root / "kgrec.toml").write_text(
        '[[data.interactions]]\npath = "https://logs.example/a.csv"\ncolumns = { user = "u", item = "i" }\n'
        '[[data.items]]\npath = "../far.csv"\ncolumns = { id = "item_id" }\n'
        '[text]\nencoder = "transformers"\noptions = { model = "./enc" }\n'
        f'[language_models.openai]\nbase_url = "{STRANGER}"\napi_key_env = "ANOTHER_SECRET"\n'
    )
    monkeypatch.setattr(doctor, "torch_devices", doctor.python)  # takes seconds

    def wishes():
        main(["doctor", "-w", str(root), "-q", "--format", "jsonl"])
        lines = capsys.readouterr().out.splitlines()
        assert "s3cret" not in str(lines)
        rows = [row for line in lines if (row := json.loads(line))["check"] == "wants to reach"]
        return {row["found"]: (row["state"], row["do"]) for row in rows}

    found = wishes()
    assert len(found) == 4
    refused = {told: do for told, (state, do) in found.items() if state == "warn"}
    assert [told.split(":")[0] for told in refused if told.startswith("data from https")] == ["data from https"]
    assert any(f"texts to {STRANGER}" in told and "$ANOTHER_SECRET" in told for told in refused)
    assert any("far.csv, which is outside" in told for told in refused)
    assert all("kgrec trust" in do for do in refused.values())
    assert any("a model by path" in told for told in set(found) - set(refused))
    Consent.load().allow(hosts=[(origin(STRANGER), "ANOTHER_SECRET")])
    assert sum(state == "warn" for state, _ in wishes().values()) == 2


def test_options_kept_in_an_artifact_lead_no_further_than_those_of_kgrec_toml(tmp_path):
    root, far = tmp_path / "workspace", tmp_path / "far"
    (root / "enc").mkdir(parents=True)
    far.mkdir()
    (root / "link").symlink_to(far)
    check_options({"model": "./enc", "batch": 3}, root)
    for name in (str(far), "../far", "./link", f"transformers:{far}"):
        with pytest.raises(ConsentError, match="outside of it"):
            check_options({"deep": [{"model": name}]}, root)


def test_files_named_on_the_command_line_may_lie_anywhere(tmp_path):
    from kgrec.cli.app import main

    files = tmp_path / "somewhere"
    files.mkdir()
    (files / "events.csv").write_text("user_id,item_id,time\nu1,i1,1700000000\nu2,i1,1700000001\nu1,i2,1700000002\n")
    workspace = str(tmp_path / "workspace")
    for arguments in (
        ["init", workspace, "--from", str(files / "events.csv")],
        ["build-graph", "-w", workspace],
    ):
        assert main(arguments) == 0


def test_paths_of_a_workspace_named_by_a_relative_path(tmp_path, monkeypatch):
    (tmp_path / "ws").mkdir()
    monkeypatch.chdir(tmp_path)
    config = Config.model_validate({"data": {"items": [{"path": "../secret.csv"}, {"path": "../logs/*.csv"}]}})
    assert [outside(Path("ws"), path) for path in paths_of(config, Path("ws"))] == [
        tmp_path / "secret.csv",
        tmp_path / "logs",
    ]
    with pytest.raises(ConsentError, match=r"secret\.csv"):
        check_paths(config, Path("ws"))


def test_every_file_that_the_data_names_is_asked_about_at_whatever_depth(tmp_path):
    """Joins, lookups, links and names, too: whatever has a path."""
    far, root = tmp_path / "far.csv", tmp_path / "workspace"
    far.write_text("id\n")
    root.mkdir()
    attribute = {"column": "c", "names": {"path": "../far.csv", "id": "id"}}
    for part in (
        {"items": [{"path": "a.csv", "columns": {"id": "id"}, "attributes": {"category": attribute}}]},
        {"interactions": [{"path": "a.csv", "columns": {}, "join": {"path": "../far.csv", "on": "o", "key": "k"}}]},
        {"triples": [{"path": "a.nt", "link": {"path": "../far.csv"}}]},
        {"triples": [{"path": "a.nt", "names": {"path": "../far.csv"}}]},
    ):
        config = Config.model_validate({"data": part})
        with pytest.raises(ConsentError, match="outside of it"):
            check_paths(config, root)
