"""Kept runs for other tools, each of them an extra: TensorBoard event files, an MLflow tracking folder."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kgrec.errors import MissingExtraError, NotFoundError, UserError
from kgrec.evaluate.records import RunRecord
from kgrec.report.record import interval, judged, mapping, real, reals, rows
from kgrec.workspace import storage_errors

EXPERIMENT = "kgrec"
"""Name of the MLflow experiment."""


def export_run(record: RunRecord, to: str, out: Path) -> Path:
    """Write a run for another tool.

    Args:
        record: the run.
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
        tools[to](record, out)
    return out


def scalars(document: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield every figure of every system as ``system/metric``, its interval as ``..._low`` and ``..._high``."""
    for system in judged(document):
        name = str(system.get("name"))
        for metric, value in mapping(system.get("metrics")).items():
            yield from _spanned(f"{name}/{metric}", interval(value))
        for metric, value in mapping(system.get("overall")).items():
            yield from _spanned(f"{name}/{metric}", (real(value), math.nan, math.nan))
    for predictor in rows(document.get("predictors")):
        for metric in ("rmse", "mae"):
            yield from _spanned(f"{predictor.get('name')}/{metric}", interval(predictor.get(metric)))


def curves(document: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Yield what has steps: learning curves by epoch, figures of the feedback loop by round."""
    for curve in rows(mapping(document.get("pictures")).get("learning")):
        pairs = [reals(point) for point in curve.get("points") or ()]
        points = [(int(pair[0]), pair[1]) for pair in pairs if len(pair) == 2 and math.isfinite(pair[1])]
        yield f"learning/{curve.get('scorer')} seed {curve.get('seed')}", points
    for system, figures in mapping(mapping(document.get("replay")).get("systems")).items():
        for name, values in mapping(figures).items():
            rounds = enumerate(reals(values), start=1)
            yield f"{system}/{name}", [(step, value) for step, value in rounds if math.isfinite(value)]


def settings(document: Mapping[str, Any]) -> dict[str, str]:
    """Return plan, data and versions as words by dotted names."""
    reproduce = mapping(document.get("reproduce"))
    parts = {"plan": document.get("plan"), "data": reproduce.get("data"), "version": reproduce.get("versions")}
    return {
        f"{part}.{name}": ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for part, values in parts.items()
        for name, value in mapping(values).items()
        if value not in (None, [], {})
    }


def _spanned(name: str, value: tuple[float, float, float]) -> Iterator[tuple[str, float]]:
    for part, number in zip((name, f"{name}_low", f"{name}_high"), value, strict=True):
        if math.isfinite(number):
            yield part, number


def _tensorboard(record: RunRecord, out: Path) -> None:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise MissingExtraError.of("exporting to TensorBoard", "tensorboard") from error
    created = real(record.document.get("created"))
    when = created if math.isfinite(created) else None
    with SummaryWriter(logdir=str(out / record.name)) as writer:
        for name, value in scalars(record.document):
            writer.add_scalar(_plain(name), value, 0, walltime=when)
        for name, points in curves(record.document):
            for step, value in points:
                writer.add_scalar(_plain(name), value, step, walltime=when)
        lines = [f"| {name} | {value} |" for name, value in settings(record.document).items()]
        writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *lines]), 0, walltime=when)


def _mlflow(record: RunRecord, out: Path) -> None:
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
    created = real(record.document.get("created"))
    started = int(1000 * created) if math.isfinite(created) else None
    run = client.create_run(
        experiment, start_time=started, run_name=record.name, tags={"kind": record.kind}
    ).info.run_id
    for name, said in settings(record.document).items():
        client.log_param(run, _plain(name), said[:500])
    for name, value in scalars(record.document):
        client.log_metric(run, _plain(name), value, timestamp=started)
    for name, points in curves(record.document):
        for step, value in points:
            client.log_metric(run, _plain(name), value, timestamp=started, step=step)
    client.log_artifact(run, str(record.file))
    client.set_terminated(run)


def _plain(name: str) -> str:
    """Return a name that such tools take: ``ndcg@20`` becomes ``ndcg_at_20``."""
    return re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_"))
