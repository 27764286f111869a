"""Draw texts for people to read: one a line, with room for two verdicts; and count verdicts of sheets that were read.

    python benchmarks/reading.py draw WORKSPACE --seed 1 --texts 100 --lang en --out sheet.tsv
    python benchmarks/reading.py count benchmarks/prose/read.tsv

Kinds, readers, tones and items are drawn evenly. ``send``: would you send it as it is? ``true``: is it true,
and not odd? Each is y or n.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import polars as pl

import kgrec
from kgrec.evaluate.responses import wilson
from kgrec.generate.kinds import kinds_of

COLUMNS = ("set", "lang", "kind", "tone", "user", "items", "text", "send", "true", "why")
TONES = ("neutral", "neutral", "neutral", "warm", "playful", "formal")


def draw(workspace: Path, lang: str, n: int, seed: int, model: str = "template") -> pl.DataFrame:
    """Write ``n`` texts of kinds, readers, tones and items drawn by ``seed``."""
    project, chance = kgrec.open(workspace), random.Random(seed)
    users, items = (project.dataset.users["user_id"].to_list(), project.dataset.items)
    named = items.filter(items["title"].is_not_null())["item_id"].to_list()
    kinds = {name: kind for name, kind in kinds_of(project.domain).items() if not kind.approved}
    rows: list[tuple[str, ...]] = []
    for k in range(n):
        name = list(kinds)[k % len(kinds)]
        kind, user, tone = kinds[name], chance.choice(users), chance.choice(TONES)
        about = {} if kind.personal else {"item": chance.choice(named)}
        (text,) = project.generate(
            user if kind.personal else None, kind=name, language=lang, tone=tone, model=model, seed=seed, **about
        )[:1] or [None]
        if text is not None:
            said = text.text.replace("\n", " / ")
            rows.append((workspace.name, lang, name, tone, text.user_id, " ".join(text.item_ids), said, "", "", ""))
    return pl.DataFrame(rows, schema=list(COLUMNS), orient="row")


def main() -> None:
    """Draw a sheet, or count verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("draw", "count"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--lang", default="en")
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="template")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.what == "draw":
        draw(asked.path, asked.lang, asked.texts, asked.seed, asked.model).write_csv(asked.out, separator="\t")
        return
    read = pl.read_csv(asked.path, separator="\t", infer_schema=False, quote_char=None)
    for group in read.partition_by("set", "lang", maintain_order=True):
        told = [f"{group['set'][0]} {group['lang'][0]}: {group.height} texts"]
        for name in ("send", "true"):
            good = int((group[name] != "n").sum())
            reach = wilson(good, group.height)
            told.append(f"{name} {good / group.height:.0%} ({reach.low:.0%} to {reach.high:.0%})")
        print(", ".join(told))


if __name__ == "__main__":
    main()
