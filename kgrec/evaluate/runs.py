"""Runs that a workspace keeps: one JSON file each in ``artifacts/runs``, figures of every user as parquet beside it."""

from __future__ import annotations

import math
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from kgrec.artifacts import read_json, replacing, write_json
from kgrec.errors import CorruptArtifactError, MissingExtraError, NotFoundError, UsageError, UserError
from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.records import (
    FORMAT,
    KeptRun,
    RatingsRecord,
    RecordModel,
    RunRecord,
    SimulationRecord,
    Span,
    TextsRecord,
)
from kgrec.significance import Real, compare, holm
from kgrec.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    import polars as pl

LATEST = "latest"
"""Names the last run; ``latest~1`` the one before it."""
_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
ORPHANED_AFTER = 60.0
"""Seconds after which figures without a record are those of a killed process."""

R = TypeVar("R", bound=RunRecord)


class Runs:
    """The runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, workspace: Workspace) -> Runs:
        """Return the runs of a workspace."""
        return cls(workspace.artifacts / "runs")

    def names(self) -> list[str]:
        """Return the names of the kept runs, oldest first."""
        files = self.folder.glob("*.json") if self.folder.is_dir() else ()
        # Names tell seconds; of two runs within one the file's own time tells which was first.
        return [file.stem for file in sorted(files, key=lambda f: (f.stem[:15], f.stat().st_mtime_ns))]

    def load(self, name: str = LATEST) -> KeptRun[RunRecord]:
        """Return a kept run.

        Args:
            name: its name, a beginning or an end of it that no other run has, ``latest``, ``latest~1``..., or the path
                of a record of another workspace.

        Raises:
            NotFoundError: there is no such run, or several.
            CorruptArtifactError: the record is damaged, or of another version of kgrec.
        """
        if name.endswith(".json"):
            file = Path(name)
            if not file.is_file():
                raise UserError(f"{name} is no file", hint="name a record, or a run that `kgrec runs` lists")
            return _read(file)
        return _read(self.folder / f"{_resolved(self.names(), name)}.json")

    def keep(self, record: R, per_user: pl.DataFrame | None = None) -> KeptRun[R]:
        """Write a run; names sort by time.

        Args:
            record: its figures; the moment of writing is added.
            per_user: figures of every user, or None.
        """
        now = time.time()
        record = record.model_copy(update={"created": now})
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{uuid.uuid4().hex[:6]}"
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            if per_user is not None and per_user.height:
                with replacing(self.folder / f"{name}.parquet") as aside:
                    per_user.write_parquet(aside)
            write_json(self.folder / f"{name}.json", record.to_dict())
        return KeptRun(name, self.folder / f"{name}.json", record)

    def _sweep(self) -> None:
        """Delete figures whose record was never written: its process was killed between the two."""
        for file in self.folder.glob("*.parquet"):
            whole = file.with_suffix(".json").exists() or not _NAME.fullmatch(file.stem)
            if not whole and time.time() - file.stat().st_mtime > ORPHANED_AFTER:
                file.unlink(missing_ok=True)

    def compare(self, a: str, b: str = LATEST) -> RunComparison:
        """Set two kept runs beside each other; differences are ``b - a``.

        Raises:
            UsageError: they cannot be compared.
        """
        return compare_runs(self.load(a), self.load(b))

    def export(self, to: str, out: Path, name: str = LATEST) -> Path:
        """Write a kept run for another tool.

        Args:
            to: ``"tensorboard"`` or ``"mlflow"``.
            out: folder; several runs may be written into one.
            name: see :meth:`load`.

        Raises:
            MissingExtraError: the tool's package is not installed.
        """
        return export_run(self.load(name), to, out)


def _resolved(names: list[str], name: str) -> str:
    if not names:
        raise NotFoundError("no run was kept yet", hint="run `kgrec evaluate`")
    back = re.fullmatch(rf"{LATEST}(?:~(\d+))?", name)
    if back:
        place = int(back[1] or 0)
        if place >= len(names):
            count = "one run is" if len(names) == 1 else f"{len(names)} runs are"
            raise NotFoundError(f"there is no {name}: only {count} kept", hint="`kgrec runs` lists them")
        return names[-1 - place]
    if name in names:
        return name
    near = [known for known in names if name and (known.startswith(name) or known.endswith(name))]
    if len(near) == 1:
        return near[0]
    if near:
        raise NotFoundError(f"{name!r} names {len(near)} runs", hint="one of " + ", ".join(near[:5]))
    raise NotFoundError.of("run", name, [*reversed(names), LATEST])


_RECORDS: TypeAdapter[ListsRecord | RatingsRecord | SimulationRecord | TextsRecord] = TypeAdapter(
    Annotated[ListsRecord | RatingsRecord | SimulationRecord | TextsRecord, Field(discriminator="kind")]
)


def _read(file: Path) -> KeptRun[RunRecord]:
    document: Any = read_json(file)
    if isinstance(document, list) and len(document) == 1:  # what --out writes
        document = document[0]
    again = "evaluate again, or delete the file"
    if not isinstance(document, dict) or "format" not in document:
        raise CorruptArtifactError(f"{file} is no record of a run", hint="name a file that kgrec evaluate wrote")
    if document["format"] != FORMAT:
        raise CorruptArtifactError(f"{file} is a record of another version of kgrec", hint=again)
    try:
        return KeptRun(file.stem, file, _RECORDS.validate_python(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptArtifactError(f"{file} cannot be read: {where}: {first['msg']}", hint=again) from None


PAIRED = "paired"
"""Both runs asked the same users for the same likes: the difference is taken user by user."""

APART = "intervals apart"
TOUCHING = "intervals overlap"
"""The runs asked different questions, so only the intervals of the two means can be held beside each other."""

NO_INTERVAL = "no interval"


class FigureDifference(RecordModel):
    """A figure of a system in two runs.

    Attributes:
        system, metric: what.
        a, b: mean, low and high in each run; low and high are NaN for figures of all lists together.
        difference: of the means, ``b - a``.
        low, high: interval of the difference where it is paired, else NaN.
        p_holm: of the paired permutation test, corrected for all figures of the system; NaN where it is not paired.
        effect: Cohen's d of the paired differences, NaN where it is not paired.
        how: :data:`PAIRED`, :data:`APART`, :data:`TOUCHING` or :data:`NO_INTERVAL`.
    """

    system: str
    metric: str
    a: Span
    b: Span
    difference: Real
    low: Real = math.nan
    high: Real = math.nan
    p_holm: Real = math.nan
    effect: Real = math.nan
    how: str = NO_INTERVAL


class Change(RecordModel):
    """A setting, fingerprint or version that differs; None stands for what a run does not name."""

    what: str
    a: Any
    b: Any


class RunComparison(RecordModel):
    """Two runs beside each other.

    Attributes:
        a, b: names of the runs.
        kind: lists or ratings.
        paired: whether both asked the same users for the same likes and kept every user's figures.
        why_not: why not, or the empty string.
        figures: those that both have.
        changed: settings, data, versions that differ.
        only_a, only_b: systems that the other run does not have.
    """

    a: str
    b: str
    kind: str
    paired: bool
    why_not: str
    figures: tuple[FigureDifference, ...]
    changed: tuple[Change, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()


def compare_runs(a: KeptRun[RunRecord], b: KeptRun[RunRecord]) -> RunComparison:
    """Compare two runs.

    Raises:
        UsageError: they are the same run, of different kinds, of different splits, or have no figure in common.
    """
    one, other = _comparable(a, b)
    systems_a, systems_b = _systems(one), _systems(other)
    users, why_not = _pairing(a, b)
    rng = np.random.default_rng(17)
    figures: list[FigureDifference] = []
    for system in (name for name in systems_a if name in systems_b):
        joined = None if users is None else _joined(users, system)
        found = [
            _difference(system, metric, (figure, systems_b[system][metric]), joined, rng)
            for metric, figure in systems_a[system].items()
            if metric in systems_b[system]
        ]
        corrected = holm([figure.p_holm for figure in found])
        figures += [f.model_copy(update={"p_holm": p}) for f, p in zip(found, corrected, strict=True)]
    if not figures:
        raise UsageError(f"{a.name} and {b.name} have no figure in common", hint="give both the same -k and scorers")
    settings_a, settings_b = _settings(one), _settings(other)
    pairs = {name: (settings_a.get(name), settings_b.get(name)) for name in (*settings_a, *settings_b)}
    return RunComparison(
        a=a.name,
        b=b.name,
        kind=one.kind,
        paired=users is not None,
        why_not=why_not,
        figures=tuple(figures),
        changed=tuple(Change(what=name, a=old, b=new) for name, (old, new) in pairs.items() if old != new),
        only_a=tuple(name for name in systems_a if name not in systems_b),
        only_b=tuple(name for name in systems_b if name not in systems_a),
    )


Comparable = ListsRecord | RatingsRecord


def _comparable(a: KeptRun[RunRecord], b: KeptRun[RunRecord]) -> tuple[Comparable, Comparable]:
    if a.file.resolve() == b.file.resolve():
        raise UsageError(f"both names mean the run {a.name}", hint="name two runs: kgrec compare latest~1 latest")
    records: list[Comparable] = []
    for run in (a, b):
        if not isinstance(run.record, Comparable):
            raise UsageError(f"{run.name} is a run of the kind {run.record.kind!r}, which cannot be compared")
        records.append(run.record)
    one, other = records
    if one.kind != other.kind:
        raise UsageError(
            f"{a.name} judges {one.kind} and {b.name} judges {other.kind}",
            hint="`kgrec runs` shows the kind of each run",
        )
    if one.plan.split != other.plan.split:
        raise UsageError(
            f"{a.name} holds out by {one.plan.split} and {b.name} by {other.plan.split}: "
            "they answer different questions",
            hint=f"kgrec evaluate --split {one.plan.split}",
        )
    return one, other


def _systems(record: Comparable) -> dict[str, dict[str, Span]]:
    """Return the figures of each system or predictor by name."""
    if isinstance(record, RatingsRecord):
        return {p.name: {"RMSE": p.rmse.span, "MAE": p.mae.span} for p in record.predictors}
    return {s.name: {name: s.figure(name) for name in (*s.metrics, *s.overall)} for s in record.judged}


def _pairing(a: KeptRun[RunRecord], b: KeptRun[RunRecord]) -> tuple[tuple[pl.DataFrame, pl.DataFrame] | None, str]:
    """Return the figures of every user of both runs, or None and why they cannot be paired."""
    if not isinstance(a.record, ListsRecord) or not isinstance(b.record, ListsRecord):
        return None, "errors of single users are not kept for predicted ratings"
    if a.record.data.test_set != b.record.data.test_set:
        return None, "they asked different users or hid different likes: other data, share, seeds or feedback settings"
    one, other = a.per_user(), b.per_user()
    if one is None or other is None:
        return None, "the figures of every user are not there any more"
    return (one, other), ""


def _joined(users: tuple[pl.DataFrame, pl.DataFrame], system: str) -> pl.DataFrame:
    """Return the figures of the users whom both runs tested, those of the second with ``_b`` behind their names."""
    import polars as pl

    one, other = (table.filter(pl.col("system") == system).drop("system") for table in users)
    return one.join(other, on="user", how="inner", suffix="_b")


def _difference(
    system: str, metric: str, figures: tuple[Span, Span], users: pl.DataFrame | None, rng: np.random.Generator
) -> FigureDifference:
    one, other = figures
    how = NO_INTERVAL
    if all(math.isfinite(value) for value in (*one, *other)):
        how = TOUCHING if one[1] <= other[2] and other[1] <= one[2] else APART
    found = FigureDifference(system=system, metric=metric, a=one, b=other, difference=other[0] - one[0], how=how)
    if users is None or metric not in users.columns or f"{metric}_b" not in users.columns:
        return found
    before, after = (users[n].cast(float).fill_null(math.nan).to_numpy() for n in (metric, f"{metric}_b"))
    paired = compare(after, before, rng)
    if not paired.n:
        return found
    update = {"difference": paired.difference, "low": paired.low, "high": paired.high, "effect": paired.effect}
    return found.model_copy(update={**update, "p_holm": paired.p, "how": PAIRED})


def _settings(record: RunRecord) -> dict[str, Any]:
    kept = record.model_dump(mode="json", include={"plan", "reproduce"})
    found, how = _flat("plan", kept["plan"]), record.reproduce
    if how is None:
        return found
    data = {f"fingerprint of the {name}": value for name, value in how.data.items()}
    versions = {f"version of {name}": value for name, value in how.versions.items()}
    return {**found, **data, **_flat("", how.config), "device": how.device, "threads": how.threads, **versions}


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Return nested settings by their dotted names."""
    if not isinstance(value, Mapping) or not value:
        return {name: value} if name else {}
    found: dict[str, Any] = {}
    for key, part in value.items():
        found |= _flat(f"{name}.{key}" if name else str(key), part)
    return found


