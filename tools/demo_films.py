"""The catalogue of the demo: MovieLens-100k's films with credits of a Wikidata snapshot, matched by title and year."""

from __future__ import annotations

import csv
import re
import sqlite3
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from kgrec.graph.linking import name_variants
from kgrec.text.tokens import name_key

CAST = 6
"""The snapshot lists a cast by the alphabet: those are taken who play in the most of its films."""
COLUMNS = ("item_id", "title", "year", "genres", "directors", "writers", "cast", "countries", "languages", "minutes")
_ARTICLE = re.compile(r"^(?: (?:the|a|an|il|la|le|les|el|los|das|der|die) )+(?= )")
_PARTS = re.compile(r"\s*(?::|\s–\s|\s-\s)\s*")


def keys(title: str) -> tuple[set[str], set[str]]:
    """Return the keys of a title, and those of its parts: before and after a colon, after ``Somebody's``."""
    whole, parts = set(), set()
    for variant in name_variants(unicodedata.normalize("NFC", title)):
        pieces = _PARTS.split(variant)
        owned = [variant.split("'s ", 1)[1]] if "'s " in variant and len(variant.split("'s ", 1)[1].split()) > 1 else []
        for found, texts in ((whole, [variant]), (parts, [*(pieces if len(pieces) > 1 else []), *owned])):
            bare = (name_key(re.sub(r"[&+]", " and ", text)) for text in texts)
            found.update(key for text in bare if (key := _ARTICLE.sub("", text)))
    return whole, parts


def match(films: Iterable[tuple[str, int]], known: Iterable[tuple[str, int]]) -> Iterator[int | None]:
    """Return, for each film, the place of the known film of this title within a year; None where there is none.

    Whole titles go before parts of titles, the same year before the next.
    """
    places: dict[tuple[bool, str], list[tuple[int, int]]] = defaultdict(list)
    for place, (title, year) in enumerate(known):
        for partly, found in zip((False, True), keys(title), strict=True):
            for key in found:
                places[partly, key].append((year, place))
    for title, year in films:
        whole, parts = keys(title)
        longer = [key for key in parts if len(key.split()) > 1]  # "Blue" is also the whole title of another film
        ways = [((False, key), 0) for key in whole] + [((True, key), 1) for key in whole]
        ways += [((False, key), 1) for key in longer]
        found = {
            (level, abs(other - year), place)
            for way, level in ways
            for other, place in places[way]
            if abs(other - year) <= 1
        }
        yield min(found)[2] if found else None


def write_films(items: Path, snapshot: Path, out: Path) -> tuple[int, int]:
    """Write the catalogue; return how many films it has, and of how many the credits are known.

    Args:
        items: RecBole's ``ml-100k.item``.
        snapshot: SQLite with the table ``omdb``.
        out: the file, comma-separated.
    """
    with items.open(encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    with sqlite3.connect(f"file:{snapshot}?mode=ro", uri=True) as database:
        columns = 'Title, Year, Director, Writer, "Cast", Country, Language, Runtime'
        known = database.execute(f"select {columns} from omdb where Title is not null and Year is not null").fetchall()
    films = Counter(person for row in known for person in people(row[4]))
    pairs = [(title, int(year) if year.isdigit() else 0) for _, title, year, _ in rows]
    found = list(match(pairs, [(row[0], row[1]) for row in known]))
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for (item, title, year, genres), place in zip(rows, found, strict=True):
            credit = ["", "", "", "", "", ""]
            if place is not None:
                _, _, directors, writers, cast, countries, languages, minutes = known[place]
                stars = sorted(people(cast), key=lambda person: -films[person])[:CAST]
                lists = [people(directors), people(writers), stars, people(countries), people(languages)]
                credit = ["|".join(names) for names in lists] + ([f"{minutes:.0f}"] if minutes else [""])
            shown = year if year.isdigit() else ""
            writer.writerow([item, title, shown, "|".join(genres.split()), *credit])
    return len(rows), sum(place is not None for place in found)


def people(names: str | None) -> list[str]:
    """Return the names in a cell."""
    return [name.strip() for name in (names or "").split(",") if name.strip()]
