"""Writes the sample: a spring of events in an invented city, and visitors who like two hosts each."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from kgrec.plugin import read_domain
from kgrec.plugin.sample_data import Planted, pick, plant, sample_words, write_table

END = datetime(2025, 6, 15, 20)  # the log ends here: most events are still to come
SETTINGS = """# A sample of city: everything in it is invented.
domain = "city"
recommend.rerank = ["city-near"]
data.users = [{{ path = "visitors.csv", columns = {{ id = "visitor" }}, attributes.district.column = "district" }}]
[[data.interactions]]
path = "log.csv"
columns = {{ user = "visitor", item = "event", action = "action", time = "time" }}
[[data.items]]
path = "events.csv"
columns = {{ id = "event", title = "title", description = "description" }}
attributes = {{ {} }}
"""


def planted(seed: int) -> tuple[Planted, list[str], list[str]]:
    """Return who likes what, and the ids of visitors and events in the same order."""
    likes = plant(np.random.default_rng(seed), n_users=120, n_entities=8, n_each=6)
    return likes, [f"v{k + 1:03}" for k in range(120)], [f"e{k + 1:02}" for k in range(48)]


def write(folder: Path, seed: int) -> None:
    """Write log.csv, events.csv, visitors.csv and kgrec.toml into an empty folder."""
    rng, words = np.random.default_rng(seed + 1), sample_words("kgrec_city")
    likes, visitors, ids = planted(seed)
    hosts, events = list(words.hosts.items()), []
    for item, owner in enumerate(likes.owner):
        host, (place, category, price, what, titles) = hosts[owner]
        venue, district, north, east = words.venues[place]
        start = END + timedelta(days=int(rng.random() * 75) - 25, hours=-1 - int(rng.random() * 4))
        last = start + timedelta(days=21 if category == "exhibition" else 0, hours=2)
        weekend = start.strftime("%A") if start.weekday() > 3 else ""  # Friday to Sunday
        row = [start, last, start.hour, f"{start:%H:%M}", weekend]
        row += [f"{50 + north / 111:.4f}", f"{8 + east / 71:.4f}", price or ""]
        events.append([ids[item], titles.pop(0), what + ".", host, venue, district, category, *row])
    attributes = read_domain("kgrec_city").attributes
    write_table(folder / "events.csv", ["event", "title", "description", *attributes], events)
    homes = pick(rng, sorted({venue[1] for venue in words.venues}), len(visitors))
    write_table(folder / "visitors.csv", ["visitor", "district"], zip(visitors, homes, strict=True))
    log = []
    for u, i in np.argwhere(likes.seen | likes.noise):
        when = min(events[i][7], END) - timedelta(minutes=int(rng.random() * 30 * 24 * 60))
        log.append([when, visitors[u], ids[i], *pick(rng, ["booked", "saved"] if likes.seen[u, i] else ["looked"], 1)])
    write_table(folder / "log.csv", ["time", "visitor", "event", "action"], sorted(log))
    read = [
        f'{k} = {{ column = "{k}"' + f', relation = "{a.relation}"' * bool(a.relation) for k, a in attributes.items()
    ]
    (folder / "kgrec.toml").write_text(SETTINGS.format(" }, ".join(read) + " }"), encoding="utf-8")