EXPERIMENT = "kgrec"
"""Name of the MLflow experiment."""


def export_run(run: KeptRun[RunRecord], to: str, out: Path) -> Path:
    """Write a run for another tool.

    Args:
        run: the run.
        to: ``"tensorboard"`` or ``"mlflow"``.
        out: folder; further runs may be written beside this one.

    Returns:
        where to point the tool.

    Raises:
        NotFoundError: there is no such tool.
        MissingExtraError: its package is not installed.
        UserError: ``out`` is a file.
    """
    tools = {"tensorboard": _tensorboard, "mlflow": _mlflow}
    if to not in tools:
        raise NotFoundError.of("tool", to, tools)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file", hint="name a folder")
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        tools[to](run, out)
    return out


def scalars(record: RunRecord) -> Iterator[tuple[str, float]]:
    """Yield every figure of every system as ``system/metric``, its interval as ``..._low`` and ``..._high``."""
    if isinstance(record, ListsRecord):
        for system in record.judged:
            for metric in (*system.metrics, *system.overall):
                yield from _spanned(f"{system.name}/{metric}", system.figure(metric))
    if isinstance(record, RatingsRecord):
        for predictor in record.predictors:
            for metric, interval in (("rmse", predictor.rmse), ("mae", predictor.mae)):
                yield from _spanned(f"{predictor.name}/{metric}", interval.span)


