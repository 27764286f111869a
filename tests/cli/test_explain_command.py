"""What `kgrec explain` prints, of an explanation that is given."""

from kgrec.cli.explain import _show
from kgrec.explain.reasons import Route, Step, Stop
from kgrec.explain.why import Cause, Counterfactual, Explanation, Rival, WhyNot

CAUSES = (
    Cause("ease", "item", "a", "Alien", 0.75),
    Cause("ease", "baseline", None, "what any item gets", -0.25),
)
STOPS = (Stop("user", "u", "u"), Stop("item", "a", "Alien"), Stop("item", "b", "Aliens"))
PATH = Route(STOPS, (Step("like", "liked", True), Step("sequel", "followed by", True)), 1.0, 0.75, 1.0)
FAMILIES = {"ease": "people"}
LINES = ("Aliens is in place 1 of 900 for {user}", "You liked Alien", "What speaks for it most: …")


def test_of_an_item_in_the_list(capsys):
    removed = Counterfactual(("a",), ("Alien",), 1, 12)
    told = {"lines": LINES, "families": FAMILIES, "without": "Without Alien it would fall to place 12"}
    found = Explanation("u", "b", "Aliens", 0.5, 1, 10, 900, CAUSES, (PATH,), LINES[1], None, removed, **told)
    _show(found)
    out = capsys.readouterr().out
    assert out.startswith("Aliens is in place 1 of 900 for u\nYou liked Alien\nWhat speaks for it most")
    assert "people who liked the same" in out
    assert "ease" not in out
    assert "+0.500" in out
    assert "u –liked→ Alien –followed by→ Aliens" in out
    assert "Without Alien it would fall to place 12" in out
    _show(found, technical=True)
    out = capsys.readouterr().out
    assert "ease" in out
    assert "what the user did" in out


def test_of_an_item_outside_the_list(capsys):
    why = WhyNot((Rival("c", "[bold]", 1, 2.0),), {"ease": 1.5}, ("Nobody has chosen it yet",))
    _show(Explanation("u", "b", "Aliens", 0.5, 11, 10, 900, CAUSES, (), "Place 11", why, families=FAMILIES), "u")
    out = capsys.readouterr().out
    assert "1. [bold]" in out
    assert "Nobody has chosen it yet" in out


def test_in_one_language(capsys):
    found = Explanation("u", "b", "B", 0.5, 1, 10, 9, CAUSES[:1], (PATH,), "", families=FAMILIES, language="zh")
    _show(found)
    out = capsys.readouterr().out
    assert "喜欢相同东西的人" in out
    assert "speaks" not in out


def test_of_an_item_without_a_place(capsys):
    found = Explanation("u", "b", "B", None, None, 10, 0, (), (), "Not now", WhyNot((), {}, ()))
    _show(found)
    assert "place" not in capsys.readouterr().out
    assert found.to_dict()["rank"] is None
