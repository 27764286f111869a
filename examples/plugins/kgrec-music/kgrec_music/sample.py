"""The sample: the albums of ``catalogue.txt``, and invented listeners who follow bands."""

from importlib.resources import files

import numpy as np

from kgrec.plugin.sample_data import order, pick, write_table

LISTENERS = 120
COLUMNS = ("album_id", "title", "artist", "musicians", "genres", "label", "year", "minutes", "about")
TOML = """# A sample of kgrec-music: invented albums and listeners. The domain knows what their columns are called.
domain = "music"
data.interactions = [{ path = "plays.csv" }]
data.items = [{ path = "albums.csv" }]
"""


def catalogue():
    """Return the rows of albums.csv, and the ids of each band's albums, the solo album of its first musician last."""
    rows, bands = [], []
    for line in files(__package__).joinpath("catalogue.txt").read_text(encoding="utf-8").splitlines()[1:]:
        fields = [field.strip() for field in line.strip("=+ ").split("|")]
        if line.startswith("="):
            band, genres, label, musicians = (field.replace(", ", "|") for field in fields)
            bands.append([])
            continue
        bands[-1].append(f"a{len(rows) + 1:02}")
        soloist = musicians.split("|")[0]
        who = (soloist, soloist) if line.startswith("+") else (band, musicians)
        rows.append((bands[-1][-1], fields[0], *who, genres, label, *fields[1:]))
    return rows, bands


def listening(seed):
    """Return what listeners did, a row an event, and the solo albums that fans do not know yet."""
    bands = catalogue()[1]
    rng = np.random.Generator(np.random.PCG64(seed))
    events, due = [], {}
    for k in range(LISTENERS):
        listener, day = f"listener{k + 1:03}", int(rng.random() * 300)
        due[listener] = []
        *followed, other = [bands[place] for place in order(rng, len(bands))[:3]]
        for *albums, solo in followed:
            knows = rng.random() < 0.5
            due[listener] += [] if knows else [solo]
            for album in [*albums, solo] if knows else albums:
                day += 1 + int(rng.random() * 9)
                events.append((listener, album, pick(rng, ["played", "favourite", "bought"], 1)[0], day))
        events.append((listener, other[0], "skipped", day + 1))
    return events, due


def write(folder, seed):
    """Write the sample into an empty folder."""
    write_table(folder / "albums.csv", COLUMNS, catalogue()[0])
    start = np.datetime64("2024-02-01")
    plays = [(listener, album, action, str(start + day)) for listener, album, action, day in listening(seed)[0]]
    write_table(folder / "plays.csv", ("listener", "album_id", "action", "time"), plays)
    (folder / "kgrec.toml").write_text(TOML, encoding="utf-8")
