"""The page of ``kgrec check``: what was read from where, and how kgrec understands it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from kgrec.data.checks import suspicions
from kgrec.data.dataset import AttributeInfo, Dataset
from kgrec.data.losses import percent
from kgrec.languages.language import language_of
from kgrec.report import (
    Bar,
    Section,
    bar_plot,
    facts,
    grid,
    heading,
    histogram,
    listing,
    number,
    page,
    paragraph,
    table,
)

ROWS = 10
"""Rows of each table that the page shows."""
_LONG = 120
_BARS = 12
_SAMPLE = 500
_HEADER = ("column", "becomes", "empty", "different values", "most frequent")


def data_page(dataset: Dataset, audits: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the page.

    Args:
        dataset: the cleaned tables.
        audits: of links between items and entities of graphs, as the build reports them.
    """
    report = dataset.report
    counts = {"users": dataset.n_users, "items": dataset.n_items, "interactions": dataset.interactions.height}
    lead = ", ".join(f"{n:,} {name}" for name, n in counts.items())
    found = suspicions(dataset)
    sections = [
        Section("What to look at", [listing(found) if found else paragraph("Nothing looks suspicious.")]),
        Section("Files", _files(report)),
        Section("Interactions", _interactions(dataset)),
        Section("Items", _table("items", dataset.items, dataset.item_attributes)),
        Section("Users", _table("users", dataset.users, dataset.user_attributes)),
    ]
    if audits:
        told = [line for audit in audits for line in (audit["summary"], audit["warning"]) if line]
        sections.append(Section("Links to graphs", [listing(told)]))
    return page("What kgrec makes of the data", sections, lead=lead)


def _files(report: Mapping[str, Any]) -> list[object]:
    rows = [[f["source"], f["role"], f["rows"], f["kept"], _notes(f)] for f in report.get("files", ())]
    blocks: list[object] = [table(["file", "role", "rows", "kept", "read as"], rows, caption="What was read")]
    lost = [
        [loss["source"], loss["rows"], percent(loss["share"]), loss["reason"], loss["example"][:_LONG]]
        for loss in report.get("losses", ())
    ]
    if lost:
        header = ["file", "rows", "of the file", "why", "for example"]
        strong = [k for k, loss in enumerate(report["losses"]) if loss["lost"]]
        blocks.append(table(header, lost, caption="Rows left out", strong=strong, right=("of the file",)))
    unused = [[f["source"], name, what] for f in report.get("files", ()) for name, what in f.get("unused", {}).items()]
    if unused:
        blocks.append(table(["file", "column", "could be"], unused, caption="Columns that nothing is made of"))
    conflicts = [
        [c["role"], c["column"], c["ids"], f"{c['example']['id']}: {', '.join(map(str, c['example']['values']))}"]
        for c in report.get("conflicts", ())
    ]
    if conflicts:
        caption = "Rows of one id that differ; the first value is kept"
        blocks.append(table(["table", "column", "ids", "for example"], conflicts, caption=caption))
    return blocks


def _notes(file: Mapping[str, Any]) -> str:
    notes = []
    if dates := file.get("dates"):
        notes.append(f"dates {dates['order']}" + (", which nothing tells" if dates["ambiguous"] else ""))
    if values := file.get("values"):
        notes.append(f"values: {values['kind'] or 'not understood'} {values['unit']}".strip())
    notes += [f"{n:,} rows with {what}, kept" for what, n in file.get("missing", {}).items()]
    notes += [f"unknown actions: {', '.join(file['unknown_actions'])}"] if file.get("unknown_actions") else []
    return "; ".join(notes)


def _interactions(dataset: Dataset) -> list[object]:
    rows = dataset.interactions
    if not rows.height:
        return [paragraph("There are none.")]
    users, items = dataset.users["user_id"], dataset.items
    shown = _spread(rows)
    named = shown.select(
        user=pl.lit(users.gather(shown["user"])),
        item=pl.lit(items["item_id"].gather(shown["item"])),
        title=pl.lit(items["title"].gather(shown["item"])),
        action="action",
        value="value",
        time=pl.from_epoch("time").dt.strftime("%Y-%m-%d %H:%M"),
        text="text",
        **{"from": pl.format("{}:{}", "source", "line")},
    )
    counts = {
        "with a time": percent(1 - rows["time"].null_count() / rows.height),
        "with a value": percent(1 - rows["value"].null_count() / rows.height),
        "from": _day(rows["time"].min()),
        "to": _day(rows["time"].max()),
        "density": f"{rows.height / max(dataset.n_users * dataset.n_items, 1):.4%}",
    }
    actions = [Bar(str(name), n) for name, n in rows["action"].value_counts(sort=True).head(_BARS).iter_rows()]
    charts: list[object] = [bar_plot(actions, title="Actions", x_label="interactions")]
    charts += [_counts(rows[n].drop_nulls().value_counts()["count"], f"Interactions of {n}s") for n in ("user", "item")]
    if rows["time"].count() > 1:
        charts.append(_over_time(rows["time"].drop_nulls()))
    if rows["value"].drop_nulls().n_unique() > 1:
        charts.append(_histogram(rows["value"].drop_nulls().to_numpy().astype(float), "Values", "value"))
    return [facts(counts), _rows(named, "Ten of them, as kgrec understands them"), grid(*charts)]


