"""What was compared, the figures with their intervals, and what each ingredient is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from kgrec.evaluate.ablation import AS_RANKED, FULL
from kgrec.report import Bar, Section, bar_plot, details, facts, grid, listing, number, paragraph, table
from kgrec.report.record import (
    change,
    interval,
    judged,
    longest,
    main_metric,
    mapping,
    real,
    rows,
    span,
    text_of,
)
from kgrec.report.words import meaning

SURE = 0.05
"""Corrected p-values up to this are called a difference."""

SHARES = ("ratio", "time", "cold-item", "cold-user")
"""Splits that hold out a share."""


def summary(document: Mapping[str, Any]) -> Section:
    """Say what was asked, on which data, and the answer in a sentence or two."""
    plan, data = mapping(document.get("plan")), mapping(document.get("data"))
    named = {
        "held out": plan.get("split"),
        "share held out": f"{real(plan['fraction']):.0%}"
        if plan.get("fraction") and plan.get("split") in SHARES
        else None,
        "lengths of the lists": text_of(plan.get("ks")),
        "seeds": text_of(plan.get("seeds")),
        "users": data.get("users"),
        "items": data.get("items"),
        "likes learned from": data.get("fit_likes"),
        "users tested": data.get("test_users"),
        "hidden likes": data.get("test_likes"),
        "items ranked for each": data.get("ranked_items"),
        "re-rankers": text_of(plan["rerank"]) if plan.get("rerank") else None,
    }
    shown = facts({name: value for name, value in named.items() if value is not None})
    blocks: list[object] = [*(paragraph(sentence) for sentence in _answers(document)), shown]
    checked = data.get("checked")
    if isinstance(checked, list) and checked:
        blocks.append(details("Checked: nothing hidden was learned from", listing(checked)))
    return Section("In short", blocks)


def _answers(document: Mapping[str, Any]) -> list[str]:
    systems, metric, k = judged(document), main_metric(document), longest(document)
    if not systems or not metric:
        return ["No system could be judged."]
    metrics = mapping(systems[0].get("metrics"))
    recall, hit = (interval(metrics.get(f"{name}@{k}"))[0] for name in ("recall", "hit"))
    mean, low, high = interval(metrics[metric])
    said = [f"{metric.upper()} of the whole hybrid is {number(mean)} (95 % interval {span(low, high)})."]
    if math.isfinite(recall) and math.isfinite(hit):
        said.append(
            f"A list of {k} holds {recall:.0%} of what people were found to like, "
            f"and something right for {hit:.0%} of them."
        )
    for name, share in mapping(document.get("graph_utilisation")).items():
        value, below, above = interval(share)
        if math.isfinite(value):
            sure = "" if below > 0 or above < 0 else ", which may be chance"
            said.append(f"The graph gives {value:+.1%} of it, beside {name} ({below:+.1%} to {above:+.1%}{sure}).")
    return [" ".join(said)]


def results(document: Mapping[str, Any]) -> Section | None:
    """Show every system, and every figure of the whole hybrid."""
    systems, metric = judged(document), main_metric(document)
    if not systems:
        return None
    recall = f"recall@{longest(document)}"
    main = []
    for system in systems:
        metrics = mapping(system.get("metrics"))
        mean, low, high = interval(metrics.get(metric))
        main.append([system.get("name"), interval(metrics.get(recall))[0], mean, span(low, high), _seconds(system)])
    blocks: list[object] = [
        table(
            ["system", recall, metric, "95 % interval", "seconds"],
            main,
            caption="Accuracy: means over users; the interval says where the mean would lie for other such people",
            right=["95 % interval", "seconds"],
            strong=[0] if len(main) > 1 else [],
        )
    ]
    skipped = [f"{s.get('name')}: left out, {s['skipped']}" for s in rows(document.get("systems")) if s.get("skipped")]
    blocks += [paragraph(line, quiet=True) for line in skipped]
    if len(systems) > 1:
        bars = [Bar(str(s.get("name")), *interval(mapping(s.get("metrics")).get(metric))) for s in systems]
        others = [Bar(str(s.get("name")), *interval(mapping(s.get("metrics")).get(recall))) for s in systems]
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


def _every_figure(systems: list[Mapping[str, Any]]) -> Markup:
    """Return the table of the whole hybrid, beside it the lists as ranked where re-rankers worked."""
    full = systems[0]
    before = next((s for s in systems if s.get("name") == AS_RANKED), None)
    names = ["figure", "mean", "95 % interval", *(["as ranked", "change"] if before else []), "what it says"]
    lines: list[list[object]] = []
    for name, value in mapping(full.get("metrics")).items():
        mean, low, high = interval(value)
        was = interval(mapping(before.get("metrics")).get(name))[0] if before else 0.0
        lines.append([name, mean, span(low, high), *([was, change(mean, was)] if before else []), meaning(name)])
    for name, value in mapping(full.get("overall")).items():
        was = real(mapping(before.get("overall")).get(name)) if before else 0.0
        lines.append([name, real(value), "", *([was, change(real(value), was)] if before else []), meaning(name)])
    caption = "The whole hybrid" + (", after and before the re-rankers" if before else "")
    return table(names, lines, caption=caption, right=["95 % interval", "change"])


def _all_systems(systems: list[Mapping[str, Any]]) -> Markup:
    names = list(
        dict.fromkeys(name for s in systems for part in ("metrics", "overall") for name in mapping(s.get(part)))
    )
    lines = [
        [
            name,
            *(
                interval(mapping(s.get("metrics"))[name])[0]
                if name in mapping(s.get("metrics"))
                else real(mapping(s.get("overall")).get(name))
                for s in systems
            ),
        ]
        for name in names
    ]
    return table(["figure", *(str(s.get("name")) for s in systems)], lines, caption="Means over users")


def _seeds(systems: list[Mapping[str, Any]], metric: str) -> Markup | None:
    by_seed = {str(s.get("name")): mapping(s.get("seeds")).get(metric) for s in systems}
    found = {name: values for name, values in by_seed.items() if isinstance(values, list) and len(values) > 1}
    if not found:
        return None
    most = max(len(values) for values in found.values())
    lines = [[name, *values, *[None] * (most - len(values))] for name, values in found.items()]
    header = ["system", *(f"seed {k + 1}" for k in range(most))]
    return details("Seeds: does it depend on the draw?", table(header, lines, caption=f"{metric} of each seed"))


def ingredients(document: Mapping[str, Any]) -> Section | None:
    """Show what the whole hybrid gains over each system with something taken away."""
    found = [c for c in rows(document.get("comparisons")) if not c.get("by")]
    if not found:
        return None
    metric = main_metric(document)
    lines, bars = [], []
    for one in found:
        paired, p, name = mapping(one.get("paired")), real(one.get("p_holm")), str(one.get("system"))
        gap, low, high = (real(paired.get(key)) for key in ("difference", "low", "high"))
        lead = change(real(one.get("full")), real(one.get("other")))
        verdict = "better" if gap > 0 else "worse"
        lines.append(
            [
                name,
                real(one.get("other")),
                gap,
                span(low, high),
                lead,
                f"{p:.3f}" if math.isfinite(p) else "",
                real(paired.get("effect")),
                verdict if p <= SURE else "no difference shown",
            ]
        )
        bars.append(Bar(name, gap, low, high))
    header = ["against", metric, f"{FULL} leads by", "95 % interval", "in per cent", "p", "effect", "so it is"]
    shown = table(
        header,
        lines,
        caption="The whole hybrid against each system, person by person: paired permutation test, Holm-corrected p; "
        "effect is Cohen's d (0.2 small, 0.8 large)",
        right=["95 % interval", "in per cent", "p"],
    )
    plot = bar_plot(
        bars, title=f"Lead of the whole hybrid in {metric}", x_label="difference, 95 % interval", zero=False
    )
    blocks: list[object] = [grid(plot), shown]
    shares = mapping(document.get("graph_utilisation"))
    if shares:
        used = [
            [name, f"{v:+.1%}", f"{a:+.1%} to {b:+.1%}"]
            for name, (v, a, b) in ((n, interval(s)) for n, s in shares.items())
        ]
        caption = "Graph utilisation: share of the figure that is owed to the graph"
        blocks.append(
            table(["against", "share", "95 % interval"], used, caption=caption, right=["share", "95 % interval"])
        )
    only_rerank = all(c.get("system") == AS_RANKED for c in found)
    return Section("What re-ranking does" if only_rerank else "What each ingredient is worth", blocks)


def _seconds(system: Mapping[str, Any]) -> str:
    seconds = real(system.get("seconds"))
    return f"{seconds:,.1f}" if math.isfinite(seconds) else ""
