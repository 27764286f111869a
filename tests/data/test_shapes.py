"""Files in the shapes of real exports are taken for what they are."""

import pytest

import tests.data.shapes.more  # adds its cases
import tests.data.shapes.public  # noqa: F401
from kgrec.plugin.manager import load_plugins
from tests.data.shapes.cases import CASES
from tests.data.shapes.check import judge

MANAGER = load_plugins()
KNOWN = {"anki-revlog", "qqmusic"}
"""Cases in which something is told wrongly yet."""


@pytest.mark.parametrize("shape", [c for c in CASES if c.name not in KNOWN], ids=lambda shape: shape.name)
def test_a_file_is_taken_for_what_it_is(shape, tmp_path):
    wrong = [told for right, told in judge(shape, tmp_path, MANAGER) if not right]
    assert not wrong
