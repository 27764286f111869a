"""What the lists are like: how popular their items are, who gets the places, whether their categories fit."""

from __future__ import annotations

from kgrec.evaluate.lists_record import ListsRecord
from kgrec.report import Bar, Section, Series, bar_plot, grid, line_plot, paragraph, table
from kgrec.report.record import span

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
