"""Do two checkouts recommend, explain and write the same? Each runs through its own command line on the same data.

usage: python benchmarks/compare_checkouts.py OLD NEW [--datasets NAME ...] [--users 8] [--renamed OLD=NEW ...]

OLD and NEW are folders of checkouts, each with its environment in .venv. Every dataset is built, trained and ranked by
both; what a checkout has answered is kept under DIR/DATASET/SIDE and not asked again (remove the folder to ask again).
Names that changed on purpose are told by --renamed; fields that only NEW has are let be.
Prints one row a dataset: share of places with the same item, largest difference of scores, share of equal reasons,
explanations and texts; and exits with 1 where less than 99.9 % of the places are the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters import ROOT, prepare

SAMPLES = {"video": "sample-video", "news": "sample-news", "ecommerce": "sample-ecommerce"}
KINDS = {
    "video": ("blurb", "summary", "tag-line", "why-watch"),
    "news": ("digest", "headline", "push", "summary"),
    "ecommerce": ("ad-line", "copy", "promotion", "summary", "why-buy"),
}
DATASETS = (*SAMPLES.values(), "ml-100k", "lastfm")
SAME = 0.999
CLOSE = 1e-4
"""Relative difference of figures below which they count as the same (float32 sums in another order)."""


class Checkout:
    """One side: runs kgrec in its own environment, one process a command."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.workspace = folder / "workspace"

    def kgrec(self, *arguments: str) -> str:
        command = [str(self.root / ".venv" / "bin" / "python"), "-m", "kgrec", *arguments, "-w", str(self.workspace)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(arguments)}\n{done.stderr}")
        if done.returncode:
            raise SystemExit(f"error: {' '.join(command)} failed\n{done.stderr[-3000:]}")
        return done.stdout

    def kept(self, name: str, *arguments: str) -> Path:
        """Return the output file ``name`` of a command that takes ``--out``."""
        file = self.folder / name
        if not file.exists():
            part = file.with_name(f"part-{name}")
            part.unlink(missing_ok=True)
            self.kgrec(*arguments, "--out", str(part))
            part.replace(file)
        return file

    def json(self, name: str, *arguments: str) -> Any:
        """Return what a command prints as JSON."""
        file = self.folder / name
        if not file.exists():
            file.write_text(self.kgrec(*arguments, "--format", "json", "-q"), encoding="utf-8")
        return json.loads(file.read_text(encoding="utf-8"))

    def build(self, dataset: str) -> None:
        if (self.folder / "trained").exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        domain = next((name for name, called in SAMPLES.items() if called == dataset), None)
        if domain is not None:
            shutil.copytree(ROOT / "graphs" / "samples" / domain, self.workspace)
        else:
            prepared = prepare(dataset, self.workspace / "data")
            config = prepared.config.replace('path = "', 'path = "data/')
            (self.workspace / "kgrec.toml").write_text(config, encoding="utf-8")
        self.kgrec("build-graph")
        self.kgrec("train")
        (self.folder / "trained").touch()

    def answers(self, dataset: str, n_users: int) -> dict[str, dict[Any, Any]]:
        """Return lists, scores, reasons, explanations and texts, each by what was asked."""
        lists: dict[Any, Any] = {}
        scores: dict[Any, Any] = {}
        for row in _rows(self.kept("lists.jsonl", "recommend", "--all", "-n", "20")):
            lists[row["user_id"], row["rank"]] = row["item_id"]
            scores[row["user_id"], row["rank"]] = row["score"]
        users = sorted({user for user, _ in lists})
        users = users[:: max(1, len(users) // n_users)][:n_users]
        reasons: dict[Any, Any] = {}
        explanations: dict[Any, Any] = {}
        for k, user in enumerate(users):
            reasons[user] = self.json(f"reasons-{k}.json", "recommend", user, "-n", "10", "--explain")
            for rank in (1, 20):
                asked = ("explain", user, lists[user, rank], "--counterfactual")
                explanations[user, rank] = self.json(f"explain-{k}-{rank}.json", *asked)
        texts: dict[Any, Any] = {}
        domain = next((name for name, called in SAMPLES.items() if called == dataset), None)
        for kind in KINDS.get(domain or "", ()):
            for language in ("en", "zh"):
                asked = ("generate", "--all", "-k", kind, "--lang", language)
                for row in _rows(self.kept(f"texts-{kind}-{language}.jsonl", *asked)):
                    about = (row.get("user_id"), tuple(row.get("item_ids") or [row.get("item_id")]))
                    texts[kind, language, *about] = row["text"]
        return {"lists": lists, "scores": scores, "reasons": reasons, "explanations": explanations, "texts": texts}


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def renamed(value: Any, names: dict[str, str]) -> Any:
    """Return a JSON value with texts and keys by their new names."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def alike(a: Any, b: Any) -> bool:
    """Say whether two JSON values are the same but for the last digits and fields that only ``b`` has."""
    if isinstance(a, float) or isinstance(b, float):
        if not isinstance(a, int | float) or not isinstance(b, int | float):
            return False
        return abs(a - b) <= CLOSE * max(1.0, abs(a), abs(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() <= b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def share(old: dict[Any, Any], new: dict[Any, Any]) -> float:
    """Return the share of questions that got the same answer; NaN where nothing was asked."""
    asked = old.keys() | new.keys()
    missing = object()
    return sum(alike(old.get(q, missing), new.get(q, missing)) for q in asked) / len(asked) if asked else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--renamed", nargs="+", default=[], metavar="OLD=NEW", help="names that changed on purpose")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "compare")
    arguments = parser.parse_args()
    failed = False
    print(f"{'dataset':18} {'places':>9} {'scores':>9} {'reasons':>9} {'explained':>9} {'texts':>9}")
    for dataset in arguments.datasets:
        found = []
        for side, root in (("old", arguments.old), ("new", arguments.new)):
            checkout = Checkout(root.resolve(), (arguments.folder / dataset / side).resolve())
            checkout.build(dataset)
            found.append(checkout.answers(dataset, arguments.users))
        names = dict(pair.split("=", 1) for pair in arguments.renamed)
        old, new = {part: {key: renamed(v, names) for key, v in found[0][part].items()} for part in found[0]}, found[1]
        places = share(old["lists"], new["lists"])
        differences = [abs(old["scores"][q] - new["scores"][q]) for q in old["scores"].keys() & new["scores"].keys()]
        shares = [share(old[part], new[part]) for part in ("reasons", "explanations", "texts")]
        print(f"{dataset:18} {places:9.4%} {max(differences):9.2g} " + " ".join(f"{value:9.2%}" for value in shares))
        failed |= places < SAME
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
