"""A sample as data: ``sample.toml`` says what is invented, and the likes are planted so that a test can find them.

People like all items of a few values of one attribute (books of an author, courses of a teacher); some of these likes
are held out. Everything else is drawn.
"""

from __future__ import annotations

import importlib
import itertools
import json
import re
import string
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from kgrec.errors import PluginError
from kgrec.plugin.domain import ACTIONS
from kgrec.plugin.files import read_domain
from kgrec.plugin.sample_data import Planted, order, pick, pick_some, plant, write_table

FILE = "sample.toml"
_KEYS = (
    "users", "each", "liked", "titles", "descriptions", "names_it", "words", "attributes", "people", "actions",
    "hours", "edges",
)  # fmt: skip


def write_sample(target: str, folder: Path, seed: int) -> None:
    """Write a domain's sample, with the kgrec.toml that reads it, into an empty folder.

    Args:
        target: :attr:`kgrec.plugin.Domain.sample`: ``package:sample.toml``, or ``module:function``.
        folder: must exist.
        seed: the same seed writes the same files.

    Raises:
        PluginError: there is no such function or file, or it says what cannot be drawn.
    """
    module, _, name = target.partition(":")
    if name == FILE:
        return _Sample(module, seed).write(folder)
    try:
        write = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"the sample {target!r} cannot be imported: {error}") from error
    write(folder, seed)
    return None


def planted_likes(package: str, seed: int) -> dict[str, dict[str, str]]:
    """Return what everybody likes beyond the sample: user -> item -> ``warm``, ``graph`` or ``text``.

    ``warm`` items have been touched by others; of the other ones only the graph or only the text tells whose they are.
    """
    sample = _Sample(package, seed)
    return sample.planted.held_out(sample.users, sample.items)


