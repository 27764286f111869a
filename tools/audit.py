"""Checks of what kgrec depends on: ``python tools/audit.py licences|hashes``. `make audit` runs both, and pip-audit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from email.message import Message
from importlib.metadata import distributions
from pathlib import Path

HERE = Path(__file__).resolve().parent
PINNED = HERE / "pinned_packages.toml"

COPYLEFT = re.compile(r"\b(?:A|L)?GPL|General Public|Affero|EUPL|SSPL|OSL-|CC-BY-(?:NC|SA)|Sleepycat|CeCILL", re.I)
"""Licences that reach beyond the files they stand in. MPL-2.0 does not: certifi, hypothesis, pathspec."""
FREE = re.compile(
    r"\b(?:MIT|BSD|0BSD|Apache|ISC|PSF|Python Software|Zlib|Unlicense|CC0|MPL|HPND|W3C"
    r"|Mozilla Public License 2|Public.Domain)\b",
    re.I,
)
READ = {"owlrl": "W3C"}
"""Packages whose metadata names no licence; what the text in the package says."""


def licence_of(metadata: Message) -> str:
    """Return the licence that a package states."""
    stated = metadata.get("License-Expression")
    classes = [c.rsplit(" :: ", 1)[-1] for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    said = (metadata.get("License") or "").strip().splitlines()
    return stated or "; ".join(c for c in classes if c != "OSI Approved") or (said[0][:100] if said else "")


def wrong_licences(packages: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a complaint for each package (name and stated licence) that Apache-2.0 cannot be shipped with."""
    for name, stated in packages:
        licence = READ.get(name.lower(), stated)
        offered = [part for part in re.split(r"\s+OR\s+", licence) if not COPYLEFT.search(part)]
        if not offered:
            yield f"{name}: {licence} is copyleft"
        elif not FREE.search(" ".join(offered)):
            yield f"{name}: its licence {licence!r} is not known; read it and add it to READ or FREE"


def changed_files(pinned: dict[str, dict[str, str]]) -> Iterator[str]:
    """Yield a complaint for each pinned package whose file on the index is another than the one that was looked at."""
    for name, known in pinned.items():
        wanted = f"{name}=={known['version']}"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "-q", "--ignore-installed", "--no-deps"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--report", "-", wanted],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            yield f"{wanted}: not on the index any more; instead: {known['fallback']}"
            continue
        found = json.loads(done.stdout)["install"][0]["download_info"]
        file, digest = found["url"].rsplit("/", 1)[-1], found["archive_info"]["hashes"]["sha256"]
        if file == known["file"] and digest != known["sha256"]:
            yield f"{wanted}: {file} is not the file that was looked at ({digest}); instead: {known['fallback']}"


def main() -> int:
    """Run the check that is asked for and return 1 where it complains."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else "licences"
    if wanted == "hashes":
        problems = list(changed_files(tomllib.loads(PINNED.read_text(encoding="utf-8"))))
    else:
        problems = list(wrong_licences((d.metadata["Name"], licence_of(d.metadata)) for d in distributions()))
    print("\n".join(problems) or f"{wanted}: nothing wrong")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
