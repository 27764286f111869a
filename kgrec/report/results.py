"""What was compared, the figures with their intervals, and what each ingredient is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from kgrec.evaluate.lists_record import ListsRecord, SystemFigures
from kgrec.evaluate.plan import AS_RANKED, FULL
from kgrec.report import Bar, Section, bar_plot, details, facts, grid, listing, number, paragraph, table
from kgrec.report.record import change, span, text_of
from kgrec.report.words import meaning

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
    blocks += [Markup("<h3>Every figure</h3>"), _every_figure(systems)]
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
