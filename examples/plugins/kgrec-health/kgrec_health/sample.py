"""The sample: the articles of ``catalogue.txt`` in two files, a clinic's and its readers' own, and invented readers."""

from importlib.resources import files

import numpy as np

from kgrec.plugin.sample_data import order, pick, write_table

READERS = 120
COLUMNS = ("article_id", "title", "topic", "source", "reviewer", "minutes", "text")
TOML = """# A sample of kgrec-health: invented articles and readers. The domain knows what their columns are called.
domain = "health"
data.interactions = [{ path = "reading.csv" }]
data.items = [{ path = "clinic.csv" }, { path = "posts.csv" }]
generate.approved = { "clinic.csv" = "Marrow Bay Clinic" }  # whose sentences a tip may repeat
"""


def catalogue():
    """Return the rows of the two files, and the ids of the articles of each topic."""
    rows, topics = [], []
    for line in files(__package__).joinpath("catalogue.txt").read_text(encoding="utf-8").splitlines()[1:]:
        fields = [field.strip() for field in line.strip("=* ").split("|")]
        if line.startswith("="):
            topic, reviewer = fields
            topics.append([])
            continue
        topics[-1].append(f"h{len(rows) + 1:02}")
        by = ("Readers' corner", "") if line.startswith("*") else ("Marrow Bay Clinic", reviewer)
        rows.append((topics[-1][-1], fields[0], topic, *by, *fields[1:]))
    return rows, topics


def reading(seed):
    """Return what readers did, a row an event, and the articles of their topics that they have not read yet."""
    topics = catalogue()[1]
    rng = np.random.Generator(np.random.PCG64(seed))
    events, unread = [], {}
    for k in range(READERS):
        reader, day = f"reader{k + 1:03}", int(rng.random() * 200)
        unread[reader] = []
        for topic in (topics[place] for place in order(rng, len(topics))[:2]):
            *read, left = (topic[place] for place in order(rng, len(topic)))
            unread[reader].append(left)
            for article in read:
                day += 1 + int(rng.random() * 9)
                events.append((reader, article, pick(rng, ["read", "helpful", "saved"], 1)[0], day))
    return events, unread


def write(folder, seed):
    """Write the sample into an empty folder."""
    rows = catalogue()[0]
    write_table(folder / "clinic.csv", COLUMNS, [row for row in rows if row[4]])
    write_table(folder / "posts.csv", COLUMNS, [row for row in rows if not row[4]])
    start = np.datetime64("2024-01-15")
    events = [(reader, article, action, str(start + day)) for reader, article, action, day in reading(seed)[0]]
    write_table(folder / "reading.csv", ("reader", "article_id", "action", "time"), events)
    (folder / "kgrec.toml").write_text(TOML, encoding="utf-8")
