"""Writes the sample: eight circles of an invented network, each with two people whom all of it follows."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from kgrec.plugin.sample_data import Planted, order, pick, plant, sample_words, write_table

END = datetime(2025, 6, 15, 20)
PEOPLE, NEW = 120, 20  # the last of them came lately: they follow people and have liked nothing yet
SETTINGS = """# A sample of social: everything in it is invented.
domain = "social"
recommend.rerank = ["social-follows"]
[[data.interactions]]
path = "log.csv"
columns = { user = "person", item = "post", action = "action", time = "time" }
[[data.items]]
path = "posts.csv"
columns = { id = "post", title = "title", description = "body" }
attributes.author = { column = "author", relation = "written_by" }
attributes.topic = { column = "topic", relation = "about" }
attributes.liked_by = { column = "liked_by", separator = "|", relation = "liked_by" }
[[data.users]]
path = "people.csv"
columns = { id = "person" }
attributes.account = { column = "person" }
attributes.follows = { column = "follows", separator = "|", relation = "follows" }
"""


def planted(seed: int) -> tuple[Planted, np.ndarray, list[str], list[str]]:
    """Return tastes and likes, who follows whom (n, n), ids of people and of posts; persons 2c, 2c+1 lead circle c."""
    rng, words = np.random.default_rng(seed), sample_words("kgrec_social")
    names = [f"{first} {last}" for last in words.last for first in words.first]
    people = [names[k].lower().replace(" ", ".") for k in order(rng, len(names))[:PEOPLE]]
    likes = plant(rng, n_users=PEOPLE, n_entities=8, n_each=6)
    leads = np.repeat(np.eye(8, dtype=bool), 2, axis=0)  # (16, circles)
    likes.fan[:16] |= leads
    likes.seen[:16] |= leads[:, likes.owner] & ~likes.cold
    likes.seen[-NEW:] = likes.noise[-NEW:] = False
    follows = np.zeros((PEOPLE, PEOPLE), dtype=bool)
    follows[:, :16] = likes.fan @ leads.T
    follows[np.arange(PEOPLE), order(rng, PEOPLE)] = True  # and somebody else
    np.fill_diagonal(follows, False)
    return likes, follows, people, [f"n{k + 1:02}" for k in range(48)]


def write(folder: Path, seed: int) -> None:
    """Write log.csv, posts.csv, people.csv and kgrec.toml into an empty folder."""
    rng, circles = np.random.default_rng(seed + 1), list(sample_words("kgrec_social").circles.items())
    likes, follows, people, ids = planted(seed)
    shown = [person.replace(".", " ").title() for person in people]
    posts, since = [], []
    for item, owner in enumerate(likes.owner):
        topic, (body, titles) = circles[owner]
        fans = [k for k in np.argsort(np.arange(16) // 2 != owner, kind="stable") if likes.seen[k, item]]
        author = shown[16 + owner]
        posts.append([ids[item], titles.pop(0), body + ".", author, topic, "|".join(shown[k] for k in fans[:3])])
        since.append(END - timedelta(days=60 - item))
    write_table(folder / "posts.csv", ["post", "title", "body", "author", "topic", "liked_by"], posts)
    followed = ["|".join(people[k] for k in np.flatnonzero(row)) for row in follows]
    write_table(folder / "people.csv", ["person", "follows"], zip(people, followed, strict=True))
    log = [[END - timedelta(minutes=int(rng.random() * 300)), people[k], ids[k], "opened"] for k in range(-NEW, 0)]
    for u, i in np.argwhere(likes.seen | likes.noise):
        action = pick(rng, ["hearted", "boosted"] if likes.seen[u, i] else ["opened"], 1)[0]
        log.append([since[i] + timedelta(minutes=int(rng.random() * 17000)), people[u], ids[i], action])
    write_table(folder / "log.csv", ["time", "person", "post", "action"], sorted(log))
    (folder / "kgrec.toml").write_text(SETTINGS, encoding="utf-8")
