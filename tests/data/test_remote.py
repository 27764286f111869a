"""Data behind addresses: asked for before it is read, bounded, from the host that was agreed to."""

import shutil
import subprocess
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from kgrec.config import Config, ReadConfig
from kgrec.consent import Consent, allow_paths, check_paths
from kgrec.data.sources.files import read_source
from kgrec.errors import ConsentError, DataError

CSV = b"user,item\nu1,i1\nu2,i2\n"


class Handler(BaseHTTPRequestHandler):
    def __init__(self, files, *args):
        self.files = files
        super().__init__(*args)

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "http://localhost:9/x.csv")
            self.end_headers()
            return
        data = self.files.get(self.path.partition("?")[0])
        self.send_response(404 if data is None else 206 if "Range" in self.headers else 200)
        data = data or b""
        size = len(data)
        if "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            start, end = (
                (max(0, size - int(last)), size - 1) if not first else (int(first), min(int(last or size), size - 1))
            )
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
            data = data[start : end + 1]
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    pl.DataFrame({"user": ["u1"], "item": [1]}).write_parquet(tmp_path / "x.parquet")
    files = {"/x.csv": CSV, "/bucket/x.csv": CSV, "/bucket/x.parquet": (tmp_path / "x.parquet").read_bytes()}
    made = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, files))
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_file_behind_an_address(server, plugins, monkeypatch):
    assert read_source(Path(f"{server}/x.csv"), None, plugins)["user"].to_list() == ["u1", "u2"]
    with pytest.raises(DataError, match="cannot be read"):
        read_source(Path(f"{server}/nothing.csv"), None, plugins)
    with pytest.raises(DataError, match="leads on to"):
        read_source(Path(f"{server}/away.csv"), None, plugins)
    monkeypatch.setenv("KGREC_LIMITS", "download=0")
    with pytest.raises(DataError, match="more than 0 MiB"):
        read_source(Path(f"{server}/x.csv"), None, plugins)


def test_objects_of_a_bucket(server, plugins, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    assert read_source(Path("s3://bucket/x.csv"), None, plugins)["item"].to_list() == ["i1", "i2"]
    assert read_source(Path("s3://bucket/x.parquet"), None, plugins)["item"].to_list() == [1]
    with pytest.raises(DataError, match="cannot be read"):
        read_source(Path("s3://bucket/none.csv"), None, plugins)


def test_an_address_is_read_only_where_the_user_agrees(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    config = Config.model_validate({"data": {"items": [{"path": "http://127.0.0.1/x.csv"}]}})
    with pytest.raises(ConsentError, match=r"read data from http://127\.0\.0\.1") as caught:
        check_paths(config, tmp_path)
    assert caught.value.hint.endswith("kgrec trust host http://127.0.0.1")
    allow_paths(tmp_path, [Path("http://127.0.0.1/x.csv")])
    check_paths(config, tmp_path)
    with pytest.raises(ConsentError):
        Consent.load().source("postgresql://127.0.0.1/db#orders")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """Start a server that only this machine reaches; nothing but its programs is needed."""
    initdb = shutil.which("initdb") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    import os
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = tmp_path_factory.mktemp("postgres")
    place.chmod(0o777)
    for parent in place.parents:
        if parent.stat().st_uid == os.getuid() and parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    as_other = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    data, bin_folder = place / "data", Path(initdb).parent
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}

    def run(name, *arguments):
        command = [*as_other, str(bin_folder / name), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, env=environment)

    try:
        run("initdb", "-D", str(data), "-U", "ann", "--auth=trust", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories='' -c fsync=off"
        run("pg_ctl", "-D", str(data), "-o", options, "-l", str(place / "log"), "-w", "start")
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"PostgreSQL does not start here: {error}")
    yield f"postgresql://ann@127.0.0.1:{port}/postgres"
    run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


def test_tables_and_queries_of_postgresql(postgres, plugins):
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (buyer bigint, sku text, price numeric, at timestamptz)")
        cursor.execute("INSERT INTO orders VALUES (9007199254740993, '007', 4.5, '2024-03-01 12:00:00+02')")
        connection.commit()
    table = read_source(Path(f"{postgres}#orders"), None, plugins)
    assert table["buyer"].to_list() == [9007199254740993]
    assert table["sku"].to_list() == ["007"]
    assert float(table["price"][0]) == 4.5
    asked = ReadConfig(query="SELECT sku AS item FROM orders WHERE price > 4")
    assert read_source(Path(postgres), None, plugins, asked)["item"].to_list() == ["007"]
    with pytest.raises(DataError, match="read-only transaction"):
        read_source(Path(postgres), None, plugins, ReadConfig(query="DELETE FROM orders RETURNING *"))
    with pytest.raises(DataError, match="nothing"):
        read_source(Path(f"{postgres}#nothing"), None, plugins)
