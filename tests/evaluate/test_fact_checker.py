"""The second opinion: what it must find, what it must let pass, on a small catalogue."""

import polars as pl
import pytest

from kgrec.data.dataset import Dataset
from kgrec.evaluate.factcheck import FactChecker
from kgrec.graph.tables import EDGES, NODES, RELATIONS, GraphTables

ITEMS = [("i0", "Comet Letters (1996)"), ("i1", "Matrix, The (1999)"), ("i2", "Mr. Smith Goes to Washington (1939)"),
         ("i3", "Speed (1994)"), ("i4", "银河来信"),
         ("i5", "Hot Shots! Part Deux (1993)")]  # fmt: skip
ENTITIES = ["Ada Orbit", "Bo Ferris", "Drama", "Cy Quell", "王星河"]


@pytest.fixture(scope="module")
def checker():
    titles = [title for _, title in ITEMS]
    plots = ["A keeper of a lighthouse reads 12 letters without hope.", *[None] * 5]
    nodes = [("item", k, "film", key, title, []) for k, (key, title) in enumerate(ITEMS)]
    nodes += [("entity", None, "thing", f"e:{name}", name, []) for name in ENTITIES]
    n = len(ITEMS)
    # Comet Letters is by Ada, with Bo, a drama; so are The Matrix and Mr. Smith; Cy acts in Speed only.
    facts = [(0, 0, n), (0, 1, n + 1), (0, 2, n + 2), (1, 2, n + 2), (2, 2, n + 2), (3, 1, n + 3), (4, 0, n + 4)]
    edges = [(head, relation, tail, 1.0, None, "catalogue", "f.csv", 1) for head, relation, tail in facts]
    relations = [("directed_by", "directed by", "director_of", ""), ("starring", "starring", "acts_in", ""),
                 ("has_genre", "has genre", "genre_of", "")]  # fmt: skip
    graph = GraphTables(
        pl.DataFrame(nodes, schema=dict(NODES), orient="row"),
        pl.DataFrame(relations, schema=dict(RELATIONS), orient="row"),
        pl.DataFrame(edges, schema=dict(EDGES), orient="row"),
    )
    ids = [key for key, _ in ITEMS]
    items = pl.DataFrame(
        {"item_id": ids, "title": titles, "description": plots, "minutes": [95, 136, 129, 116, 90, 86]}
    )
    users = pl.DataFrame({"user_id": ["u0"], "description": [None]})
    # Speed belongs to the test part, and Comet Letters was only shown.
    rows = pl.DataFrame({"user": [0] * 5, "item": [1, 2, 5, 3, 0], "split": [*["train"] * 3, "test", "train"],
                         "action": [*["like"] * 4, "impression"]})  # fmt: skip
    return FactChecker(Dataset(rows, users, items), graph)


@pytest.mark.parametrize(
    "text",
    [
        "Comet Letters (1996) is a drama directed by Ada Orbit, starring Bo Ferris.",
        "Comet Letters lasts 95 minutes. You liked The Matrix: also Drama.",
        "You liked Mr. Smith Goes to Washington, and Drama comes up in 2 films of your history, The Matrix among them.",
        "A keeper reads 12 letters without hope in Comet Letters.",
        "At full speed, the keeper reads.",
        "You liked Hot Shots! Part Deux, and Comet Letters is close to it.",
    ],
)
def test_what_is_borne_out_passes(checker, text):
    assert checker.unsupported(text, [0], 0) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Comet Letters stars Cy Quell.", "name: Cy Quell"),
        ("Comet Letters is directed by Bo Ferris.", "relation: direct Bo Ferris"),
        ("Comet Letters, starring Bo Ferris and Ada Orbit.", "relation: star Ada Orbit"),
        ("Comet Letters stars Brad Pitt.", "capitals: Brad Pitt"),
        ("Comet Letters lasts 120 minutes.", "number: 120.0"),
        ("Comet Letters tells of three letters.", "number: 3.0"),
        ("Drama comes up in 3 films of your history.", "number: 3.0"),
        ("You liked Speed, so see Comet Letters.", "name: Speed"),  # held out: it must not be spoken of
        ("Comet Letters is not directed by Ada Orbit.", "negation: not"),
        ("Comet Letters is an award-winning film.", "claim: award"),
        ("Comet Letters is free.", "claim: free"),
    ],
)
def test_what_is_not_borne_out_is_found(checker, text, found):
    assert found in checker.unsupported(text, [0], 0)


def test_chinese(checker):
    assert checker.unsupported("《银河来信》由王星河执导，片长90分钟。", [4], 0) == []
    assert checker.unsupported("《银河来信》片长120分钟。", [4], 0) == ["number: 120.0"]
    assert checker.unsupported("《银河来信》由Bo Ferris主演。", [4], 0) == ["name: Bo Ferris"]


def test_nobody_in_particular_has_no_history(checker):
    assert checker.unsupported("Comet Letters is close to The Matrix.", [0]) == ["name: The Matrix"]
