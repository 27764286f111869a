"""Files in the shapes of real exports are taken for what they are."""

from pathlib import Path

import pytest

import tests.data.shapes.more  # adds its cases
import tests.data.shapes.public  # noqa: F401
from kgrec.plugin.manager import load_plugins
from tests.data.shapes.cases import CASES
from tests.data.shapes.check import judge, judge_folder

MANAGER = load_plugins()
KNOWN = {"anki-revlog", "qqmusic"}
"""Cases in which something is told wrongly yet."""


@pytest.mark.parametrize("shape", [c for c in CASES if c.name not in KNOWN], ids=lambda shape: shape.name)
def test_a_file_is_taken_for_what_it_is(shape, tmp_path):
    wrong = [told for right, told in judge(shape, tmp_path, MANAGER) if not right]
    assert not wrong


EXPORTS = Path(__file__).parent / "shapes" / "exports"
TOLD_WRONGLY = {
    "bgstats-json",
    "listenbrainz-dump",
    "mailchimp-activity",
    "matomo-db-tables",
}
"""Exports in which something is told wrongly yet."""


@pytest.mark.parametrize("name", sorted({path.name for path in EXPORTS.iterdir()} - TOLD_WRONGLY))
def test_an_export_is_taken_for_what_it_is(name):
    assert not [told for right, told in judge_folder(EXPORTS / name, MANAGER) if not right]
