"""The bundled sample: invented news whose subjects have followers. Nothing in it is real."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from kgrec.plugin.sample_data import Planted, order, pick, plant, sample_words, write_table

words = sample_words("kgrec_news")

SEED = 42
N_USERS, N_EACH = 300, 9
SUBJECTS = tuple((name, section) for section, names in words.subjects.items() for name in names)
START, DAYS = 1_730_000_000, 14

SETTINGS = """\
# A sample of kgrec-news: invented articles and readers, written by `kgrec init --domain news`.
domain = "news"

[[data.interactions]]
path = "events.tsv"
columns = { user = "reader", item = "news_id", action = "event", time = "at", text = "text" }
actions = { open = "click", save = "collect", share = "share", comment = "comment", search = "search" }

[[data.items]]
path = "news.jsonl"
columns = { id = "news_id", title = "title", description = "abstract" }
[data.items.attributes]
category = { column = "category", relation = "in_category" }
entities = { column = "entities", relation = "mentions" }
authors = { column = "author", relation = "written_by" }
published = { column = "published" }

[[data.users]]
path = "readers.tsv"
columns = { id = "reader", description = "interests" }
[data.users.attributes]
region = { column = "region" }

[[data.triples]]
path = "kg.tsv"
columns = { head = "head", relation = "relation", tail = "tail" }
link = { path = "link.tsv", columns = { item = "news_id", entity = "entity" } }
names = { path = "names.tsv", columns = { entity = "entity", name = "name", type = "type" } }
"""


def user_ids() -> list[str]:
    """Return the ids of the readers."""
    return [f"r{k:03d}" for k in range(1, N_USERS + 1)]


def item_ids() -> list[str]:
    """Return the ids of the articles."""
    return [f"n{k:03d}" for k in range(1, len(SUBJECTS) * N_EACH + 1)]


def truth(seed: int = SEED) -> dict[str, dict[str, str]]:
    """Return what each reader likes beyond the sample: reader -> article -> ``warm``, ``graph`` or ``text``.

    ``warm`` articles have been read by others; the other ones have no interactions, and only the graph or only the text
    tells what they are about.
    """
    return _plant(seed)[1].held_out(user_ids(), item_ids())


def write(folder: Path, seed: int = SEED) -> None:
    """Write the sample into ``folder``, which must exist."""
    rng, planted = _plant(seed)
    (folder / "kgrec.toml").write_text(SETTINGS, encoding="utf-8", newline="\n")
    _write_news(folder, rng, planted)
    _write_graph(folder, planted)
    _write_readers(folder, rng, planted)
    _write_events(folder, rng, planted)
    held = [(user, item, kind) for user, items in truth(seed).items() for item, kind in items.items()]
    write_table(folder / "holdout.tsv", ("reader", "news_id", "kind"), held, delimiter="\t")


def _plant(seed: int) -> tuple[np.random.Generator, Planted]:
    rng = np.random.default_rng(seed)
    return rng, plant(rng, n_users=N_USERS, n_entities=len(SUBJECTS), n_each=N_EACH)


def _headlines(rng: np.random.Generator, sections: list[str]) -> list[str]:
    """Draw a headline of its own for each article, in the words of its section."""
    left = {
        section: [f"{opening} {ending}" for opening in openings for ending in words.endings]
        for section, openings in words.openings.items()
    }
    drawn = {section: iter([lines[k] for k in order(rng, len(lines))]) for section, lines in left.items()}
    return [next(drawn[section]) for section in sections]


def _write_news(folder: Path, rng: np.random.Generator, planted: Planted) -> None:
    subjects = [SUBJECTS[k] for k in planted.owner]
    n = len(subjects)
    titles = _headlines(rng, [section for _, section in subjects])
    leads, authors, places = pick(rng, words.leads, n), pick(rng, words.authors, n), pick(rng, words.places, n)
    # Unread articles are the newest: that is why nobody has read them yet.
    published = START + np.where(planted.cold, DAYS - 0.2, rng.random(n) * (DAYS - 2)) * 86_400
    gone = rng.random((n, 2)) < 0.05
    lines = []
    for k, item in enumerate(item_ids()):
        about = f" More on {subjects[k][0]} inside." if planted.in_text[k] else ""
        row = {
            "news_id": item,
            "title": titles[k],
            "abstract": f"{_told(titles[k])} {leads[k]}{about}",
            "category": None if gone[k, 0] else subjects[k][1],
            "entities": [*([subjects[k][0]] if planted.in_column[k] else []), places[k]],
            "author": None if gone[k, 1] else authors[k],
            "published": _iso(float(published[k])),
        }
        lines.append(json.dumps(row))
    (folder / "news.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _told(title: str) -> str:
    """Return the sentence that tells what a headline announces."""
    return next(str(told) for opening, told in words.stories.items() if title.startswith(opening))


def _write_graph(folder: Path, planted: Planted) -> None:
    """Write the graph with the bare property numbers of Wikidata, as public news graphs have them."""
    named = [(name, "entity") for name, _ in SUBJECTS] + [(name, "place") for name in words.places + words.countries]
    ids = {name: f"Q{9_000_000 + k}" for k, (name, _) in enumerate(named)}
    articles = {item: f"Q{9_100_000 + k}" for k, item in enumerate(item_ids())}
    rows = [
        (articles[item], "P921", ids[SUBJECTS[planted.owner[k]][0]])
        for k, item in enumerate(item_ids())
        if planted.in_graph[k]
    ]
    rows += [(ids[name], "P131", ids[words.places[k % 8]]) for k, (name, _) in enumerate(SUBJECTS)]
    rows += [(ids[name], "P17", ids[words.countries[k % 3]]) for k, name in enumerate(words.places)]
    write_table(folder / "kg.tsv", ("head", "relation", "tail"), rows, delimiter="\t")
    write_table(folder / "link.tsv", ("news_id", "entity"), articles.items(), delimiter="\t")
    names = [(ids[name], name, kind) for name, kind in named]
    write_table(folder / "names.tsv", ("entity", "name", "type"), names, delimiter="\t")


def _write_readers(folder: Path, rng: np.random.Generator, planted: Planted) -> None:
    places, tells = pick(rng, words.places, N_USERS), rng.random((N_USERS, 2)) < (0.3, 0.1)
    rows = []
    for k, reader in enumerate(user_ids()):
        follows = " and ".join(SUBJECTS[e][0] for e in np.flatnonzero(planted.fan[k]))
        rows.append((reader, "" if tells[k, 1] else places[k], f"I follow {follows}." if tells[k, 0] else ""))
    write_table(folder / "readers.tsv", ("reader", "region", "interests"), rows, delimiter="\t")


def _write_events(folder: Path, rng: np.random.Generator, planted: Planted) -> None:
    users, items = np.nonzero(planted.seen | planted.noise)
    n, liked = len(users), planted.seen[users, items]
    bounds = np.where(liked[:, None], [0.7, 0.82, 0.92], [1.0, 1.0, 1.0])  # (n, 3)
    names = np.array(["open", "save", "share", "comment"])
    events = names[(rng.random(n)[:, None] >= bounds).sum(axis=1)]
    times = START + rng.random(n) * DAYS * 86_400
    remarks = pick(rng, words.remarks, n)
    readers, news = user_ids(), item_ids()
    rows: list[tuple[str, ...]] = [
        (
            readers[users[k]],
            news[items[k]],
            str(events[k]),
            _iso(float(times[k])),
            remarks[k] if events[k] == "comment" else "",
        )
        for k in np.argsort(times, kind="stable")
    ]
    for k in np.flatnonzero(rng.random(N_USERS) < 0.2):
        wanted = SUBJECTS[int(np.argmax(planted.fan[k]))][0]
        rows.append((readers[k], "", "search", _iso(START + DAYS * 86_000.0 + float(k)), wanted))
    header = ("reader", "news_id", "event", "at", "text")
    write_table(folder / "events.tsv", header, rows + _dirt(rows), delimiter="\t")


def _dirt(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return what logs are full of: duplicates, impossible times, blank ids, articles that were taken down."""
    reader, article, *_ = rows[0]
    return [
        *rows[20:26],
        (reader, article, "open", "0001-01-01T00:00:00Z", ""),
        (reader, article, "open", "2999-01-01T00:00:00Z", ""),
        (reader, article, "open", "last tuesday", ""),
        ("", article, "open", _iso(START + 60.0), ""),
        (reader, "", "open", _iso(START + 61.0), ""),
        (reader, "n999", "open", _iso(START + 62.0), ""),
    ]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
