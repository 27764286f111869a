import inspect
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec import errors
from kgrec.errors import KgrecError, MissingExtraError, NotFoundError, did_you_mean

CLASSES = [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, KgrecError)]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn = {}
    above = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"^([ │├└─]*)(\w+Error)\s+(\d)", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        above = [*above[: depth - 1], found[2]]
        drawn[found[2]] = (above[-2] if len(above) > 1 else "Exception", int(found[3]))
    assert drawn == {c.__name__: (c.__base__.__name__, c.exit_code) for c in CLASSES}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_carries_message_and_hint(cls):
    error = cls("what went wrong", hint="what to do")
    assert (str(error), error.message, error.hint) == ("what went wrong", "what went wrong", "what to do")
    assert cls("no hint").hint is None
    assert cls.__doc__


def test_exit_codes_of_the_command_line():
    codes = {c.__name__: c.exit_code for c in CLASSES}
    assert codes["UsageError"] == 2
    assert codes["UserError"] == codes["PluginError"] == 3
    assert codes["MissingExtraError"] == 4
    assert codes["DataError"] == 5
    assert codes["GuardRefusedError"] == 6


def test_not_found_names_the_place_and_near_names():
    error = NotFoundError.of("user", "user 41", ["user 42", "user 7", "someone"], where="ratings.csv")
    assert error.message == "unknown user 'user 41' in ratings.csv"
    assert error.hint.startswith("did you mean 'user 42'")


def test_missing_extra_says_what_to_install():
    assert MissingExtraError.of("the multilingual encoder", "models").hint == "pip install 'kgrec[models]'"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("asl", ["als", "gnn"], "did you mean 'als'?"),
        ("ALS", ["als", "gnn"], "did you mean 'als'?"),
        ("xyz", ["als", "ease"], "known: 'als', 'ease'"),
        ("xyz", ["als", "ease", "gnn", "content"], "known are for example 'als', 'ease', 'gnn'"),
        ("xyz", [], None),
        ("卧虎藏尨", ["卧虎藏龙", "英雄"], "did you mean '卧虎藏龙'?"),
    ],
)
def test_did_you_mean(name, known, hint):
    assert did_you_mean(name, known) == hint


def test_did_you_mean_is_quick_on_many_names():
    known = [f"user {k}" for k in range(300_000)]
    started = time.process_time()
    assert "did you mean 'user 12" in did_you_mean("user 1234567", known)
    assert "'user 999'" in did_you_mean("user 99,9", known)
    assert did_you_mean("zzz", known) is not None
    assert time.process_time() - started < 10, "difflib must not see all of them"


@given(st.text(max_size=20), st.lists(st.text(max_size=12), max_size=30))
def test_did_you_mean_names_only_what_is_known(name, known):
    hint = did_you_mean(name, known)
    assert (hint is None) == (not known)
    if name in known and name:
        assert repr(name) in hint
    if hint:
        assert any(repr(k) in hint for k in known)
