"""What the lists are like: popularity, places, categories, what was shown and clicked, examples; and the data."""

from __future__ import annotations

from markupsafe import Markup

from kgrec.evaluate.lists_record import Counts, Example, ListsRecord
from kgrec.report import (
    Bar,
    Section,
    Series,
    bar_plot,
    facts,
    grid,
    heading,
    histogram,
    joined,
    line_plot,
    paragraph,
    table,
)
from kgrec.report.blocks import span, text_of

MOST_SYSTEMS = 2
"""Systems in a chart, the whole hybrid first; the tables hold all."""


def popularity(record: ListsRecord) -> Section | None:
    """Show how popular what is recommended is, beside what people like."""
    bands, handed = record.charts.bands, record.charts.handed_out
    if not bands:
        return None
    every = list(bands[0].systems)
    names = every[:MOST_SYSTEMS]
    bars = []
    for band in bands:
        bars.append(Bar(band.name, band.items, kind="all items"))
        bars.append(Bar(band.name, band.hidden_likes, kind="hidden likes"))
        bars += [Bar(band.name, band.systems[name], kind=f"lists: {name}") for name in names]
    lines: list[list[object]] = [
        ["all items", *(band.items for band in bands)],
        ["hidden likes", *(band.hidden_likes for band in bands)],
        *([f"lists: {n}", *(band.systems[n] for band in bands)] for n in every),
    ]
    plots = [bar_plot(bars, title="Who gets the places", x_label="share")]
    series = [
        Series(name, [x for x, _ in points], [y for _, y in points])
        for name, points in list(handed.items())[:MOST_SYSTEMS]
    ]
    if series:
        even = Series("all equally often", [0.0, 1.0], [0.0, 1.0])
        plots.append(
            line_plot(
                [*series, even],
                title="How the places are handed out",
                x_label="share of the items, least shown first",
                y_label="share of all places",
                note="The further below the diagonal, the fewer items take the places (Lorenz curve).",
            )
        )
    header = ["share of", *(band.name for band in bands)]
    shown = table(
        header, lines, caption="Shares of the items, of the hidden likes, and of the places in the lists of each system"
    )
    text = (
        "Lists that show popular items far more often than people turn out to like them feed on themselves; "
        "lists that never show rare ones leave the catalogue unused."
    )
    return Section(
        "Popularity",
        [
            paragraph(text),
            grid(*plots),
            shown,
            _figures(record, ("popularity", "lift", "novelty", "coverage", "gini")),
        ],
    )


def debiased(record: ListsRecord) -> Section | None:
    """Show the figures as observed beside those in which likes count by inverse propensity."""
    if not record.debiased:
        return None
    lines = []
    for one in record.debiased:
        cells = [cell for f in (one.naive, one.debiased, one.difference) for cell in (f.mean, span(f.low, f.high))]
        lines.append([one.system, one.metric, *cells, one.effective])
    header = ["system", "figure", "naive", "95 % interval", "SNIPS", "95 % interval", "difference", "95 % interval"]
    text = (
        "Popular items are seen, and so liked, more often: the naive figure counts every hidden like the same, SNIPS "
        "counts each the more, the less popular its item is. Both are over all hidden likes together."
    )
    shown = table([*header, "rests on"], lines, caption="As observed and debiased", right=["95 % interval"])
    return Section("Debiased", [paragraph(text), shown])


def calibration(record: ListsRecord) -> Section | None:
    """Show whether the mix of categories in the lists is the one that people like."""
    drawn = record.charts.categories
    if drawn is None or not drawn.labels:
        return None
    first = next(iter(drawn.systems), "")
    bars = []
    for k, label in enumerate(drawn.labels):
        bars.append(Bar(label, drawn.liked[k], kind="in histories"))
        if first:
            bars.append(Bar(label, drawn.systems[first][k], kind=f"in lists: {first}"))
    names = list(drawn.systems)
    lines = [
        [label, drawn.liked[k], drawn.hidden_likes[k], *(drawn.systems[name][k] for name in names)]
        for k, label in enumerate(drawn.labels)
    ]
    attribute, labels, left = drawn.attribute, drawn.labels, drawn.left_out
    note = f"The {len(labels)} most liked; {left} more are not shown." if left else ""
    return Section(
        "Calibration",
        [
            paragraph(
                f"Share of each {attribute} in what people are known to like and in their lists, averaged over people. "
                "Lists are calibrated when the two are alike (Steck 2018)."
            ),
            grid(bar_plot(bars, title=f"Mix of {attribute}", x_label="mean share", note=note)),
            table(
                [attribute, "in histories", "in hidden likes", *names],
                lines,
                caption=f"Mean share of each {attribute} in histories, in hidden likes and in the lists of each system",
            ),
            _figures(record, ("miscalibration", "diversity", "serendipity")),
        ],
    )


