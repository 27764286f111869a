"""The bundled sample: invented films whose directors have fans. Nothing in it is real."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kgrec.plugin.sample_data import Planted, order, pick, pick_some, plant, sample_words, write_table

words = sample_words("kgrec_video")

SEED = 42
N_USERS, N_DIRECTORS, N_EACH = 300, 24, 9
START, DAYS = 1_700_000_000, 180

SETTINGS = """\
# A sample of kgrec-video: invented films, people and viewers, written by `kgrec init --domain video`.
domain = "video"

[[data.interactions]]
path = "interactions.csv"
columns = { user = "user_id", item = "film_id", action = "action", value = "rating", time = "time", text = "text" }

[[data.items]]
path = "films.csv"
columns = { id = "film_id", title = "title", description = "plot" }
[data.items.attributes]
directors = { column = "director", relation = "directed_by" }
cast = { column = "cast", separator = "|", relation = "starring" }
genres = { column = "genres", separator = "|", relation = "has_genre" }
countries = { column = "country", relation = "made_in" }
year = { column = "year" }

[[data.users]]
path = "users.csv"
columns = { id = "user_id", description = "about" }
[data.users.attributes]
age = { column = "age" }

[[data.triples]]
path = "graph.ttl"
link = { path = "link.csv", columns = { item = "film_id", entity = "iri" } }
"""


def user_ids() -> list[str]:
    """Return the ids of the users."""
    return [f"u{k:03d}" for k in range(1, N_USERS + 1)]


def item_ids() -> list[str]:
    """Return the ids of the films."""
    return [f"f{k:03d}" for k in range(1, N_DIRECTORS * N_EACH + 1)]


def truth(seed: int = SEED) -> dict[str, dict[str, str]]:
    """Return what each user likes beyond the sample: user -> film -> ``warm``, ``graph`` or ``text``.

    ``warm`` films have been watched by others; the other ones have no interactions, and only the graph or only the text
    tells who directed them.
    """
    return _plant(seed)[1].held_out(user_ids(), item_ids())


def write(folder: Path, seed: int = SEED) -> None:
    """Write the sample into ``folder``, which must exist."""
    rng, planted = _plant(seed)
    directors = [f"{words.first[k]} {words.last[k]}" for k in range(N_DIRECTORS)]
    cast = [f"{words.first[(3 * k + 5) % 24]} {words.last[(7 * k + 11) % 24]}" for k in range(48)]
    cast = [name for name in dict.fromkeys(cast) if name not in directors]
    owners = [directors[k] for k in planted.owner]
    stars = pick_some(rng, cast, len(owners), 3)
    (folder / "kgrec.toml").write_text(SETTINGS, encoding="utf-8", newline="\n")
    _write_films(folder, rng, planted, owners, stars)
    _write_graph(folder, planted, owners, stars)
    _write_users(folder, rng, planted, directors)
    _write_interactions(folder, rng, planted, directors)
    held = [(user, item, kind) for user, items in truth(seed).items() for item, kind in items.items()]
    write_table(folder / "holdout.tsv", ("user_id", "film_id", "kind"), held, delimiter="\t")


def _plant(seed: int) -> tuple[np.random.Generator, Planted]:
    rng = np.random.default_rng(seed)
    return rng, plant(rng, n_users=N_USERS, n_entities=N_DIRECTORS, n_each=N_EACH)


def _write_films(
    folder: Path, rng: np.random.Generator, planted: Planted, owners: list[str], stars: list[list[str]]
) -> None:
    n = len(owners)
    names = [f"The {adjective} {noun}" for adjective in words.adjectives for noun in words.nouns]
    titles = [names[k] for k in order(rng, len(names))[:n]]
    heroes, plots = pick(rng, words.heroes, n), pick(rng, words.plots, n)
    # A director keeps to a genre of his own, so genres tell a little, but several directors share each.
    genres = [words.genres[k % len(words.genres)] for k in planted.owner]
    second, countries = pick(rng, words.genres, n), pick(rng, words.countries, n)
    years = (1985 + rng.random(n) * 40).astype(np.int64)
    gone = rng.random((n, 2)) < 0.04
    rows = [
        (
            item,
            titles[k],
            f"{heroes[k]} {plots[k]}." + (f" A film by {owners[k]}." if planted.in_text[k] else ""),
            owners[k] if planted.in_column[k] else "",
            "|".join(stars[k]) if not gone[k, 0] else "",
            "|".join(dict.fromkeys((genres[k], second[k]))),
            countries[k],
            "" if gone[k, 1] else years[k],
        )
        for k, item in enumerate(item_ids())
    ]
    header = ("film_id", "title", "plot", "director", "cast", "genres", "country", "year")
    write_table(folder / "films.csv", header, rows)


def _write_graph(folder: Path, planted: Planted, owners: list[str], stars: list[list[str]]) -> None:
    people = sorted({*owners, *(name for row in stars for name in row)})
    iris = {name: f"ex:person-{k}" for k, name in enumerate(people, start=1)}
    lines = [
        "@prefix ex: <https://kgrec.example/video/> .",
        "@prefix schema: <https://schema.org/> .",
        "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .",
        "",
        *(f'{iri} a schema:Person ; rdfs:label "{name}" .' for name, iri in iris.items()),
        "",
    ]
    for k, item in enumerate(item_ids()):
        facts = [f"schema:actor {iris[name]}" for name in stars[k][:2]]
        if planted.in_graph[k]:
            facts.insert(0, f"schema:director {iris[owners[k]]}")
        lines.append(f"ex:{item} " + " ; ".join(facts) + " .")
    (folder / "graph.ttl").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    links = [(item, f"https://kgrec.example/video/{item}") for item in item_ids()]
    write_table(folder / "link.csv", ("film_id", "iri"), links)


def _write_users(folder: Path, rng: np.random.Generator, planted: Planted, directors: list[str]) -> None:
    ages, cities, tells = rng.random(N_USERS), pick(rng, words.cities, N_USERS), rng.random(N_USERS) < 0.3
    favourites = [directors[int(np.argmax(row))] for row in planted.fan]
    rows = [
        (
            user,
            "" if ages[k] < 0.05 else int(18 + 60 * ages[k]),
            f"Lives in {cities[k]}." + (f" Never misses a film by {favourites[k]}." if tells[k] else ""),
        )
        for k, user in enumerate(user_ids())
    ]
    write_table(folder / "users.csv", ("user_id", "age", "about"), rows)


def _write_interactions(folder: Path, rng: np.random.Generator, planted: Planted, directors: list[str]) -> None:
    users, items = np.nonzero(planted.seen | planted.noise)
    n, liked = len(users), planted.seen[users, items]
    draw = rng.random(n)
    bounds = np.where(liked[:, None], [0.3, 0.75, 0.85, 0.93], [0.6, 1.0, 1.0, 1.0])  # (n, 4)
    names = np.array(["view", "rate", "like", "collect", "comment"])
    actions = names[(draw[:, None] >= bounds).sum(axis=1)]
    stars = np.where(liked, 4, 1) + (rng.random(n) < 0.5)
    times = (START + rng.random(n) * DAYS * 86_400).astype(np.int64)
    remarks = pick(rng, words.liked, n)
    uid, iid = user_ids(), item_ids()
    unrated = rng.random(n) < 0.02
    rows: list[tuple[object, ...]] = [
        (
            uid[users[k]],
            iid[items[k]],
            actions[k],
            stars[k] if actions[k] == "rate" and not unrated[k] else "",
            times[k],
            remarks[k] if actions[k] == "comment" else "",
        )
        for k in np.argsort(times, kind="stable")
    ]
    searching = np.flatnonzero(rng.random(N_USERS) < 0.25)
    rows += [
        (uid[k], "", "search", "", START + DAYS * 43_200 + int(k), directors[int(np.argmax(planted.fan[k]))])
        for k in searching
    ]
    write_table(
        folder / "interactions.csv", ("user_id", "film_id", "action", "rating", "time", "text"), rows + _dirt(rows)
    )


def _dirt(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Return what logs are full of: duplicates, a time before the web, blank and padded ids, a word for a number."""
    user, item, *_ = rows[0]
    return [
        *rows[10:15],
        (user, item, "view", "", 12, ""),
        (user, item, "view", "", "yesterday", ""),
        ("", item, "view", "", START, ""),
        (f" {user} ", f"{item} ", "view", "", START + 5, ""),
        (user, item, "rate", "many", START + 9, ""),
    ]
