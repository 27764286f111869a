"""``kgrec evaluate``: how good the recommendations are on held-out data, and what each ingredient is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import complete
from kgrec.cli.arguments import check_json, numbers, scorer_names
from kgrec.cli.console import cell, console, table
from kgrec.cli.evaluate_clicks import show_clicks
from kgrec.cli.evaluate_debiased import show_debiased
from kgrec.cli.evaluate_effects import show_effects, show_gaps
from kgrec.cli.evaluate_explanations import show_faithfulness
from kgrec.cli.evaluate_ratings import show_ratings
from kgrec.cli.evaluate_sweeps import show_sweeps
from kgrec.cli.evaluate_uplift import show_uplift
from kgrec.cli.output import Format, write_records
from kgrec.cli.run import CommandLineRun
from kgrec.cli.runs import check_page
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from rich.table import Table

    from kgrec.evaluate.evaluate import EvaluationRun, RatingsRun
    from kgrec.evaluate.ratings import RatingsPlan
    from kgrec.evaluate.report import Comparison, Evaluation
    from kgrec.evaluate.significance import Interval

SIGNIFICANT = 0.05
"""Corrected p-values up to this are called a difference."""

RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}
LEAD: Mapping[str, Mapping[str, Any]] = {"full leads by": RIGHT, "p": RIGHT}


class SplitName(StrEnum):
    """What is held out."""

    ratio = "ratio"
    leave_last = "leave-last"
    time = "time"
    given = "given"
    cold_item = "cold-item"
    cold_user = "cold-user"
    k_fold = "k-fold"


@workspace_command
def evaluate(
    run: CommandLineRun,
    split: Annotated[
        SplitName,
        typer.Option(
            help="What is held out: a share of each user's likes, each user's last like, all after one moment, files "
            'marked split = "test", whole items, whole users, each like once.'
        ),
    ] = SplitName.ratio,
    fraction: Annotated[float, typer.Option(metavar="SHARE", help="Share that is held out, below 0.5.")] = 0.2,
    k: Annotated[str, typer.Option("-k", metavar="K,...", help="Lengths of the lists that are judged.")] = "10,20",
    seeds: Annotated[
        str | None, typer.Option(metavar="SEED,...", help="Do everything once for each; by default kgrec.toml's seed.")
    ] = None,
    ablate: Annotated[
        bool,
        typer.Option("--ablate", help="Also without graph, with it shuffled, without text, and each scorer alone."),
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(metavar="SCORER,...", help="Use only these scorers.", autocompletion=complete.scorers),
    ] = None,
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            metavar="NAME[:VALUE]",
            help="Judge the lists re-ranked, beside the lists as ranked: mmr:0.3, fair:provider, ...",
            autocompletion=complete.rerankers,
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="STEP.OPTION=VALUES",
            help="Judge the same lists at each value of a re-ranker's option: mmr.strength=0:1:0.1, dpp.by=text,graph",
        ),
    ] = None,
    ratings: Annotated[
        bool,
        typer.Option("--ratings", help="Foretell ratings instead of ranking items: RMSE and MAE, cross-validated."),
    ] = False,
    explanations: Annotated[
        bool,
        typer.Option("--explanations", help="Of the trained models: do the explanations name what the lists rest on?"),
    ] = False,
    folds: Annotated[
        int,
        typer.Option(metavar="N", min=2, help="With --split k-fold, and with --ratings: parts that take turns."),
    ] = 5,
    sample_negatives: Annotated[
        int | None, typer.Option(metavar="N", hidden=True, help="Refused: ranking a sample of items misleads.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also write all figures to FILE, as JSON.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with tables and charts to FILE.")
    ] = None,
    examples: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Users, drawn at random, whose lists are kept and shown on the page."),
    ] = 5,
) -> None:
    """Train on a part of the data, and measure the lists on the rest.

    The workspace's own models stay as they are. Every item that a user has not seen is ranked. Figures come with 95 %
    intervals over users; docs/evaluation.md says what each of them means. With --ratings the figures are of foretold
    ratings, and --only names predictors: baseline, user-neighbours, item-neighbours, factors, stack.
    """
    if sample_negatives is not None:
        raise UsageError(
            "figures over a sample of the items are not offered: they can put the worse system first "
            "(Krichene and Rendle, KDD 2020)",
            hint="leave out --sample-negatives: all items that the user has not seen are ranked",
        )
    chosen = numbers("--seeds", seeds, low=0) if seeds is not None else [run.project.config.seed]
    names = scorer_names(only)
    check_json(out)
    if html is not None:
        check_page(html)
    if explanations:
        if ratings or ablate or only is not None or html is not None:
            raise UsageError("--explanations stands alone", hint="it judges the models that kgrec train made")
        judged = run.project.evaluate_explanations(seed=chosen[0])
        if out is not None:
            write_records([judged.to_dict()], Format.json, out)
        run.data([judged.to_dict()], lambda: show_faithfulness(judged))
        return
    found: EvaluationRun | RatingsRun
    if ratings:
        if rerank or sweep:
            name = "--rerank" if rerank else "--sweep"
            raise UsageError(f"{name} orders lists, and --ratings has none", hint="leave one of the two out")
        plan = _ratings_plan(split, folds, chosen, names, ablate=ablate)
        with run.progress() as progress:
            found = of_ratings = run.project.evaluate_ratings(plan, progress=progress)
        show = partial(show_ratings, of_ratings.evaluation)
    else:
        lengths = numbers("-k", k, low=1)
        with run.progress() as progress:
            found = of_lists = run.project.evaluate(
                split.value,
                k=lengths,
                seeds=chosen,
                fraction=fraction,
                only=names,
                ablate=ablate,
                rerank=rerank or None,
                sweep=sweep or (),
                folds=folds,
                examples=examples,
                progress=progress,
            )
        show = partial(_show, of_lists)
    document = found.evaluation.to_dict()
    if out is not None:
        write_records([document], Format.json, out)
    run.data([document], show)
    run.say(f"all figures are in {found.record}" + (f" and in {out}" if out else ""))
    if html is not None:
        run.project.write_report(html, str(found.record))
        run.say(f"the page is {html}")
    run.timings({"evaluation": found.seconds})


def _ratings_plan(
    split: SplitName, folds: int, seeds: Sequence[int], only: Sequence[str] | None, *, ablate: bool
) -> RatingsPlan:
    from kgrec.evaluate.ratings import RatingsPlan

    if ablate:
        raise UsageError("--ablate takes scorers away, and --ratings has none", hint="leave one of the two out")
    if split not in (SplitName.ratio, SplitName.k_fold, SplitName.given):
        raise UsageError(f"--ratings knows no split {split.value}", hint="--split given, or none: --folds 5")
    kind = "given" if split is SplitName.given else "folds"
    return RatingsPlan(kind, folds, tuple(dict.fromkeys(seeds)), None if only is None else tuple(only))


def _show(found: EvaluationRun) -> None:
    from kgrec.evaluate.ablation import AS_RANKED

    evaluation, out = found.evaluation, console()
    out.print(_data_line(evaluation), style="dim")
    out.print(_systems(evaluation))
    for system in evaluation.systems:
        if system.skipped:
            out.print(f"{system.name}: left out, {system.skipped}", style="dim")
    full = evaluation.systems[0]
    rest = {m: i for m, i in full.metrics.items() if not m.startswith(("ndcg", "recall"))}
    ranked = next((s for s in evaluation.systems if s.name == AS_RANKED), None)
    beside: dict[str, Any] = {} if ranked is None else {AS_RANKED: RIGHT}
    shown = table({"of the whole hybrid": {"no_wrap": True}, "": RIGHT, "95 % interval": RIGHT, **beside})
    for name, interval in rest.items():
        before = [] if ranked is None else [_number(ranked.metrics[name].mean)]
        shown.add_row(name, _number(interval.mean), _range(interval), *before)
    for name, value in full.overall.items():
        before = [] if ranked is None else [_number(ranked.overall[name])]
        shown.add_row(name, _number(value), "", *before)
    out.print()
    out.print(shown)
    show_sweeps(evaluation)
    show_debiased(evaluation.debiased)
    show_clicks(evaluation.clicks)
    show_uplift(evaluation.uplift)
    _show_slices(evaluation)
    show_effects(evaluation.comparisons)
    if evaluation.graph_utilisation:
        out.print()
        for name, interval in evaluation.graph_utilisation.items():
            line = f"{interval.mean:+.1%} ({interval.low:+.1%} to {interval.high:+.1%})"
            out.print(f"graph utilisation against {name}: {line} of {evaluation.metric} is owed to the graph")
    show_gaps(evaluation.gaps)


def _data_line(evaluation: Evaluation) -> str:
    data = evaluation.data
    named = ("test_users", "test_likes", "fit_likes", "ranked_items")
    counts = ", ".join(f"{name.replace('_', ' ')} {cell(data[name])}" for name in named)
    split = evaluation.plan.split + (f", first of {data['folds']} folds" if "folds" in data else "")
    return f"split {split} · {counts} · seeds {cell(evaluation.plan.seeds)}"


def _systems(evaluation: Evaluation) -> Table:
    """Make the table of systems; what stands for the other lengths of the list is in the record."""
    metric, recall = evaluation.metric, f"recall@{max(evaluation.plan.ks)}"
    compared = {c.system: c for c in evaluation.comparisons if not c.by}
    columns: dict[str, Mapping[str, Any]] = {"system": {}, recall: RIGHT, metric: RIGHT, "95 % interval": RIGHT}
    shown = table({**columns, **(LEAD if compared else {})})
    for system in evaluation.systems:
        if system.skipped:
            continue
        cells = [_number(system.metrics[name].mean) for name in (recall, metric)]
        lead = _lead(compared.get(system.name)) if compared else ()
        shown.add_row(system.name, *cells, _range(system.metrics[metric]), *lead)
    return shown


def _lead(comparison: Comparison | None) -> tuple[str, str]:
    if comparison is None:
        return "", ""
    gap = comparison.paired.difference
    lead = f"{gap / comparison.other:+.1%}" if comparison.other else f"{gap:+.4f}"
    unsure = "" if comparison.p_holm <= SIGNIFICANT else " ?"
    return lead + unsure, f"{comparison.p_holm:.3f}"


def _show_slices(evaluation: Evaluation) -> None:
    compared = {(c.by, c.slice, c.system): c for c in evaluation.comparisons if c.by}
    for by in dict.fromkeys(s.by for s in evaluation.slices):
        columns: dict[str, Mapping[str, Any]] = {by: {}, "system": {}, "users": RIGHT, evaluation.metric: RIGHT}
        shown = table({**columns, **(LEAD if compared else {})})
        before = ""
        for part in (s for s in evaluation.slices if s.by == by):
            name = "" if part.slice == before else part.slice
            before = part.slice
            lead = _lead(compared.get((part.by, part.slice, part.system))) if compared else ()
            shown.add_row(name, part.system, cell(part.interval.n), _number(part.interval.mean), *lead)
        out = console()
        out.print()
        out.print(shown)


def _number(value: float) -> str:
    if value != value:  # NaN: not defined
        return ""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"


def _range(interval: Interval) -> str:
    return "" if interval.mean != interval.mean else f"{_number(interval.low)} to {_number(interval.high)}"
