"""Files that kgrec appends to: a stranger's is refused, two processes do not write one, half a line is cut off."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.artifacts import resumed_lines
from kgrec.errors import UserError

FIELDS = ("text", "kind")
OURS = [{"text": f"line {k} 数", "kind": "blurb"} for k in range(3)]
LINES = [(json.dumps(row, ensure_ascii=False) + "\n").encode() for row in OURS]


@pytest.mark.parametrize(
    "content",
    [
        b"my notes",
        b"my notes\n",
        b'{"a": 1}',
        b'{"a": 1}\n',
        b'{"text": 1}\n',
        b"[1, 2]\n",
        b"\n",
        LINES[0] + b"my notes\n" + LINES[1],
        LINES[0] + b"my notes",
        b"[" * 100_000 + b"\n",
        b"\xff\xfe",
    ],
)
def test_what_kgrec_did_not_write_stays_as_it_is(tmp_path, content):
    file = tmp_path / "mine.jsonl"
    file.write_bytes(content)
    with pytest.raises(UserError, match="something else"), resumed_lines(file, FIELDS):
        pytest.fail("opened")
    assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jsonl"]


@given(st.integers(0, len(b"".join(LINES))))
def test_a_run_that_was_killed_anywhere_goes_on(tmp_path_factory, cut):
    file = tmp_path_factory.mktemp("out") / "mine.jsonl"
    file.write_bytes(b"".join(LINES)[:cut])
    with resumed_lines(file, FIELDS) as (rows, stream):
        assert rows == OURS[: len(rows)]
        stream.writelines(LINES[len(rows) :])
    assert file.read_bytes() == b"".join(LINES)


def test_two_processes_do_not_write_one_file(tmp_path):
    file = tmp_path / "mine.jsonl"
    with resumed_lines(file, FIELDS) as (_, stream):
        stream.writelines(LINES)
        stream.flush()
        with pytest.raises(UserError, match="another kgrec command"), resumed_lines(file, FIELDS):
            pytest.fail("opened")
        assert file.read_bytes() == b"".join(LINES)
    with resumed_lines(file, FIELDS) as (rows, _):
        assert rows == OURS
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jsonl"]
