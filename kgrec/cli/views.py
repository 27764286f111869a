"""What ``kgrec evaluate``, ``simulate`` and ``runs show`` print of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kgrec.cli.console import cell, console, table
from kgrec.evaluate.plan import AS_RANKED

if TYPE_CHECKING:
    from rich.table import Table

    from kgrec.evaluate.lists_record import Clicks, Comparison, DebiasedFigures, Effect, Gap, ListsRecord, Uplift
    from kgrec.evaluate.records import RatingsComparison, RatingsRecord, SimulationRecord, Span
    from kgrec.explain.faithfulness import Faithfulness

SIGNIFICANT = 0.05
"""Corrected p-values up to this are called a difference."""

RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}
ONE_LINE: dict[str, Any] = {"no_wrap": True}
LEAD: Mapping[str, Mapping[str, Any]] = {"full leads by": RIGHT, "p": RIGHT}

TRADED = ("diversity", "coverage", "popularity")
"""Figures beside accuracy in a sweep, as far as there are any; more do not fit into 80 columns."""

CLICK_FIGURES = ("group auc", "mrr", "ndcg@10")
"""Figures of clicks for which a line has room; all are in the record."""


def number(value: float, sign: str = "") -> str:
    """Write a figure; one that is not defined is empty."""
    if value != value:
        return ""
    return format(value, f"{sign}.4f" if abs(value) < 10 else f"{sign}.1f")


def interval(span: Span) -> str:
    """Write the ends of an interval; empty where there is none."""
    _, low, high = span
    return f"{number(low)} to {number(high)}" if low == low else ""


def show_lists(record: ListsRecord) -> None:
    """Print the tables of judged lists."""
    out = console()
    out.print(_data_line(record), style="dim")
    out.print(_systems(record))
    for system in record.systems:
        if system.skipped:
            out.print(f"{system.name}: left out, {system.skipped}", style="dim")
    full = record.systems[0]
    ranked = next((s for s in record.systems if s.name == AS_RANKED), None)
    beside: dict[str, Any] = {} if ranked is None else {AS_RANKED: RIGHT}
    shown = table({"of the whole hybrid": ONE_LINE, "": RIGHT, "95 % interval": RIGHT, **beside})
    for name in (*full.metrics, *full.overall):
        if not name.startswith(("ndcg", "recall")):
            before = [] if ranked is None else [number(ranked.figure(name)[0])]
            shown.add_row(name, number(full.figure(name)[0]), interval(full.figure(name)), *before)
    out.print()
    out.print(shown)
    _show_sweeps(record)
    _show_debiased(record.debiased)
    show_clicks(record.clicks)
    _show_uplift(record.uplift)
    _show_slices(record)
    _show_effects(record.comparisons)
    if record.graph_utilisation:
        out.print()
        for name, share in record.graph_utilisation.items():
            line = f"{share.mean:+.1%} ({share.low:+.1%} to {share.high:+.1%})"
            out.print(f"graph utilisation against {name}: {line} of {record.metric} is owed to the graph")
    _show_gaps(record.gaps)


def _data_line(record: ListsRecord) -> str:
    data, facts = record.data, record.data.facts
    counts = {
        "test users": data.test_users,
        "test likes": data.test_likes,
        "fit likes": data.fit_likes,
        "ranked items": data.ranked_items,
    }
    told = ", ".join(f"{name} {cell(count)}" for name, count in counts.items())
    split = record.plan.split + (f", first of {facts['folds']} folds" if "folds" in facts else "")
    return f"split {split} · {told} · seeds {cell(record.plan.seeds)}"


def _systems(record: ListsRecord) -> Table:
    """Make the table of systems; figures at the other lengths of the list are in the record."""
    metric, recall = record.metric, f"recall@{max(record.plan.ks)}"
    compared = {c.system: c for c in record.comparisons if not c.by}
    columns: dict[str, Mapping[str, Any]] = {"system": {}, recall: RIGHT, metric: RIGHT, "95 % interval": RIGHT}
    shown = table({**columns, **(LEAD if compared else {})})
    for system in record.judged:
        cells = [number(system.figure(name)[0]) for name in (recall, metric)]
        lead = _lead(compared.get(system.name)) if compared else ()
        shown.add_row(system.name, *cells, interval(system.figure(metric)), *lead)
    return shown


def _lead(comparison: Comparison | None) -> tuple[str, str]:
    if comparison is None:
        return "", ""
    gap = comparison.paired.difference
    lead = f"{gap / comparison.other:+.1%}" if comparison.other else f"{gap:+.4f}"
    return lead + unsure(comparison.p_holm), f"{comparison.p_holm:.3f}"


def unsure(p: float) -> str:
    """Mark a difference that may be chance."""
    return "" if p <= SIGNIFICANT else " ?"


def _show_slices(record: ListsRecord) -> None:
    compared = {(c.by, c.slice, c.system): c for c in record.comparisons if c.by}
    for by in dict.fromkeys(s.by for s in record.slices):
        columns: dict[str, Mapping[str, Any]] = {by: {}, "system": {}, "users": RIGHT, record.metric: RIGHT}
        shown = table({**columns, **(LEAD if compared else {})})
        before = ""
        for part in (s for s in record.slices if s.by == by):
            name = "" if part.slice == before else part.slice
            before = part.slice
            lead = _lead(compared.get((part.by, part.slice, part.system))) if compared else ()
            shown.add_row(name, part.system, cell(part.interval.n), number(part.interval.mean), *lead)
        out = console()
        out.print()
        out.print(shown)


def _show_effects(comparisons: Sequence[Comparison]) -> None:
    """Print what the corrected p-values do not say: how large the whole hybrid's leads are."""
    if not comparisons:
        return
    out = console()
    out.print("? more than 1 in 20 that it is chance (paired permutation test, Holm-corrected)", style="dim")
    whole = [c for c in comparisons if not c.by]
    sizes = " · ".join(f"{c.system} {c.paired.effect:+.2f}, {c.paired.wins:.0%}" for c in whole)
    out.print(
        f"effect size of the leads (Cohen's d, share of the users served better, ties half): {sizes}", style="dim"
    )


