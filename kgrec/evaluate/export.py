"""Kept runs for other tools, each of them an extra: TensorBoard event files, an MLflow tracking folder."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from kgrec.errors import MissingExtraError, NotFoundError, UserError
from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.records import KeptRun, RatingsRecord, RunRecord, SimulationRecord, Span
from kgrec.workspace import storage_errors

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
