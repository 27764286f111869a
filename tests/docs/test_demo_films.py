"""The demo finds films in the credits by title and year, and does not take one film for another."""

import importlib.util
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def test_films_are_found_by_title_and_year(monkeypatch):
    spec = importlib.util.spec_from_file_location("demo_films", TOOLS / "demo_films.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "demo_films", module)
    spec.loader.exec_module(module)
    known = [
        ("The Long Harbour", 1990),
        ("Salt & Smoke", 1991),
        ("Nora: The Gardener", 1994),
        ("Blue", 1993),
        ("Île d'été", 1988),
        ("The Long Harbour", 1950),
        ("Gull Rock: Part IV – A Newer Day", 1977),
    ]
    films = {
        ("Long Harbour, The", 1991): 0,
        ("Salt and Smoke", 1991): 1,
        ("Gardener, The", 1994): 2,
        ("Three Tones: Blue", 1993): None,
        ("Ile d'ete (Summer Island)", 1988): 4,
        ("Gull Rock", 1977): 6,
        ("Somebody Else's The Long Harbour", 1990): 0,
        ("Blue", 1960): None,
    }
    assert list(module.match(films, known)) == list(films.values())
