"""Build the distributions, check them, install them into an empty environment elsewhere and try them: `make dist`.

``python tools/release.py`` writes wheels and sdists of kgrec and its domains into dist/; ``--python PYTHON`` tries them
with another interpreter, ``--only-build`` installs nothing. Wheels are built from the sdists, so both are whole or
both fail.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = (".", *sorted(f"plugins/{path.name}" for path in (ROOT / "plugins").glob("kgrec-*")))
MAX_BYTES = 2_000_000
BUILD = "from setuptools import build_meta as b; import sys; b.build_{kind}(sys.argv[1])"
TOUR = """
kgrec --version
python -m kgrec plugins --check
kgrec init films --domain video
kgrec build-graph -w films
kgrec graph validate -w films
kgrec train -w films --only popularity,item-knn,ease
kgrec recommend u001 -w films -n 3 --explain
kgrec recommend --all -w films --out lists.csv
kgrec explain u001 f062 -w films
kgrec generate u001 -w films
kgrec generate u001 -w films --language zh --kind push
kgrec evaluate -w films --only popularity --html report.html
kgrec check -w films
kgrec doctor -w films
kgrec graph export films.ttl -w films
kgrec plugins new domain atlas
pip install -q --no-deps ./kgrec-atlas
kgrec plugins show atlas
"""
AGAIN = "kgrec --version\nkgrec recommend u001 -w films -n 3 --explain\nkgrec generate u001 -w films\n"


def tracked(project: str) -> list[str]:
    """Return the files of a project that git knows, or all where there is no git."""
    done = subprocess.run(["git", "ls-files", "."], cwd=ROOT / project, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [name for name in done.stdout.splitlines() if (ROOT / project / name).is_file()]
    return [p.relative_to(ROOT / project).as_posix() for p in (ROOT / project).rglob("*") if p.is_file()]


def build(out: Path) -> list[Path]:
    """Build an sdist of each project, and a wheel from it; return the files."""
    out.mkdir(parents=True, exist_ok=True)
    for project in PROJECTS:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source"
            for name in tracked(project):
                if project != "." or not name.startswith(("plugins/", "tests/", "benchmarks/", "graphs/")):
                    (source / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / project / name, source / name)
            shutil.copy(ROOT / "LICENSE", source / "LICENSE")
            sdists = Path(folder) / "sdist"
            _python(source, "sdist", sdists)
            (sdist,) = sdists.glob("*.tar.gz")
            with tarfile.open(sdist) as archive:
                archive.extractall(folder, filter="data")
            _python(Path(folder) / sdist.name.removesuffix(".tar.gz"), "wheel", out)
            shutil.copy(sdist, out / sdist.name)
    return sorted(out.iterdir())


def _python(source: Path, kind: str, out: Path) -> None:
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-c", BUILD.format(kind=kind), str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"building the {kind} of {source} failed:\n{done.stderr[-3000:]}")


def problems(out: Path) -> Iterator[str]:
    """Yield what is wrong with the distributions in a folder."""
    for project in PROJECTS:
        name = "kgrec" if project == "." else Path(project).name.replace("-", "_")
        wheels, sdists = list(out.glob(f"{name}-[0-9]*.whl")), list(out.glob(f"{name}-[0-9]*.tar.gz"))
        if len(wheels) != 1 or len(sdists) != 1:
            yield f"{name}: {len(wheels)} wheels and {len(sdists)} sdists"
            continue
        size = wheels[0].stat().st_size
        if size > MAX_BYTES:
            yield f"{wheels[0].name} has {size:,} bytes, more than {MAX_BYTES:,}"
        with zipfile.ZipFile(wheels[0]) as wheel:
            inside = set(wheel.namelist())
            told = Parser().parsestr(wheel.read(f"{wheels[0].name.split('-py3')[0]}.dist-info/METADATA").decode())
        wanted = {file for file in tracked(project) if file.startswith(f"{name}/")}
        yield from (f"{wheels[0].name} lacks {file}" for file in sorted(wanted - inside))
        extra = {file for file in inside - wanted if ".dist-info/" not in file}
        yield from (f"{wheels[0].name} holds {file}, which is not in the repository" for file in sorted(extra))
        if not any(file.endswith("licenses/LICENSE") for file in inside):
            yield f"{wheels[0].name} holds no licence"
        if told["License-Expression"] != "Apache-2.0":
            yield f"{wheels[0].name} states the licence {told['License-Expression']!r}"
        if f"{name}/py.typed" not in inside:
            yield f"{wheels[0].name} has no py.typed"
        if project == "." and (told["Description-Content-Type"] or "") != "text/markdown":
            yield f"{wheels[0].name} does not show the README"


def try_out(out: Path, python: str, folder: Path) -> None:
    """Install the wheel into an empty environment in ``folder``, go the tour there, then again with the sdist."""
    run([python, "-m", "venv", str(folder / "venv")], folder, dict(os.environ))
    path = f"{folder / 'venv' / 'bin'}:/usr/bin:/bin"
    around = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "KGREC"))}
    around |= {"PATH": path, "XDG_CONFIG_HOME": str(folder / "config")}
    pip = ["pip", "install", "-q", "--disable-pip-version-check", "--find-links", str(out)]
    work = folder / "work"
    work.mkdir()
    domains = ",".join(Path(project).name.removeprefix("kgrec-") for project in PROJECTS if project != ".")
    run([*pip, f"kgrec[{domains},testing]", "setuptools>=77"], work, around)
    here = "import kgrec, pathlib, sys; assert sys.prefix in kgrec.__file__, kgrec.__file__"
    run(["python", "-c", here], work, around)
    for line in TOUR.strip().splitlines():
        run(line.replace("-q --no-deps", "-q --no-deps --no-build-isolation").split(), work, around)
    run(["python", "-m", "pytest", "-q", "kgrec-atlas"], work, around)
    for sdist in sorted(out.glob("*.tar.gz")):
        run([*pip, "--no-deps", "--no-build-isolation", "--force-reinstall", str(sdist)], work, around)
    for line in AGAIN.strip().splitlines():
        run(line.split(), work, around)


def run(command: Iterable[str], folder: Path, around: dict[str, str]) -> None:
    """Run a command, show it, and end with what it said when it fails."""
    command = list(command)
    print("$", " ".join(command), flush=True)
    program = shutil.which(command[0], path=around["PATH"]) or command[0]
    done = subprocess.run([program, *command[1:]], cwd=folder, env=around, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")


def main() -> None:
    """Do it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter to try them with")
    parser.add_argument("--only-build", action="store_true", help="install nothing")
    given = parser.parse_args()
    out = ROOT / "dist"
    shutil.rmtree(out, ignore_errors=True)
    for file in build(out):
        print(f"{file.name}  {file.stat().st_size:,} bytes")
    if found := list(problems(out)):
        raise SystemExit("\n".join(found))
    if not given.only_build:
        with tempfile.TemporaryDirectory(prefix="kgrec-release-") as folder:
            try_out(out, given.python, Path(folder))
    print("the distributions are in dist/")


if __name__ == "__main__":
    main()