def _show_gaps(gaps: Sequence[Gap]) -> None:
    """Print a line an attribute: the groups' means, how far the best and the worst are apart, and how sure that is."""
    out = console()
    for gap in gaps:
        groups = ", ".join(f"{name} {value:.4f}" for name, value in gap.groups.items())
        sure = f"p {gap.p_holm:.3f}{unsure(gap.p_holm)}"
        line = f"gap {gap.gap:.4f} ({gap.low:.4f} to {gap.high:.4f}), d {gap.effect:.2f}, {sure}"
        out.print(f"{gap.metric} by {gap.attribute}: {groups} · {line}")


def _show_sweeps(record: ListsRecord) -> None:
    """Print a table for each sweep; changes are against the lists as ranked."""
    if not record.sweeps:
        return
    ranked = next((s for s in record.systems if s.name == AS_RANKED), record.systems[0])
    before = {name: ranked.figure(name)[0] for name in (*ranked.metrics, *ranked.overall)}
    k, metric = max(record.plan.ks), record.metric
    others = [f"{name}@{k}" for name in TRADED if f"{name}@{k}" in before]
    out = console()
    for curve in record.sweeps:
        heads = (metric, "95 % interval", "change", *(name.partition("@")[0] for name in others))
        shown = table({curve.option: RIGHT, **dict.fromkeys(heads, RIGHT)})
        shown.add_row("as ranked", f"{before[metric]:.4f}", "", "", *(number(before[n]) for n in others))
        for point in curve.points:
            mean, low, high = point.metrics[metric]
            accuracy = f"{mean:.4f}", f"{low:.4f} to {high:.4f}", _change(mean, before[metric])
            changes = (_change(point.metrics[n][0], before[n]) for n in others)
            shown.add_row(cell(point.value), *accuracy, *changes)
        out.print(f"\n{curve.step}.{curve.option}", style="bold")
        out.print(shown)
    out.print("changes are against the lists as ranked; all figures and intervals: --out FILE.json", style="dim")


def _change(value: float, before: float) -> str:
    return f"{value / before - 1:+.1%}" if before == before and before else ""


def _show_debiased(figures: Sequence[DebiasedFigures]) -> None:
    """Print the naive figures, the debiased ones and what lies between them."""
    if not figures:
        return
    out = console()
    columns = {"debiased": {}, "of all likes": ONE_LINE, "naive": RIGHT, "SNIPS": RIGHT, "difference": RIGHT}
    shown = table({**columns, "95 % interval": RIGHT})
    for row in figures:
        gap = row.difference
        cells = [f"{row.naive.mean:.4f}", f"{row.debiased.mean:.4f}", f"{gap.mean:+.4f}"]
        shown.add_row(row.system, row.metric, *cells, f"{gap.low:+.4f} to {gap.high:+.4f}")
    out.print()
    out.print(shown)
    out.print(
        "SNIPS: as if every item had been seen equally often; in effect it rests on "
        f"{figures[0].effective:.0%} of the held-out likes",
        style="dim",
    )


def show_clicks(found: Clicks | None) -> None:
    """Print how well clicks are told from what was only shown."""
    if found is None or not found.systems:
        return
    columns = ("auc", "95 % interval", *CLICK_FIGURES)
    shown = table({"shown, clicked": ONE_LINE, **dict.fromkeys(columns, RIGHT)})
    for system, figures in found.systems.items():
        whole = figures["auc"]
        rest = [f"{figures[name].mean:.4f}" for name in CLICK_FIGURES]
        shown.add_row(system, f"{whole.mean:.4f}", f"{whole.low:.4f} to {whole.high:.4f}", *rest)
    out = console()
    out.print()
    out.print(shown)
    out.print(
        f"{cell(found.shown)} showings to {cell(found.users)} users, {cell(found.clicked)} clicked; auc over all "
        f"together, the rest means over {cell(found.groups)} groups: {found.by}",
        style="dim",
    )


