"""``kgrec evaluate``: how good the recommendations are on held-out data, and what each ingredient is worth."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from kgrec.cli import options
from kgrec.cli.output import Format, write_records
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.evaluate.plan import RatingsPlan
    from kgrec.evaluate.records import KeptRun, RunRecord


class SplitName(StrEnum):
    """What is held out."""

    ratio = "ratio"
    leave_last = "leave-last"
    time = "time"
    given = "given"
    cold_item = "cold-item"
    cold_user = "cold-user"
    rolling = "rolling"
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
    seeds: options.Seeds = None,
    ablate: Annotated[
        bool,
        typer.Option("--ablate", help="Also without graph, with it shuffled, without text, and each scorer alone."),
    ] = False,
    only: options.Only = None,
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            metavar="NAME[:VALUE]",
            help="Judge the lists re-ranked, beside the lists as ranked: mmr:0.3, fair:provider, ...",
            autocompletion=options.rerankers,
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
        typer.Option("--ratings", help="Predict ratings instead of ranking items: RMSE and MAE, cross-validated."),
    ] = False,
    explanations: Annotated[
        bool,
        typer.Option("--explanations", help="Of the trained models: do the explanations name what the lists rest on?"),
    ] = False,
    folds: Annotated[
        int,
        typer.Option(
            metavar="N", min=2, help="With --split k-fold or rolling, and with --ratings: parts that take turns."
        ),
    ] = 5,
    sample_negatives: Annotated[
        int | None, typer.Option(metavar="N", hidden=True, help="Refused: ranking a sample of items misleads.")
    ] = None,
    out: options.JsonFile = None,
    html: options.PageFile = None,
    examples: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Users, drawn at random, whose lists are kept and shown on the page."),
    ] = 5,
    cluster: options.Cluster = None,
) -> None:
    """Train on a part of the data, and measure the lists on the rest.

    The workspace's own models stay as they are. Every item that a user has not seen is ranked. Figures come with 95 %
    intervals over users; docs/evaluation.md says what each of them means. With --ratings the figures are of
    predicted ratings, and --only names predictors: baseline, user-neighbours, item-neighbours, factors.
    """
    if sample_negatives is not None:
        raise UsageError(
            "figures over a sample of the items are not offered: they can put the worse system first "
            "(Krichene and Rendle, KDD 2020)",
            hint="leave out --sample-negatives: all items that the user has not seen are ranked",
        )
    chosen = options.numbers("--seeds", seeds, low=0) if seeds is not None else [run.project.config.seed]
    names = options.scorer_names(only)
    options.check_files(out, html)
    from kgrec.cli.views import show_faithfulness, show_lists, show_ratings
    from kgrec.evaluate.plan import EvaluationPlan
    from kgrec.evaluate.sweep import parse_sweep

    project = run.project
    if explanations:
        if ratings or ablate or only is not None or html is not None:
            raise UsageError("--explanations stands alone", hint="it judges the models that kgrec train made")
        judged = project.evaluate_explanations(seed=chosen[0])
        if out is not None:
            write_records(run.shown([judged.to_dict()]), Format.json, out)
        run.data([judged.to_dict()], lambda: show_faithfulness(judged))
        return
    if ratings:
        if rerank or sweep:
            name = "--rerank" if rerank else "--sweep"
            raise UsageError(f"{name} orders lists, and --ratings has none", hint="leave one of the two out")
        of_ratings = _ratings_plan(split, folds, chosen, names, ablate=ablate)
        with run.progress() as progress:
            predicted = project.evaluate_ratings(of_ratings, progress=progress)
        found: KeptRun[RunRecord] = predicted
        show = partial(show_ratings, predicted.record)
    else:
        rerankers = project.manager.registry("re-ranker")
        plan = EvaluationPlan(
            split=split.value,
            fraction=fraction,
            ks=tuple(options.numbers("-k", k, low=1)),
            seeds=tuple(chosen),
            only=names,
            ablate=ablate,
            rerank=tuple(rerank) if rerank else None,
            sweeps=tuple(parse_sweep(text, rerankers) for text in sweep or ()),
            examples=examples,
            folds=folds,
        )
        with run.progress() as progress, run.workers(cluster):
            lists = project.evaluate(plan, progress=progress)
        found = lists
        show = partial(show_lists, lists.record)
    document = found.record.to_dict()
    if out is not None:
        write_records(run.shown([document]), Format.json, out)
    run.data([document], show)
    run.say(f"all figures are in {found.file}" + (f" and in {out}" if out else ""))
    if html is not None:
        project.write_report(html, found)
        run.say(f"the page is {html}")
    run.timings({"evaluation": found.record.seconds})


def _ratings_plan(
    split: SplitName, folds: int, seeds: Sequence[int], only: tuple[str, ...] | None, *, ablate: bool
) -> RatingsPlan:
    from kgrec.evaluate.plan import RatingsPlan

    if ablate:
        raise UsageError("--ablate takes scorers away, and --ratings has none", hint="leave one of the two out")
    if split not in (SplitName.ratio, SplitName.k_fold, SplitName.given):
        raise UsageError(f"--ratings knows no split {split.value}", hint="--split given, or none: --folds 5")
    kind = "given" if split is SplitName.given else "folds"
    return RatingsPlan(kind, folds, tuple(dict.fromkeys(seeds)), only)
