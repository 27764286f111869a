"""Writes the sample: scenes of eight routines from morning to night, and residents who keep two routines each."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from kgrec.plugin.sample_data import Planted, plant, sample_words, write_table

END = datetime(2025, 5, 31, 20, 30)  # the log ends in an evening
SETTINGS = """# A sample of home: everything in it is invented.
domain = "home"
recommend.rerank = ["home-hours"]
[[data.interactions]]
path = "log.csv"
columns = { user = "resident", item = "scene", action = "action", time = "time" }
[[data.items]]
path = "scenes.csv"
columns = { id = "scene", title = "title", description = "description" }
attributes.room = { column = "room", relation = "in_room" }
attributes.routine = { column = "routine", relation = "for_routine" }
attributes.devices = { column = "devices", separator = "|", relation = "uses" }
attributes.from_hour = { column = "from_hour" }
attributes.to_hour = { column = "to_hour" }
attributes.hours = { column = "hours" }
"""


def planted(seed: int) -> tuple[Planted, list[str], list[str]]:
    """Return who likes what, and the ids of residents and scenes in the same order."""
    likes = plant(np.random.default_rng(seed), n_users=120, n_entities=8, n_each=6)
    return likes, [f"r{k + 1:03}" for k in range(120)], [f"s{k + 1:02}" for k in range(48)]


def write(folder: Path, seed: int) -> None:
    """Write log.csv, scenes.csv and kgrec.toml into an empty folder."""
    rng, routines = np.random.default_rng(seed + 1), list(vars(sample_words("kgrec_home")).items())
    likes, residents, ids = planted(seed)
    scenes, log = [], [[END, residents[0], ids[0], "previewed"]]
    for item, owner in enumerate(likes.owner):
        routine, (room, devices, does, all_day) = routines[owner]
        title, *hours = all_day.pop(int(rng.random() * len(all_day)))
        scenes.append([ids[item], title, does + ".", room, routine, devices, *hours, "{}:00 to {}:00".format(*hours)])
        for u in np.flatnonzero(likes.seen[:, item] | likes.noise[:, item]):
            start = datetime(2025, 3, 1) + timedelta(days=int(rng.random() * 90), hours=hours[0])
            when = start + timedelta(minutes=int(rng.random() * 60 * (hours[1] - hours[0])))
            log.append([when, residents[u], ids[item], "started" if likes.seen[u, item] else "previewed"])
    header = ["scene", "title", "description", "room", "routine", "devices", "from_hour", "to_hour", "hours"]
    write_table(folder / "scenes.csv", header, scenes)
    write_table(folder / "log.csv", ["time", "resident", "scene", "action"], sorted(log))
    (folder / "kgrec.toml").write_text(SETTINGS, encoding="utf-8")