def _show_uplift(found: Uplift | None) -> None:
    """Print the effect of showing, on average and on what is in the lists."""
    if found is None:
        return
    out = console()
    columns = ("shown", "not shown", "uplift", "95 % interval")
    shown = table({"liked when": ONE_LINE, **dict.fromkeys(columns, RIGHT)})
    rows: list[tuple[str, Effect]] = [("anything", found.everywhere)]
    rows += [(f"top {k} of {system}", effect) for system, by_k in found.at.items() for k, effect in by_k.items()]
    for name, effect in rows:
        gap = effect.uplift
        ends = f"{gap.low:+.2%} to {gap.high:+.2%}"
        shown.add_row(name, f"{effect.shown.mean:.2%}", f"{effect.unshown.mean:.2%}", f"{gap.mean:+.2%}", ends)
    out.print()
    out.print(shown)
    out.print(
        f"{cell(found.shown)} items shown to {cell(found.users)} users; weighed by inverse propensity "
        f"(uncorrected uplift {found.naive:+.2%})",
        style="dim",
    )


def show_ratings(record: RatingsRecord) -> None:
    """Print the table of predictors of ratings."""
    data, plan, out = record.data, record.plan, console()
    counts = f"ratings {cell(data.ratings)}, users {cell(data.users)}, items {cell(data.items)}"
    low, high = data.scale
    how = f"{plan.folds} folds" if plan.split == "folds" else f"{cell(data.predicted)} ratings of the test files"
    out.print(f"{how} · {counts}, {low:g} to {high:g}, mean {data.mean:.2f} · seeds {cell(plan.seeds)}", style="dim")
    lead = {"worse by": RIGHT, "p": RIGHT} if record.comparisons else {}
    columns = {"predictor": ONE_LINE, "RMSE": RIGHT, "95 % interval": RIGHT, "MAE": RIGHT}
    shown = table({**columns, **lead, "CPU s": RIGHT})
    compared = {c.predictor: c for c in record.comparisons}
    for found in record.predictors:
        cells = [f"{found.rmse.mean:.4f}", f"{found.rmse.low:.4f} to {found.rmse.high:.4f}", f"{found.mae.mean:.4f}"]
        seconds = f"{found.fit_seconds + found.predict_seconds:.1f}"
        shown.add_row(found.name, *cells, *(_worse(compared.get(found.name)) if lead else ()), seconds)
    out.print(shown)
    last = record.predictors[-1]
    if record.comparisons:
        out.print(f"worse by: RMSE minus that of {last.name}", style="dim")
        out.print("? more than 1 in 20 that it is chance (paired permutation test, Holm-corrected)", style="dim")


def _worse(comparison: RatingsComparison | None) -> tuple[str, str]:
    if comparison is None:
        return "", ""
    return f"{comparison.rmse_difference:+.4f}{unsure(comparison.p_holm)}", f"{comparison.p_holm:.3f}"


def show_faithfulness(found: Faithfulness) -> None:
    """Print the deletion test and the figures of the paths."""
    made = table({"figure": ONE_LINE, "mean": RIGHT, "95 %": RIGHT, "what it is": {"overflow": "fold"}})
    fall = "doublings of the rank"
    rows = (
        ("named removed", found.named, f"{fall} without what the explanation names"),
        ("others removed", found.random, f"{fall} without as many others"),
        ("fidelity", found.fidelity, "share of the items that have a path"),
        ("recency", found.recency, "of the interaction the path starts from"),
        ("popularity", found.popularity, "of the entity the path runs over"),
        ("diversity", found.diversity, "kinds of paths in a list, by paths"),
    )
    for name, value, about in rows:
        made.add_row(name, f"{value.mean:.3f}", f"{value.low:.3f} to {value.high:.3f}", about)
    margin = found.margin
    about = f"named less others; p {margin.p:.4f}, {margin.n} of {found.users} users"
    made.add_row("margin", f"{margin.difference:.3f}", f"{margin.low:.3f} to {margin.high:.3f}", about)
    console().print(made)


def show_loop(record: SimulationRecord) -> None:
    """Print the first and the last round of each system."""
    out, seeds = console(), record.plan.seeds
    counts = f"users {cell(record.users)}, items {cell(record.items)}, likes at the start {cell(record.start_likes)}"
    out.print(f"{counts}, scorers {cell(record.scorers)} · seeds {cell(seeds)}", style="dim")
    for system, figures in record.systems.items():
        last = f"round {record.rounds[-1]}"
        shown = table({"figure": ONE_LINE, "round 1": RIGHT, last: RIGHT, "95 % interval": RIGHT, "": RIGHT})
        for name, values in figures.items():
            ends = record.intervals[system][name][-1]
            shown.add_row(
                name,
                number(values[0]),
                number(values[-1]),
                "" if ends is None else f"{number(ends[0])} to {number(ends[1])}",
                _change(values[-1], values[0]) if values[-1] == values[-1] else "",
            )
        out.print(f"\n{system}", style="bold")
        out.print(shown)
    if len(seeds) < 2:
        out.print("one seed tells nothing of chance: --seeds 1,2,3", style="dim")
