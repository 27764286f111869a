"""What `kgrec explain` prints, of an explanation that is given."""

from kgrec.cli.explain import _show
from kgrec.explain.reasons import Route, Step, Stop
from kgrec.explain.why import Cause, Counterfactual, Explanation, Rival, WhyNot

CAUSES = (
    Cause("ease", "item", "a", "Alien", 0.75),
    Cause("ease", "baseline", None, "the average item", -0.25),
)
STOPS = (Stop("user", "u", "u"), Stop("item", "a", "Alien"), Stop("item", "b", "Aliens"))
PATH = Route(STOPS, (Step("like", "liked", True), Step("sequel", "followed by", True)), 1.0, 0.75, 1.0)


def test_of_an_item_in_the_list(capsys):
    removed = Counterfactual(("a",), ("Alien",), 1, 12)
    _show(Explanation("u", "b", "Aliens", 0.5, 1, 10, 900, CAUSES, (PATH,), "You liked Alien", None, removed))
    out = capsys.readouterr().out
    assert "place 1 of 900" in out
    assert "+0.500" in out
    assert "u –liked→ Alien –followed by→ Aliens" in out
    assert "without Alien it would not be in the top 10 (place 12)" in out


def test_of_an_item_outside_the_list(capsys):
    why = WhyNot((Rival("c", "[bold]", 1, 2.0),), {"ease": 1.5}, ("a like",))
    _show(Explanation("u", "b", "Aliens", 0.5, 11, 10, 900, CAUSES, (), "Place 11", why))
    out = capsys.readouterr().out
    assert "1. [bold]" in out
    assert "behind place 10 by: ease -1.500" in out
    assert "missing: a like" in out


def test_of_an_item_without_a_place(capsys):
    found = Explanation("u", "b", "B", None, None, 10, 0, (), (), "Not now", WhyNot((), {}, ()))
    _show(found)
    assert "place" not in capsys.readouterr().out
    assert found.to_dict()["rank"] is None
