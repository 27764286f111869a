"""Every sentence must hold: what it names is in the history, in the graph, and carried the score."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.explain.reasons import Explainer
from kgrec.explain.wording import Wording
from kgrec.graph.paths import Path
from kgrec.graph.tables import EDGES, NODES, RELATIONS, GraphTables
from kgrec.languages import DEFAULT
from kgrec.languages.language import every_language
from kgrec.plugin.domain import Domain, RelationType
from kgrec.plugin.protocols import Contribution
from kgrec.ranking.users import UserRef
from kgrec.types import ItemList, Profile

DIRECTED = RelationType(
    "directed_by",
    label="directed by",
    inverse="director_of",
    inverse_label="director of",
    labels={"zh": "导演"},
    reason="{entity} directed this one too",
    reasons={"zh": "这部也是{entity}执导的"},
)
DOMAIN = Domain("video", "", item_noun={"en": "film", "zh": "电影"}, relation_types=(DIRECTED,))
FILMS = ["Alien", "Blade Runner", "Paddington", "Gladiator", "Orphan", "Cube"]


@pytest.fixture
def dataset():
    rows = [(0, 0, "rate"), (0, 2, "view"), (1, 3, "like"), (1, 5, "like")]
    columns = dict(zip(("user", "item", "action"), zip(*rows, strict=True), strict=True))
    interactions = pl.DataFrame(columns).with_columns(split=pl.lit("train"))
    for name, kind in INTERACTIONS.items():
        column = pl.col(name) if name in interactions.columns else pl.lit(None)
        interactions = interactions.with_columns(column.cast(kind).alias(name))
    users = pl.DataFrame({"user_id": ["ann", "bob"], "description": [None, None]})
    items = pl.DataFrame({"item_id": [f"f{k}" for k in range(6)], "title": FILMS, "description": [None] * 6})
    return Dataset(interactions.select(list(INTERACTIONS)), users, items)


@pytest.fixture
def graph():
    """Alien, Blade Runner and Gladiator share a named director; Paddington and Cube a nameless entity."""
    kinds = ["user"] * 2 + ["item"] * 6 + ["entity"] * 2
    keys = ["ann", "bob", *(f"f{k}" for k in range(6)), "person:scott", "m.0x"]
    labels = ["ann", "bob", *FILMS, "Ridley Scott", "m.0x"]
    index = [0, 1, *range(6), None, None]
    nodes = pl.DataFrame(
        {"kind": kinds, "index": index, "type": kinds, "key": keys, "label": labels, "aliases": [[]] * 10},
        schema=dict(NODES),
    )
    names = ["directed_by", "made_in", "rate", "like"]
    relations = pl.DataFrame({"name": names, "label": ["directed by", "made in", "rated", "liked"]})
    relations = relations.with_columns(inverse=pl.col("name") + "_inverse", inverse_label=pl.col("label") + " of")
    facts = [(2, 0, 8), (3, 0, 8), (5, 0, 8), (4, 1, 9), (7, 1, 9)]
    likes = [(0, 2, 2), (0, 2, 4), (1, 3, 5), (1, 3, 7)]
    table = pl.DataFrame(facts + likes, schema=["head", "relation", "tail"], orient="row")
    table = table.with_columns(
        weight=1.0, provenance=pl.Series(["catalogue"] * len(facts) + ["interaction"] * len(likes))
    )
    for name, kind in EDGES.items():
        column = pl.col(name) if name in table.columns else pl.lit(None)
        table = table.with_columns(column.cast(kind).alias(name))
    return GraphTables(nodes, relations.select(list(RELATIONS)), table.select(list(EDGES)))


class Additive:
    """Splits every score over given items of the history."""

    def __init__(self, sources):
        self.sources = sources

    def fit(self, data, *, seed):
        return self

    def score(self, users):
        return np.zeros((len(users), 6), dtype=np.float32)

    def state(self):
        return {}

    def load_state(self, state):
        return self

    def contributions(self, user, items):
        values = np.tile(list(self.sources.values()), (len(items), 1))
        return [Contribution("item", np.array(list(self.sources)), values)]


def explain(dataset, graph, item, sources, *, user="ann", language="en", domain=DOMAIN):
    ranker = SimpleNamespace(item_ids=dataset.items["item_id"].to_list(), scorers={"a": Additive(sources)})
    explainer = Explainer(dataset, graph, domain, ranker, language=language)
    found = ItemList(user, (f"f{item}",), np.array([item]), np.ones(1, np.float32), {"a": np.ones(1, np.float32)})
    position = 0 if user == "ann" else 1
    known = UserRef(user, position, position, Profile(), csr_array((1, len(ranker.item_ids))))
    return explainer.reasons(found, known)[0]


def test_a_path_from_what_carried_the_score(dataset, graph):
    reason = explain(dataset, graph, 1, {0: 0.7, 2: 0.3})
    assert reason.sentence == "You rated Alien, and Ridley Scott directed this one too"
    assert reason.kind == "path"
    assert reason.nodes == ("f0", "person:scott", "f1")
    assert reason.relations == ("directed_by", "directed_by")


@pytest.mark.parametrize(
    ("relation", "forward", "told"),
    [
        ("directed_by", True, "You liked Alien, and Alien directed this one too"),
        ("made_in", False, "You liked Alien, and the two belong together"),
    ],
)
def test_an_edge_between_two_items(graph, relation, forward, told):
    path = Path((0, 1), (relation,), (forward,), 1.0, 1)
    assert Wording(graph, DOMAIN, "en").path(path, "like").sentence == told


def test_the_same_in_chinese(dataset, graph):
    reason = explain(dataset, graph, 1, {0: 1.0}, language="zh")
    assert reason.sentence == "您评价过《Alien》，这部也是Ridley Scott执导的"


def test_no_path_is_claimed_from_an_item_that_did_not_carry_the_score(dataset, graph):
    reason = explain(dataset, graph, 1, {2: 1.0})
    assert reason.kind == "similar"
    assert reason.nodes == ("f2",)
    assert reason.sentence.startswith("You viewed Paddington")
    assert "Scott" not in reason.sentence
    assert "people" not in reason.sentence  # nobody knows both


def test_the_same_people_are_only_named_where_there_are_some(dataset, graph):
    both = dataset.interactions.filter(pl.col("item") == 2)
    shared = [both.with_columns(user=pl.lit(k, pl.UInt32), item=pl.lit(1, pl.UInt32)) for k in (0, 1)]
    rows = pl.concat([dataset.interactions, both.with_columns(user=pl.lit(1, pl.UInt32)), *shared])
    reason = explain(replace(dataset, interactions=rows), graph, 1, {2: 1.0})
    assert reason.sentence == "You viewed Paddington, and people who liked it often choose this one too"


def test_a_negative_contribution_is_no_reason(dataset, graph):
    reason = explain(dataset, graph, 1, {0: -1.0, 2: 0.1})
    assert reason.nodes == ("f2",)


def test_an_entity_without_a_name_is_not_shown(dataset, graph):
    reason = explain(dataset, graph, 5, {2: 1.0})
    assert reason.kind == "similar"
    assert "m.0x" not in reason.sentence


def test_without_a_cause_only_popularity_is_told_and_it_is_counted(dataset, graph):
    more = [{**dataset.interactions.row(2, named=True), "user": user} for user in range(2, 5)]
    poor = {**more[0], "user": 5, "action": "rate", "value": 1.0}
    good = {**poor, "user": 6, "value": 5.0}
    rows = pl.DataFrame([*more, poor, good], schema=dataset.interactions.schema)
    known = replace(dataset, interactions=pl.concat([dataset.interactions, rows]))
    assert explain(known, graph, 3, {}).sentence == "Popular now: chosen by 5 people"  # a poor rating is no choice
    assert explain(dataset, graph, 3, {}).sentence == "Something you may not know yet"
    assert explain(dataset, graph, 4, {}).sentence == "New here"


def test_noise_is_no_reason(dataset, graph):
    assert explain(dataset, graph, 3, {0: 1e-9}).sentence == "Something you may not know yet"


def test_what_was_rated_well_was_loved(dataset, graph):
    rated = dataset.interactions.with_columns(value=pl.when(pl.col("action") == "rate").then(5.0).cast(pl.Float32))
    low = rated.head(1).with_columns(value=pl.lit(1.0, pl.Float32), user=pl.lit(9, pl.UInt32))
    reason = explain(replace(dataset, interactions=pl.concat([rated, low])), graph, 1, {0: 0.7})
    assert reason.sentence == "You loved Alien, and Ridley Scott directed this one too"


def test_a_relation_without_words_of_its_own_names_the_entity(dataset, graph):
    plain = Domain("video", "", relation_types=())
    reason = explain(dataset, graph, 1, {0: 1.0}, domain=plain)
    assert "Ridley Scott" in reason.sentence


def test_every_sentence_exists_in_every_language_with_the_same_parts():
    import string

    def parts(text):
        return {field for _, field, _, _ in string.Formatter().parse(text) if field} - {"noun"}

    worded = {one.code: {name: parts(text) for name, text in one.reasons.items()} for one in every_language()}
    assert len(worded) > 1
    for code, sentences in worded.items():
        assert sentences == worded[DEFAULT], code