def curves(record: RunRecord) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Yield what has steps: learning curves by epoch, figures of the feedback loop by round."""
    if isinstance(record, ListsRecord):
        for curve in record.charts.learning:
            points = [(epoch, value) for epoch, value in curve.points if math.isfinite(value)]
            yield f"learning/{curve.scorer} seed {curve.seed}", points
    if isinstance(record, SimulationRecord):
        for system, figures in record.systems.items():
            for name, values in figures.items():
                rounds = zip(record.rounds, values, strict=True)
                yield f"{system}/{name}", [(step, value) for step, value in rounds if math.isfinite(value)]


def settings(record: RunRecord) -> dict[str, str]:
    """Return plan, data and versions as words by dotted names."""
    how = record.reproduce
    plan = record.model_dump(mode="json", include={"plan"})["plan"]
    parts = {"plan": plan, "data": how.data if how else {}, "version": how.versions if how else {}}
    return {
        f"{part}.{name}": ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for part, values in parts.items()
        for name, value in values.items()
        if value not in (None, [], {})
    }


def _spanned(name: str, value: Span) -> Iterator[tuple[str, float]]:
    for part, number in zip((name, f"{name}_low", f"{name}_high"), value, strict=True):
        if math.isfinite(number):
            yield part, number


def _tensorboard(run: KeptRun[RunRecord], out: Path) -> None:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise MissingExtraError.of("exporting to TensorBoard", "tensorboard") from error
    record, when = run.record, run.record.created
    with SummaryWriter(logdir=str(out / run.name)) as writer:
        for name, value in scalars(record):
            writer.add_scalar(_plain(name), value, 0, walltime=when)
        for name, points in curves(record):
            for step, value in points:
                writer.add_scalar(_plain(name), value, step, walltime=when)
        lines = [f"| {name} | {value} |" for name, value in settings(record).items()]
        writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *lines]), 0, walltime=when)


def _mlflow(kept: KeptRun[RunRecord], out: Path) -> None:
    # MLflow writes to a folder, which needs no server and no database, only where it is told that it may.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is reported to anybody unless somebody wants to
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MissingExtraError.of("exporting to MLflow", "mlflow") from error
    client = MlflowClient(tracking_uri=out.resolve().as_uri())
    known = client.get_experiment_by_name(EXPERIMENT)
    experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
    record = kept.record
    started = int(1000 * record.created)
    run = client.create_run(experiment, start_time=started, run_name=kept.name, tags={"kind": record.kind}).info.run_id
    for name, said in settings(record).items():
        client.log_param(run, _plain(name), said[:500])
    for name, value in scalars(record):
        client.log_metric(run, _plain(name), value, timestamp=started)
    for name, points in curves(record):
        for step, value in points:
            client.log_metric(run, _plain(name), value, timestamp=started, step=step)
    client.log_artifact(run, str(kept.file))
    client.set_terminated(run)


def _plain(name: str) -> str:
    """Return a name that such tools take: ``ndcg@20`` becomes ``ndcg_at_20``."""
    return re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_"))
