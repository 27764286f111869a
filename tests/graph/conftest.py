"""Small hand-made datasets whose graph is known."""

from __future__ import annotations

import polars as pl
import pytest

from kgrec.config import Config, DataConfig, LinkingConfig, TriplesConfig
from kgrec.data.dataset import INTERACTIONS, AttributeInfo, Dataset
from kgrec.graph.build import GraphBuilder
from kgrec.graph.tables import EDGES, NODES, RELATIONS, GraphTables
from kgrec.plugin import Domain, RelationType, TextPattern
from kgrec.plugin.manager import load_plugins

FILM = Domain(
    name="film-test",
    summary="films",
    relation_types=(
        RelationType(
            "directed_by",
            label="directed by",
            inverse="director_of",
            inverse_label="director of",
            tail="person",
            aliases=("http://example.org/director", "film.film.director"),
            inverse_aliases=("film.director.film",),
        ),
        RelationType("starring", label="starring", inverse="stars_in", inverse_label="stars in", tail="person"),
        RelationType("has_genre", label="has genre", inverse="genre_of", inverse_label="genre of", tail="genre"),
        RelationType("sequel_of", label="sequel of", inverse="has_sequel", inverse_label="has sequel", tail="item"),
    ),
    patterns=(
        TextPattern("directed_by", r"[Dd]irected by (?P<entity>[A-Z]\w+(?: [A-Z]\w+)*)"),
        TextPattern("directed_by", r"由(?P<entity>[\u4e00-\u9fff]{2,6}?)执导"),
    ),
)


def make_dataset(items, interactions=(), users=None, *, attributes=None, user_attributes=None):
    """items: dicts with item_id, title, description, attributes; interactions: (user, item, action, value)."""
    attributes, user_attributes = attributes or {}, user_attributes or {}
    schema = {
        "item_id": pl.String,
        "title": pl.String,
        "description": pl.String,
        "line": pl.UInt32,
        "source": pl.String,
    }
    schema |= {name: pl.List(pl.String) if info.multi else pl.String for name, info in attributes.items()}
    rows = [{"line": k + 2, "source": "items.csv", **item} for k, item in enumerate(items)]
    table = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    ids = users or [{"user_id": u} for u in dict.fromkeys(row[0] for row in interactions)]
    user_schema = {"user_id": pl.String, "description": pl.String} | dict.fromkeys(user_attributes, pl.String)
    people = pl.DataFrame([{name: row.get(name) for name in user_schema} for row in ids], schema=user_schema)
    position = {row["user_id"]: k for k, row in enumerate(ids)}
    place = {row["item_id"]: k for k, row in enumerate(rows)}
    events = [
        (position[u], None if i is None else place[i], action, value, 1000 + k, None, "train", "events.csv", k + 2)
        for k, (u, i, action, value) in enumerate(interactions)
    ]
    return Dataset(
        interactions=pl.DataFrame(events, schema=dict(INTERACTIONS), orient="row"),
        users=people,
        items=table,
        user_attributes=user_attributes,
        item_attributes=attributes,
    )


FILM_ATTRIBUTES = {
    "director": AttributeInfo("directed_by", False),
    "cast": AttributeInfo("starring", True),
    "genre": AttributeInfo("has_genre", True),
}

FILMS = [
    {"item_id": "m1", "title": "Heat (1995)", "director": "Michael Mann", "cast": ["Al Pacino", "Robert De Niro"],
     "genre": ["Crime"], "description": "Al Pacino hunts a thief. In the heat of the city, Michael Mann at his best."},
    {"item_id": "m2", "title": "Looking for Richard (1996)", "director": "Al Pacino", "cast": ["Kevin Spacey"],
     "genre": ["crime "], "description": "Shakespeare, explained. With Robert De Niro. Looking for Richard is it."},
    {"item_id": "m3", "title": "Matrix, The (1999)", "director": None, "cast": [], "genre": None,
     "description": "Directed by Michael Mann. If you liked Looking for Richard, look away."},
    {"item_id": "m4", "title": None, "director": "李安", "cast": None, "genre": ["Crime"], "description": None},
    {"item_id": "m5", "title": "新片", "director": None, "cast": None, "genre": None,
     "description": "本片由李安执导，和《The Matrix》一样好看。"},
]  # fmt: skip

EVENTS = [
    ("u1", "m1", "rate", 5.0),
    ("u1", "m2", "view", None),
    ("u2", "m1", "rate", 2.0),
    ("u2", None, "search", None),
    ("u1", "m1", "view", None),
]