def _figures(record: ListsRecord, wanted: tuple[str, ...]) -> object:
    """Return the named figures of each system."""
    k = max(record.plan.ks)
    # Figures of all lists together have no interval over users.
    ranges = {f"{name}@{k}": any(f"{name}@{k}" in s.metrics for s in record.judged) for name in wanted}
    lines = []
    for system in record.judged:
        cells: list[object] = []
        for name, ranged in ranges.items():
            mean, low, high = system.figure(name)
            cells += [mean, span(low, high)] if ranged else [mean]
        lines.append([system.name, *cells])
    header = ["system"]
    for name, ranged in ranges.items():
        header += [name, "95 % interval"] if ranged else [name]
    return table(header, lines, caption="The same in figures", right=["95 % interval"])


def data(record: ListsRecord) -> Section:
    """Draw the likes that the systems may learn from."""
    held = record.data
    drawn = held.distribution
    plots = [
        _counted(drawn.users, "Activity", "likes of a user", "users"),
        _counted(drawn.items, "Popularity", "likes of an item", "items"),
    ]
    shown = [(place, likes) for place, likes in drawn.popularity if likes > 0]
    if shown:
        series = Series("likes", [place for place, _ in shown], [likes for _, likes in shown])
        plots.append(
            line_plot(
                [series],
                title="The long tail",
                x_label="items, most liked first",
                y_label="likes",
                log_x=True,
                log_y=True,
            )
        )
    named = {
        "users": held.users,
        "items": held.items,
        "likes learned from": held.fit_likes,
        "share of all pairs that is known": f"{drawn.density:.3%}",
        "likes of the median user": drawn.users.median,
        "likes of the median item": drawn.items.median,
        "users without likes": drawn.users.none,
        "items without likes": drawn.items.none,
        "held by the most liked tenth": f"{drawn.top_share:.0%} of all likes",
    }
    text = "Likes of the part that the systems learned from, of the first seed; hidden likes are not in it."
    return Section("The data", [paragraph(text), facts(named), grid(*(plot for plot in plots if plot))])


def _counted(counts: Counts, title: str, x_label: str, y_label: str) -> object:
    if not counts.counts:
        return ""
    note = f"{counts.none:,} {y_label} without likes are not drawn"
    return histogram(counts.edges, counts.counts, title=title, x_label=x_label, y_label=y_label, log_x=True, note=note)


def uplift(record: ListsRecord) -> Section | None:
    """Show how often things are liked when shown and when not, on average and for what is in the lists."""
    found = record.uplift
    if found is None:
        return None
    rows = [("anything", found.everywhere)]
    for system, by_k in found.at.items():
        rows += [(f"top {k} of {system}", effect) for k, effect in by_k.items()]
    lines = []
    for name, effect in rows:
        shown, unshown, gap = effect.shown.mean, effect.unshown.mean, effect.uplift
        lines.append([name, shown, unshown, gap.mean, span(gap.low, gap.high), float(effect.n_shown)])
    header = ["liked when", "shown", "not shown", "uplift", "95 % interval", "pairs shown"]
    text = (
        "The uplift is the likes that showing causes, not those that people would have found anyway: share liked when "
        "shown minus share liked when not, each pair of a person and an item weighed by the inverse of how likely it "
        f"was to be shown. Uncorrected, the difference is {found.naive:.4f}."
    )
    caption = "What was shown and liked after training"
    return Section("What showing changes", [paragraph(text), table(header, lines, caption=caption, right=header[1:])])


def clicks(record: ListsRecord) -> Section | None:
    """Show whether what was clicked is scored above what was only shown."""
    found = record.clicks
    if found is None or not found.systems:
        return None
    names = list(dict.fromkeys(name for figures in found.systems.values() for name in figures))
    lines = []
    for system, figures in found.systems.items():
        values = [figures[name] for name in names]
        lines.append([system, *(f"{value.mean:.4f} ({span(value.low, value.high)})" for value in values)])
    text = (
        f"Of {text_of(found.shown)} showings to {text_of(found.users)} people, "
        f"{text_of(found.clicked)} were clicked. AUC is over all showings together: how often a clicked one is "
        f"scored above one that was not. The others are means over {text_of(found.groups)} groups of "
        f"{found.by}. In brackets: 95 % intervals over people."
    )
    header = ["system", *names]
    caption = "Is what was clicked scored above what was only shown?"
    return Section("What was clicked", [paragraph(text), table(header, lines, caption=caption, right=header[1:])])


def examples(record: ListsRecord) -> Section | None:
    """Show what the figures are about."""
    found = record.charts.examples
    if not found:
        return None
    text = (
        "These people were drawn at random, not chosen. A list is what the whole hybrid would have shown them; "
        "✓ marks what they turned out to like and the system could not know."
    )
    return Section("Examples", [paragraph(text), *(_one(example) for example in found)])


def _one(example: Example) -> Markup:
    hits = sum(item.hit for item in example.items)
    head = heading(f"User {example.user}")
    latest = text_of(example.latest) if example.latest else "nothing"
    known = paragraph(f"Known likes: {text_of(example.likes)}, the latest: {latest}.")
    lines = [[place + 1, item.title, "✓" if item.hit else "", item.reason] for place, item in enumerate(example.items)]
    were = "like was" if example.hidden == 1 else "likes were"
    caption = f"{hits} of the first {len(example.items)} are right; {text_of(example.hidden)} {were} hidden"
    return joined([head, known, table(["", "item", "right", "because"], lines, caption=caption)])