def _day(seconds: Any) -> str:
    return "–" if seconds is None else str(pl.select(pl.from_epoch(pl.lit(seconds)).dt.strftime("%Y-%m-%d")).item())


def _over_time(seconds: pl.Series) -> object:
    """Draw how many there are a day, month or year, whichever gives a readable number of bars."""
    moments = pl.from_epoch(seconds)
    for form in ("%Y-%m-%d", "%Y-%m", "%Y"):
        counted = moments.dt.strftime(form).alias("when").value_counts().sort("when")
        if counted.height <= 2 * _BARS:
            break
    bars = [Bar(str(name), n) for name, n in counted.tail(2 * _BARS).iter_rows()]
    return bar_plot(bars, title="When", x_label="interactions")


def _histogram(values: np.ndarray[Any, Any], title: str, label: str) -> object:
    counts, edges = np.histogram(values, bins=24)
    return histogram(edges.tolist(), counts.tolist(), title=title, x_label=label, y_label="interactions")


def _counts(counts: pl.Series, title: str) -> object:
    """Draw how many have how many, in steps of two to the power."""
    steps = counts.cast(pl.Float64).log(2).floor().cast(pl.Int64)
    found = steps.alias("step").value_counts().sort("step")
    bars = [Bar(f"{2**k:,}" + (f"–{2 ** (k + 1) - 1:,}" if k else ""), n) for k, n in found.iter_rows()]
    return bar_plot(bars, title=title, x_label="how many have so many")


def _table(what: str, frame: pl.DataFrame, attributes: Mapping[str, AttributeInfo]) -> list[object]:
    if not frame.height:
        return [paragraph("There are none.")]
    own = frame.filter(pl.col("source").is_not_null())
    if not own.height:
        return [paragraph(f"No file describes {what}; they are known from the interactions alone.")]
    rows = []
    for name in (n for n in frame.columns if n not in ("source", "line")):
        column = own[name]
        info = attributes.get(name)
        cells = column.explode() if isinstance(column.dtype, pl.List) else column
        top = cells.drop_nulls().cast(pl.String).alias("v").value_counts(sort=True).head(3)
        kind = "" if info is None else f"edges: {info.relation}" if info.relation else f"a value {info.unit}".strip()
        if info is not None and info.broader:
            kind += f", a hierarchy of {len(info.broader):,}"
        shown = [f"{value[:30]} ({n:,})" if n > 1 else value[:30] for value, n in top.iter_rows()]
        gaps = percent(column.null_count() / own.height) if column.null_count() else ""
        rows.append([name, kind, gaps, number(cells.drop_nulls().n_unique()), ", ".join(shown)])
    blocks: list[object] = [
        table(
            ["column", "becomes", "empty", "different values", "most frequent"],
            rows,
            right=("empty", "different values"),
        )
    ]
    if what == "items":
        blocks.append(grid(_languages(own)))
    blocks.append(_rows(_spread(own).drop("line", strict=False), f"Ten {what}, as kgrec understands them"))
    return blocks


def _languages(items: pl.DataFrame) -> object:
    texts = pl.concat([items["title"].drop_nulls(), items["description"].drop_nulls().alias("title")])
    sample = texts.gather_every(max(1, texts.len() // _SAMPLE)).head(_SAMPLE)
    if not sample.len():
        return paragraph("No item has a title or description.")
    told = [language_of([text]) or "cannot be told" for text in sample]
    found = pl.Series("language", told).value_counts(sort=True)
    bars = [Bar(str(name), n / sample.len()) for name, n in found.head(_BARS).iter_rows()]
    return bar_plot(bars, title="Languages of titles and descriptions", x_label="share of a sample")


def _spread(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.gather_every(max(1, frame.height // ROWS)).head(ROWS)


def _rows(frame: pl.DataFrame, caption: str) -> object:
    def cell(value: Any) -> object:
        text = " · ".join(map(str, value)) if isinstance(value, list) else value
        return text[:_LONG] + "…" if isinstance(text, str) and len(text) > _LONG else "" if text is None else text

    filled = [name for name in frame.columns if frame[name].null_count() < frame.height]
    return heading(caption) + table(
        filled, [[cell(value) for value in row] for row in frame.select(filled).iter_rows()]
    )
