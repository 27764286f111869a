"""How good the lists are: figures with intervals, what ingredients are worth, groups, trade-offs, learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from kgrec.evaluate.lists_record import Gap, ListsRecord, SweepPoint, SystemFigures
from kgrec.evaluate.plan import AS_RANKED, FULL
from kgrec.report import (
    Bar,
    Point,
    Section,
    Series,
    bar_plot,
    details,
    facts,
    grid,
    heading,
    line_plot,
    listing,
    number,
    paragraph,
    scatter_plot,
    table,
)
from kgrec.report.blocks import change, span, text_of

SURE = 0.05
"""Corrected p-values up to this are called a difference."""

SHARES = ("ratio", "time", "cold-item", "cold-user")
"""Splits that hold out a share."""


def summary(record: ListsRecord) -> Section:
    """Say what was asked, on which data, and the answer in a sentence or two."""
    plan, data = record.plan, record.data
    named = {
        "held out": plan.split,
        "share held out": f"{plan.fraction:.0%}" if plan.split in SHARES else None,
        "lengths of the lists": text_of(plan.ks),
        "seeds": text_of(plan.seeds),
        "users": data.users,
        "items": data.items,
        "likes learned from": data.fit_likes,
        "users tested": data.test_users,
        "hidden likes": data.test_likes,
        "items ranked for each": data.ranked_items,
        "re-rankers": text_of(plan.steps) if plan.steps else None,
    }
    shown = facts({name: value for name, value in named.items() if value is not None})
    blocks: list[object] = [*(paragraph(sentence) for sentence in _answers(record)), shown]
    if data.checked:
        blocks.append(details("Checked: nothing hidden was learned from", listing(data.checked)))
    return Section("In short", blocks)


def _answers(record: ListsRecord) -> list[str]:
    if not record.judged:
        return ["No system could be judged."]
    full, k = record.judged[0], max(record.plan.ks)
    recall, hit = full.figure(f"recall@{k}")[0], full.figure(f"hit@{k}")[0]
    mean, low, high = full.figure(record.metric)
    said = [f"{record.metric.upper()} of the whole hybrid is {number(mean)} (95 % interval {span(low, high)})."]
    if math.isfinite(recall) and math.isfinite(hit):
        said.append(
            f"A list of {k} holds {recall:.0%} of what people were found to like, "
            f"and something right for {hit:.0%} of them."
        )
    for name, share in record.graph_utilisation.items():
        value, below, above = share.span
        if math.isfinite(value):
            sure = "" if below > 0 or above < 0 else ", which may be chance"
            said.append(f"The graph gives {value:+.1%} of it, beside {name} ({below:+.1%} to {above:+.1%}{sure}).")
    return [" ".join(said)]


def results(record: ListsRecord) -> Section | None:
    """Show every system, and every figure of the whole hybrid."""
    systems, metric = record.judged, record.metric
    if not systems:
        return None
    recall = f"recall@{max(record.plan.ks)}"
    main = []
    for system in systems:
        mean, low, high = system.figure(metric)
        main.append([system.name, system.figure(recall)[0], mean, span(low, high), f"{system.seconds:,.1f}"])
    blocks: list[object] = [
        table(
            ["system", recall, metric, "95 % interval", "seconds"],
            main,
            caption="Accuracy: means over users; the interval says where the mean would lie for other such people",
            right=["95 % interval", "seconds"],
            strong=[0] if len(main) > 1 else [],
        )
    ]
    skipped = [f"{s.name}: left out, {s.skipped}" for s in record.systems if s.skipped]
    blocks += [paragraph(line, quiet=True) for line in skipped]
    if len(systems) > 1:
        bars = [Bar(s.name, *s.figure(metric)) for s in systems]
        others = [Bar(s.name, *s.figure(recall)) for s in systems]
        blocks.append(
            grid(
                bar_plot(bars, title=metric, x_label=f"{metric}, 95 % interval"),
                bar_plot(others, title=recall, x_label=f"{recall}, 95 % interval"),
            )
        )
    blocks += [heading("Every figure"), _every_figure(systems)]
    if len(systems) > 1:
        blocks.append(details("Every figure of every system", _all_systems(systems)))
    seeds = _seeds(systems, metric)
    return Section("Results", [*blocks, *([seeds] if seeds else [])])


def _every_figure(systems: Sequence[SystemFigures]) -> Markup:
    """Return the table of the whole hybrid, beside it the lists as ranked where re-rankers worked."""
    full = systems[0]
    before = next((s for s in systems if s.name == AS_RANKED), None)
    names = ["figure", "mean", "95 % interval", *(["as ranked", "change"] if before else []), "what it says"]
    lines: list[list[object]] = []
    for name in (*full.metrics, *full.overall):
        mean, low, high = full.figure(name)
        was = before.figure(name)[0] if before else 0.0
        lines.append([name, mean, span(low, high), *([was, change(mean, was)] if before else []), meaning(name)])
    caption = "The whole hybrid" + (", after and before the re-rankers" if before else "")
    return table(names, lines, caption=caption, right=["95 % interval", "change"])


def _all_systems(systems: Sequence[SystemFigures]) -> Markup:
    names = list(dict.fromkeys(name for s in systems for name in (*s.metrics, *s.overall)))
    lines = [[name, *(s.figure(name)[0] for s in systems)] for name in names]
    return table(["figure", *(s.name for s in systems)], lines, caption="Means over users")


def _seeds(systems: Sequence[SystemFigures], metric: str) -> Markup | None:
    found = {s.name: s.seeds[metric] for s in systems if len(s.seeds.get(metric, ())) > 1}
    if not found:
        return None
    most = max(len(values) for values in found.values())
    lines = [[name, *values] for name, values in found.items()]
    header = ["system", *(f"seed {k + 1}" for k in range(most))]
    return details("Seeds: does it depend on the draw?", table(header, lines, caption=f"{metric} of each seed"))


def ingredients(record: ListsRecord) -> Section | None:
    """Show what the whole hybrid gains over each system with something taken away."""
    found = [c for c in record.comparisons if not c.by]
    if not found:
        return None
    metric = record.metric
    lines, bars = [], []
    for one in found:
        gap, low, high = one.paired.difference, one.paired.low, one.paired.high
        verdict = "better" if gap > 0 else "worse"
        lines.append(
            [
                one.system,
                one.other,
                gap,
                span(low, high),
                change(one.full, one.other),
                f"{one.p_holm:.3f}" if math.isfinite(one.p_holm) else "",
                one.paired.effect,
                verdict if one.p_holm <= SURE else "no difference shown",
            ]
        )
        bars.append(Bar(one.system, gap, low, high))
    header = ["against", metric, f"{FULL} leads by", "95 % interval", "in per cent", "p", "effect", "so it is"]
    shown = table(
        header,
        lines,
        caption="The whole hybrid against each system, user by user: paired permutation test, Holm-corrected p; "
        "effect is Cohen's d (0.2 small, 0.8 large)",
        right=["95 % interval", "in per cent", "p"],
    )
    plot = bar_plot(
        bars, title=f"Lead of the whole hybrid in {metric}", x_label="difference, 95 % interval", zero=False
    )
    blocks: list[object] = [grid(plot), shown]
    if record.graph_utilisation:
        used = [
            [name, f"{v.mean:+.1%}", f"{v.low:+.1%} to {v.high:+.1%}"] for name, v in record.graph_utilisation.items()
        ]
        caption = "Graph utilisation: share of the figure that is owed to the graph"
        blocks.append(
            table(["against", "share", "95 % interval"], used, caption=caption, right=["share", "95 % interval"])
        )
    only_rerank = all(c.system == AS_RANKED for c in found)
    return Section("What re-ranking does" if only_rerank else "What each ingredient is worth", blocks)


MOST_SYSTEMS = 3
"""Systems in a chart; the tables hold all."""


def groups(record: ListsRecord) -> Section | None:
    """Show the main figure by how much is known of users and items, and how far groups of users are apart."""
    slices, gaps, metric = record.slices, record.gaps, record.metric
    if not slices and not gaps:
        return None
    plots, tables = [], []
    for by in dict.fromkeys(s.by for s in slices):
        part = [s for s in slices if s.by == by]
        systems = list(dict.fromkeys(s.system for s in part))
        kept = systems[:MOST_SYSTEMS]
        bars = [
            Bar(s.slice, *s.interval.span, kind=s.system if len(systems) > 1 else "") for s in part if s.system in kept
        ]
        plots.append(bar_plot(bars, title=f"{metric} by {by}", x_label=f"{metric}, 95 % interval"))
        lines: list[list[object]] = []
        before = ""
        for s in part:
            shown = "" if s.slice == before else s.slice
            before = s.slice
            lines.append([shown, s.system, s.interval.n, s.interval.mean, span(s.interval.low, s.interval.high)])
        header = [by, "system", "users", metric, "95 % interval"]
        made = table(header, lines, caption=f"By {by}", right=["95 % interval"])
        tables.append(made if len(systems) <= MOST_SYSTEMS else details(f"By {by}: every system", made))
    plots += [_gap_plot(gap) for gap in gaps]
    blocks: list[object] = [grid(*plots), *tables]
    if gaps:
        found = [[g.attribute, _told(g), g.gap, span(g.low, g.high), g.p_holm, g.effect] for g in gaps]
        header = ["users by", "groups", "gap", "95 % interval", "p", "effect"]
        caption = "Best minus worst served group of users; Holm-corrected permutation test; effect is Cohen's d"
        blocks.append(table(header, found, caption=caption, right=["95 % interval"]))
    note = "Slices of items: the lists stay the same, only items of the slice count as right."
    return Section("Groups of users and items", [*blocks, paragraph(note, quiet=True)])


def _gap_plot(gap: Gap) -> Markup:
    bars = [Bar(name, *interval.span) for name, interval in gap.intervals.items()]
    return bar_plot(bars, title=f"{gap.metric} by {gap.attribute}", x_label=gap.metric)


def _told(gap: Gap) -> str:
    return " · ".join(f"{name} {number(mean)} ({number(gap.sizes[name])} users)" for name, mean in gap.groups.items())


AGAINST = ("diversity", "coverage", "popularity", "novelty", "miscalibration", "gini")
"""What accuracy is traded for, as far as there are figures."""


def tradeoffs(record: ListsRecord) -> Section | None:
    """Draw accuracy against each of the others, for each option that was swept."""
    blocks: list[object] = []
    for sweep in record.sweeps:
        blocks += _sweep(f"{sweep.step}.{sweep.option}", sweep.points, record.metric)
    if not blocks:
        return None
    text = (
        "The same lists at each value of an option. A point further to the right is more accurate; "
        "what stands upwards is what the accuracy is traded for."
    )
    return Section("Trade-offs", [paragraph(text), *blocks])


def _sweep(name: str, points: Sequence[SweepPoint], metric: str) -> list[object]:
    first = points[0]
    k = metric.partition("@")[2]
    others = [f"{other}@{k}" for other in AGAINST if f"{other}@{k}" in first.metrics]
    plots = []
    for other in others:
        placed = [Point(_value(p), p.metrics[metric][0], *p.metrics[other]) for p in points]
        plots.append(scatter_plot(placed, title=f"{other} against {metric}", x_label=metric, y_label=other, note=name))
    lines = []
    for point in points:
        mean, low, high = point.metrics[metric]
        row: list[object] = [_value(point), mean, span(low, high), change(mean, first.metrics[metric][0])]
        for other in others:
            value = point.metrics[other][0]
            gap = change(value, first.metrics[other][0])
            row.append(f"{number(value)} ({gap})" if gap and point is not first else number(value))
        lines.append(row)
    header = [name, metric, "95 % interval", "change", *others]
    right = ["95 % interval", "change", name, *others]
    shown = table(header, lines, caption=f"{name}: changes are against the first value", right=right)
    return [grid(*plots), details("The figures", shown)]


def _value(point: SweepPoint) -> str:
    """Return the value of the option as people write it."""
    return f"{point.value:g}" if isinstance(point.value, float) else text_of(point.value)


def learning(record: ListsRecord) -> Section | None:
    """Draw how scorers that train by epochs got better on the likes held out for validation."""
    found = record.charts.learning
    if not found:
        return None
    plots = []
    for scorer in dict.fromkeys(curve.scorer for curve in found):
        series = [
            Series(f"seed {curve.seed}", [x for x, _ in curve.points], [y for _, y in curve.points])
            for curve in found
            if curve.scorer == scorer
        ]
        best = max((y for one in series for y in one.y if y is not None), default=math.nan)
        note = f"best {best:.4f}" if math.isfinite(best) else ""
        plots.append(line_plot(series, title=scorer, x_label="epoch", y_label="on validation likes", note=note))
    text = (
        "How good each scorer that learns by epochs is after each of them, on likes that were set aside from "
        "the training part for this; the best epoch is what is used. Nothing here looks at the hidden likes."
    )
    return Section("Learning curves", [paragraph(text), grid(*plots)])


METRICS = {
    "ndcg": "How much of the best possible list this is; right items near the top count more.",
    "recall": "Share of the hidden likes that the list holds.",
    "precision": "Share of the places in the list that hold something the person likes.",
    "f1": "One number for precision and recall: high only when both are.",
    "map": "How clean the top of the list is.",
    "mrr": "How soon the first right item comes: 1 at the first place, 0.5 at the second.",
    "hit": "Share of the people for whom at least one item is right.",
    "auc": "How often a liked item is ranked above another drawn at random; 0.5 is guessing.",
    "coverage": "Share of the catalogue that is recommended to somebody.",
    "gini": "How unequally the places are handed out: 0 is equally, near 1 when a few items take nearly all.",
    "popularity": "How many people like the average recommended item.",
    "lift": "By how much the items are more popular than those the person likes: 0.5 is half as popular again.",
    "novelty": "How surprising the items are, in bits: one more means that half as many people know them.",
    "diversity": "How different the items of a list are from each other: 0 when all are alike.",
    "age": "How many days ago the average recommended item was first seen.",
    "serendipity": "Share of the list that is right and is no bestseller.",
    "miscalibration": "How far the mix of categories is from the mix the person likes; lower is better.",
}
"""By the name before the @."""

FALLING = frozenset({"gini", "popularity", "lift", "age", "miscalibration"})
"""Figures of which less is mostly wanted."""


def meaning(metric: str) -> str:
    """Return what a figure means, or the empty string."""
    name, _, rest = metric.partition("@")
    said = METRICS.get(name, "")
    return f"{said} Cold items compete with all others." if said and "among all items" in rest else said
