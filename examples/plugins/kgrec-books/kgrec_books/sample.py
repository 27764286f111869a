"""The sample: the books of ``catalogue.txt``, and invented readers who go through series volume by volume."""

from importlib.resources import files
from itertools import pairwise

import numpy as np

from kgrec.plugin.sample_data import order, pick, write_table

READERS = 120
COLUMNS = ("book_id", "title", "author", "series", "volume", "genres", "year", "pages", "blurb")
TOML = """# A sample of kgrec-books: invented books and readers. The domain knows what their columns are called.
domain = "books"
data.interactions = [{ path = "loans.csv" }]
data.items = [{ path = "books.csv" }]
data.triples = [{ path = "next_volumes.csv", columns = { head = "volume", tail = "next" }, relation = "followed_by" }]
"""


def catalogue():
    """Return the rows of books.csv, and the ids of the volumes of each series."""
    rows, series = [], []
    for line in files(__package__).joinpath("catalogue.txt").read_text(encoding="utf-8").splitlines()[1:]:
        fields = [field.strip() for field in line.strip("= ").split("|")]
        if line.startswith("="):
            name, author, genres = fields
            series.append([])
        else:
            series[-1].append(f"b{len(rows) + 1:02}")
            place = len(series[-1])
            rows.append((series[-1][-1], fields[0], author, name, place, genres.replace(", ", "|"), *fields[1:]))
    return rows, series


def readings(seed):
    """Return what readers did, (reader, book, action, day) a row, and which volumes are next: reader -> ids."""
    series = catalogue()[1]
    rng = np.random.Generator(np.random.PCG64(seed))
    events, following = [], {}
    for k in range(READERS):
        reader, day = f"reader{k + 1:03}", int(rng.random() * 200)
        following[reader] = []
        *liked, tried = [series[place] for place in order(rng, len(series))[:3]]
        for volumes in liked:
            read = 2 + int(rng.random() * 3)  # two, three, or all four
            for book in volumes[:read]:
                day += 5 + int(rng.random() * 20)
                events.append((reader, book, "finished", day))
            following[reader] += volumes[read : read + 1]
        events.append((reader, tried[0], pick(rng, ["borrowed", "given up"], 1)[0], day + 2))
    return events, following


def write(folder, seed):
    """Write the sample into an empty folder."""
    rows, series = catalogue()
    write_table(folder / "books.csv", COLUMNS, rows)
    write_table(folder / "next_volumes.csv", ("volume", "next"), [pair for books in series for pair in pairwise(books)])
    start = np.datetime64("2024-01-08")
    loans = [(reader, book, action, str(start + day)) for reader, book, action, day in readings(seed)[0]]
    write_table(folder / "loans.csv", ("reader", "book_id", "action", "time"), loans)
    (folder / "kgrec.toml").write_text(TOML, encoding="utf-8")
