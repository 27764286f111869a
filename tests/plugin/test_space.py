"""Ranges of options: what they hold, and which are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.plugin.manager import load_plugins
from kgrec.plugin.space import Choice, Real, Whole
from kgrec.testing import toys


@pytest.mark.parametrize("made", [Real, Whole])
def test_a_range_that_holds_nothing_is_refused(made):
    with pytest.raises(ValueError, match="empty"):
        made(2, 1)
    with pytest.raises(ValueError, match="logarithmic"):
        made(0, 1, log=True)
    with pytest.raises(ValueError, match="nothing to choose"):
        Choice(())


@given(st.integers(-50, 50), st.integers(1, 50), st.floats(-200, 200))
def test_a_range_holds_what_lies_between_its_ends(low, width, value):
    assert Real(low, low + width).holds(value) == (low <= value <= low + width)
    assert not Whole(low, low + width).holds(value)  # a float is no whole number
    assert Whole(low, low + width).holds(low)
    assert Whole(low, low + width).holds(low + width)
    assert not Whole(low, low + width).holds(low + width + 1)


def test_kinds_are_kept_apart():
    assert not Real(0, 1).holds(True)
    assert not Real(0, 1).holds(None)
    assert not Real(0, 1).holds(float("nan"))
    assert Choice((1, "idf", None)).holds(None)
    assert not Choice((1, "idf")).holds(True)


@pytest.mark.parametrize("toy", [toys.checkerboard, toys.graph_toy, toys.text_toy])
def test_scorers_can_be_built_at_the_ends_of_what_they_state(toy):
    data, stated = toy().data, 0
    for name, spec in load_plugins([]).registry("scorer").items():
        space = getattr(spec.load(), "space", None)
        if space is None:
            continue
        stated += 1
        for option, span in space(data).items():
            ends = span.values if isinstance(span, Choice) else (span.low, span.high)
            for value in ends:
                assert span.holds(value), (name, option)
                spec.build({option: value})
    assert stated >= 6
