"""The order in which changes reach the disk: contents before names, stages before the manifest that names them.

Power loss itself cannot be had in a test. What is checked is the order of the calls that a file system keeps: every
file is flushed (fsync) after its last write and before it is renamed into place, its folder is flushed after that, and
the manifest comes when all that it names is down. The calls are recorded by strace, which sees those of Polars, too.
"""

import re
import shutil
import subprocess
import sys

import pytest

WRITES = ("write", "pwrite64", "writev", "ftruncate", "copy_file_range", "sendfile")
CALLS = f"trace=fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2,{','.join(WRITES)}"
LINE = re.compile(r"^\d+ +(\w+)\((.*?)(?:\) += (-?\d+).*| <unfinished \.\.\.>)$")
PATH = re.compile(r"<([^>]*)>")


LIVE = """
import sys, kgrec
from kgrec.live.events import Event
live = kgrec.open(sys.argv[1]).live
live.append([Event(user_id="u1", item_id="i1", action="like")])
live.log.export(__import__("pathlib").Path(sys.argv[1], "live", "export"))
live.log.close()
"""
COMMANDS = {
    "build-graph": ["-m", "kgrec", "build-graph"],
    "append": ["-m", "kgrec", "build-graph", "--append", "{root}/more.csv"],
    "train": ["-m", "kgrec", "train", "--only", "popularity,item-knn"],
    "lists": ["-m", "kgrec", "recommend", "--all", "--out", "{root}/artifacts/lists.csv"],
    "texts": ["-m", "kgrec", "generate", "--all", "--kind", "blurb", "--out", "{root}/artifacts/texts.jsonl"],
    "forget": ["-m", "kgrec", "forget", "u3", "--rewrite-inputs"],
    "live": ["-c", LIVE, "{root}"],
}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("until", ["build-graph", pytest.param("live", marks=pytest.mark.slow)])
def test_contents_are_down_before_names(tmp_path, until):
    root = tmp_path / "w"
    root.mkdir()
    for name, n in (("log", 60), ("more", 7)):
        rows = "".join(f"u{k % 9},i{k % 7}\n" for k in range(n))
        (root / f"{name}.csv").write_text(f"user_id,item_id\n{rows}")
    (root / "kgrec.toml").write_text(
        '[[data.interactions]]\npath = "log.csv"\ncolumns = { user = "user_id", item = "item_id" }\n'
        '[text]\nencoder = "hashing"\n'
    )
    for name in list(COMMANDS)[: list(COMMANDS).index(until) + 1]:
        trace = tmp_path / "trace"
        words = [word.replace("{root}", str(root)) for word in COMMANDS[name]]
        command = [sys.executable, *words, *(["-w", str(root), "-q"] if words[0] == "-m" else [])]
        traced = ["strace", "-f", "-y", "-e", CALLS, "-o", str(trace), *command]
        done = subprocess.run(traced, capture_output=True, check=False)
        if b"ptrace" in done.stderr or b"Operation not permitted" in done.stderr:
            pytest.skip("tracing is not allowed here")
        assert done.returncode == 0, done.stderr
        lines = trace.read_text(errors="replace").splitlines()
        assert orders(lines, str(root)) == [], name
        if name in ("texts", "live"):  # what is only appended to is down when the command ends
            assert undone(lines, str(root), ("texts.jsonl", "events.sqlite", "events.sqlite-wal")) == set()


def undone(lines, inside, names):
    """Return which of some files were written to and not flushed."""
    dirty = set()
    for line in lines:
        match = LINE.match(line)
        path = next((p for p in PATH.findall(match[2]) if p.startswith(inside)), "") if match else ""
        if path.endswith(names):
            (dirty.discard if match[1] in ("fsync", "fdatasync") else dirty.add)(path)
    return dirty


def orders(lines, inside):
    """Return what is out of order in a trace, for files under a folder."""
    dirty, unnamed, wrong = set(), set(), []
    for line in lines:
        match = LINE.match(line)
        if not match or match[3] == "-1":
            continue
        call, arguments = match[1], match[2]
        if call.startswith("unlink"):
            dirty -= {path for path in dirty if f'"{path}"' in arguments}
            continue
        if call.startswith("rename"):
            old, new = re.findall(r'"([^"]*)"', arguments)[:2]
            if not new.startswith(inside):
                continue
            moved = {path for path in dirty if path == old or path.startswith(f"{old}/")}
            if "/.tmp-" in new or ".kgrec-" in new:  # not published yet: what is not down stays so under the new name
                dirty = (dirty - moved) | {new + path.removeprefix(old) for path in moved}
                continue
            wrong += [f"{path} gets its name {new} before its content is down" for path in sorted(moved)]
            if new.endswith("manifest.json"):
                wrong += [f"the manifest is there before the name of {name} is down" for name in unnamed]
            unnamed.add(new)
            continue
        path = next((found for found in PATH.findall(arguments) if found.startswith(inside)), None)
        if path is None:
            continue
        if call in ("fsync", "fdatasync"):
            dirty.discard(path)
            unnamed -= {name for name in unnamed if name.rpartition("/")[0] == path}
        elif call in WRITES:
            dirty.add(path)
    return wrong


TRACE = """
1 openat(AT_FDCWD, "/a/.x", O_WRONLY) = 3</a/.x>
1 write(3</a/.x>, "..."..., 3) = 3
{flush}
1 rename("/a/.x", "/a/x") = 0
{folder}
1 rename("/a/.m", "/a/manifest.json") = 0
"""


@pytest.mark.parametrize(
    ("flush", "folder", "told"),
    [
        ("1 fsync(3</a/.x>) = 0", "1 fsync(4</a>) = 0", 0),
        ("", "1 fsync(4</a>) = 0", 1),
        ("1 fsync(3</a/.x>) = 0", "", 1),
        ("1 fsync(3</a/.x>) = -1", "1 fsync(4</a>) = 0", 1),
    ],
)
def test_the_check_itself(flush, folder, told):
    assert len(orders(TRACE.format(flush=flush, folder=folder).splitlines(), "/a")) == told