def edge_keys(graph):
    """Edges by the keys of their ends, everything but the numbering."""
    ends = graph.nodes.select(k=pl.format("{}/{}", "kind", "key"))["k"]
    return graph.edges.with_columns(
        head=ends.gather(graph.edges["head"]),
        relation=graph.relations["name"].gather(graph.edges["relation"]),
        tail=ends.gather(graph.edges["tail"]),
    )


def stated(graph, provenance=None):
    """Set of (head key, relation, tail key)."""
    edges = edge_keys(graph)
    if provenance:
        edges = edges.filter(pl.col("provenance") == provenance)
    return set(edges.select("head", "relation", "tail").iter_rows())


class Workshop:
    """What tests of the graph need, in one place."""

    domain = FILM
    make_dataset = staticmethod(make_dataset)
    edge_keys = staticmethod(edge_keys)
    stated = staticmethod(stated)

    def __init__(self, root):
        self.root = root
        self.manager = load_plugins([])

    def films(self, n=len(FILMS), events=EVENTS):
        known = {film["item_id"] for film in FILMS[:n]}
        kept = [e for e in events if e[1] is None or e[1] in known]
        return make_dataset(FILMS[:n], kept, attributes=FILM_ATTRIBUTES)

    def config(self, *triples, **linking):
        files = [TriplesConfig(**t) for t in triples]
        return Config(seed=1, data=DataConfig(triples=files), linking=LinkingConfig(**linking))

    def build(self, dataset, config=None, *, domain=FILM, previous=None, **more):
        return GraphBuilder(domain, config or self.config(), self.manager, self.root, **more).build(dataset, previous)

    def write(self, name, text):
        (self.root / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def make_graph():
    return hand_made_graph


@pytest.fixture(scope="session")
def film_graph():
    """Two users, three films, three entities; every kind of provenance, an IRI key, aliases, Chinese."""
    nodes = [
        ("user", "user", "ann", "ann", []),
        ("user", "user", "bob@x.org", "Bob", []),
        ("item", "item", "50", "Star Wars (1977)", ["Star Wars: Episode IV", "星球大战"]),
        ("item", "item", "7", 'Blade "Runner" <1982> & more', []),
        ("item", "item", "9/大话", "大话西游", []),
        ("entity", "person", "http://www.wikidata.org/entity/Q38222", "George Lucas", []),
        ("entity", "person", "person:Harrison Ford", "Harrison Ford", ["H. Ford"]),
        ("entity", "genre", "genre:科幻", "科幻", []),
    ]
    relations = [
        ("rate", "rated", "rated_by", "rated by"),
        ("directed_by", "directed by", "director_of", "director of"),
        ("starring", "starring", "stars_in", "stars in"),
        ("has_genre", "has genre", "genre_of", "genre of"),
        ("mentions", "mentions", "mentioned_in", "mentioned in"),
    ]
    edges = [
        (0, "rate", 2, 5.0, 881_250_949, "interaction"),
        (0, "rate", 3, 3.0, None, "interaction"),
        (1, "rate", 4, 1.0, None, "interaction"),
        (2, "directed_by", 5, 1.0, None, "triples"),
        (2, "starring", 6, 1.0, None, "catalogue"),
        (3, "starring", 6, 1.0, None, "catalogue"),
        (2, "has_genre", 7, 1.0, None, "catalogue"),
        (3, "has_genre", 7, 1.0, None, "catalogue"),
        (4, "has_genre", 7, 1.0, None, "pattern"),
        (3, "mentions", 5, 0.75, None, "mention"),
    ]
    return hand_made_graph(nodes, relations, edges)


def hand_made_graph(nodes, relations, edges):
    """nodes: (kind, type, key, label, aliases); edges: (head, relation name, tail, weight, time, provenance)."""
    counts = {}
    rows = []
    for kind, type_, key, label, aliases in nodes:
        index = None if kind == "entity" else counts.setdefault(kind, 0)
        counts[kind] = counts.get(kind, 0) + 1
        rows.append((kind, index, type_, key, label, aliases))
    names = {name: k for k, (name, *_) in enumerate(relations)}
    lines = [(h, names[r], t, w, time, p, "film.csv", k + 2) for k, (h, r, t, w, time, p) in enumerate(edges)]
    return GraphTables(
        pl.DataFrame(rows, schema=dict(NODES), orient="row"),
        pl.DataFrame(list(relations), schema=dict(RELATIONS), orient="row"),
        pl.DataFrame(lines, schema=dict(EDGES), orient="row"),
    )