class _Sample:
    """What is drawn, in an order that does not depend on what is written.

    Args:
        package: in which ``sample.toml`` lies.
        seed: of everything drawn.
    """

    def __init__(self, package: str, seed: int) -> None:
        self.domain = read_domain(package)
        try:
            self.told = tomllib.loads(files(package).joinpath(FILE).read_text(encoding="utf-8"))
            unknown = [key for key in self.told if key not in _KEYS]
            if unknown:
                raise ValueError(f"there is no {unknown[0]!r}; there are {', '.join(_KEYS)}")
            self.values: dict[str, Any] = self.told["attributes"]
            self.liked: str = self.told["liked"]
            self.entities: list[str] = self.values[self.liked]
            self.rng = np.random.default_rng(seed)
            self.planted: Planted = plant(
                self.rng,
                n_users=self.told.get("users", 150),
                n_entities=len(self.entities),
                n_each=self.told.get("each", 6),
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise PluginError(f"{package}: {FILE}: {error}", hint="see docs/plugins.md") from None
        n_users, n_items = self.planted.seen.shape
        self.users = [f"u{k:03d}" for k in range(1, n_users + 1)]
        self.items = [f"i{k:03d}" for k in range(1, n_items + 1)]

    def write(self, folder: Path) -> None:
        cells = self._attributes()
        titles = self._titles()
        texts = self._descriptions([chosen for _, chosen in titles], cells)
        columns = {"id": self.items, "title": [title for title, _ in titles], "description": texts, **cells}
        _table(folder / "items.csv", columns)
        people = {name: _drawn(self.rng, told, len(self.users)) for name, told in self.told.get("people", {}).items()}
        _table(folder / "users.csv", {"id": self.users, **people})
        words = self._events(folder)
        edges = self._edges(folder, cells)
        settings = self._settings(cells, people, words, edges=edges)
        (folder / "kgrec.toml").write_text(settings, encoding="utf-8", newline="\n")
        held = self.planted.held_out(self.users, self.items)
        rows = [(user, item, kind) for user, liked in held.items() for item, kind in liked.items()]
        write_table(folder / "holdout.tsv", ("user", "item", "kind"), rows, delimiter="\t")

    def _attributes(self) -> dict[str, list[str]]:
        """Draw the columns of the catalogue; what people like stands there where it was planted to."""
        drawn = {
            name: _drawn(self.rng, told, len(self.items)) for name, told in self.values.items() if name != self.liked
        }
        owner = [self.entities[k] for k in self.planted.owner]
        own = [name if there else "" for name, there in zip(owner, self.planted.in_column, strict=True)]
        return {self.liked: own, **drawn}

    def _titles(self) -> list[tuple[str, dict[str, str]]]:
        """Draw a title of its own for each item; returned with the words that it is made of."""
        words: Mapping[str, list[str]] = self.told.get("words", {})
        made: dict[str, dict[str, str]] = {}
        for template in self.told["titles"]:
            slots = [name for _, name, _, _ in string.Formatter().parse(template) if name]
            for chosen in itertools.product(*(words[slot] for slot in slots)):
                row = dict(zip(slots, chosen, strict=True))
                made.setdefault(template.format(**row), row)
        told = list(made.items())
        if len(told) < len(self.items):
            raise PluginError(
                f"{FILE}: titles and words make {len(told)} titles, {len(self.items)} are needed", hint="add words"
            )
        return [told[k] for k in order(self.rng, len(told))[: len(self.items)]]

    def _descriptions(self, titles: Sequence[Mapping[str, str]], cells: Mapping[str, list[str]]) -> list[str]:
        """Draw descriptions, which may speak of the words of the title, of others, and of the row's attributes."""
        n = len(self.items)
        words = {name: pick(self.rng, some, n) for name, some in self.told.get("words", {}).items()}
        templates = pick(self.rng, self.told["descriptions"], n)
        found = []
        for k, template in enumerate(templates):
            row = {name: some[k] for name, some in [*words.items(), *cells.items()]}
            text = template.format(**{**row, **titles[k]})
            text = text[:1].upper() + text[1:]
            entity = self.entities[self.planted.owner[k]]
            found.append(f"{text} {self.told['names_it'].format(entity)}" if self.planted.in_text[k] else text)
        return found

    def _events(self, folder: Path) -> list[str]:
        """Write what people did, in the order of time, with what logs are full of; return the words for actions."""
        shares: Mapping[str, float] = self.told.get("actions", {"view": 0.7, "like": 0.3})
        users, items = np.nonzero(self.planted.seen | self.planted.noise)
        bounds = np.cumsum(list(shares.values()))
        liked = self.planted.seen[users, items]
        draws = np.where(liked, self.rng.random(len(users)), 0) * bounds[-1]  # what is not liked gets the first word
        words = [list(shares)[min(int(k), len(shares) - 1)] for k in np.searchsorted(bounds, draws, side="right")]
        low, high = self.told.get("hours", (0, 24))
        days, hours = np.floor(self.rng.random(len(users)) * 60), low + self.rng.random(len(users)) * (high - low)
        begin = datetime(2024, 3, 1, tzinfo=UTC)
        moments = [begin + timedelta(days=float(d), seconds=int(h * 3600)) for d, h in zip(days, hours, strict=True)]
        rows: list[tuple[str, ...]] = [
            (self.users[users[k]], self.items[items[k]], words[k], f"{moments[k]:%Y-%m-%dT%H:%M:%SZ}")
            for k in np.argsort(np.array(moments), kind="stable")
        ]
        user, item, word, at = rows[0]
        rows += [rows[0], ("", item, word, at), (user, item, word, "yesterday"), (user, "i999", word, at)]
        write_table(folder / "events.csv", ("user", "item", "action", "time"), rows)
        return list(shares)

    def _edges(self, folder: Path, cells: Mapping[str, list[str]]) -> bool:
        """Write the graph: whose the items are, where that was planted, and what ``[[edges]]`` adds."""
        relation = self.domain.attributes[self.liked].relation
        owner = [self.entities[k] for k in self.planted.owner]
        rows = [
            (item, relation, owner[k]) for k, item in enumerate(self.items) if self.planted.in_graph[k] and relation
        ]
        for told in self.told.get("edges", ()):
            heads, tails = (self._ends(told[end], cells) for end in ("from", "to"))
            share = self.rng.random(len(heads)) < told.get("share", 1.0)
            drawn = pick(self.rng, tails, len(heads)) if tails != self.items else self._earlier(owner)
            rows += [
                (head, told["relation"], tail)
                for head, tail, there in zip(heads, drawn, share, strict=True)
                if there and tail and head != tail
            ]
        if not rows:
            return False
        nodes = {*self.items, *self.users}
        names = dict.fromkeys(end for head, _, tail in rows for end in (head, tail) if end not in nodes)
        ids = {name: f"e{k:03d}" for k, name in enumerate(names, 1)}
        known = [(ids.get(head, head), told, ids.get(tail, tail)) for head, told, tail in rows]
        write_table(folder / "graph.tsv", ("head", "relation", "tail"), known, delimiter="\t")
        write_table(folder / "names.tsv", ("entity", "name"), [(ids[name], name) for name in names], delimiter="\t")
        return True

    def _ends(self, name: str | list[str], cells: Mapping[str, list[str]]) -> list[str]:
        if isinstance(name, list):
            return name
        known = {"items": self.items, "users": self.users}
        if name in known:
            return known[name]
        return sorted({part for cell in cells[name] for part in cell.split("|") if part})

    def _earlier(self, owner: Sequence[str]) -> list[str]:
        """Return for each item the one before it of the same value, or nothing: a series, what must come first."""
        last: dict[str, str] = {}
        found = []
        for item, name in zip(self.items, owner, strict=True):
            found.append(last.get(name, ""))
            last[name] = item
        return found

    def _settings(
        self, cells: Mapping[str, Any], people: Mapping[str, Any], words: Sequence[str], *, edges: bool
    ) -> str:
        def attributes(names: Mapping[str, Any], *, of_items: bool) -> str:
            lines = []
            for name in names:
                known = self.domain.attributes.get(name) if of_items else None
                told = {"column": name}
                if known is not None and known.relation:
                    told |= {"separator": "|", "relation": known.relation}
                lines.append(f"{name} = {_inline(told)}")
            return "\n".join(lines) + "\n"

        known = {word: self.domain.action_words.get(word) or (word if word in ACTIONS else "view") for word in words}
        text = f'# A sample of {self.domain.name}: everything in it is invented.\ndomain = "{self.domain.name}"\n\n'
        text += '[[data.interactions]]\npath = "events.csv"\n'
        text += 'columns = { user = "user", item = "item", action = "action", time = "time" }\n'
        text += f'actions = {_inline(known)}\n\n[[data.items]]\npath = "items.csv"\n'
        text += 'columns = { id = "id", title = "title", description = "description" }\n[data.items.attributes]\n'
        text += attributes(cells, of_items=True) + '\n[[data.users]]\npath = "users.csv"\ncolumns = { id = "id" }\n'
        text += "[data.users.attributes]\n" + attributes(people, of_items=False) if people else ""
        if edges:
            text += '\n[[data.triples]]\npath = "graph.tsv"\n'
            text += 'columns = { head = "head", relation = "relation", tail = "tail" }\n'
            text += 'names = { path = "names.tsv", columns = { entity = "entity", name = "name" } }\n'
        return text


def _inline(table: Mapping[str, str]) -> str:
    """Return a table of texts as TOML in a line."""
    keys = (key if re.fullmatch("[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False) for key in table)
    values = (json.dumps(value, ensure_ascii=False) for value in table.values())
    return f"{{ {', '.join(f'{key} = {value}' for key, value in zip(keys, values, strict=True))} }}"


def _drawn(rng: np.random.Generator, told: Any, n: int) -> list[str]:
    """Draw a column: one of a list, up to ``most`` of ``values``, whole numbers or dates from ``low`` to ``high``."""
    if isinstance(told, list):
        return pick(rng, [str(value) for value in told], n)
    if "values" in told:
        counts = 1 + np.floor(rng.random(n) * told.get("most", 1)).astype(np.int64)
        rows = pick_some(rng, [str(value) for value in told["values"]], n, told.get("most", 1))
        return ["|".join(row[:count]) for row, count in zip(rows, counts, strict=True)]
    low, high = told["low"], told["high"]
    if isinstance(low, date):
        return [str(low + timedelta(days=int(k))) for k in np.floor(rng.random(n) * ((high - low).days + 1))]
    return [str(int(k)) for k in np.floor(low + rng.random(n) * (high - low + 1))]


def _table(file: Path, columns: Mapping[str, Sequence[str]]) -> None:
    write_table(file, list(columns), zip(*columns.values(), strict=True))
