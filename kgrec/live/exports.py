"""Items that came while serving, as a file of the catalogue for ``kgrec build-graph --append``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from kgrec.artifacts import replacing, storage_errors
from kgrec.config import AttributeConfig, CatalogueConfig, Config
from kgrec.live.catalogue import text
from kgrec.live.event_log import EventLog
from kgrec.live.records import Described, Records, Value

EXPORTED = "exported items"
"""Under this name the log keeps the number of the last change that was written."""


def export_items(log: EventLog, config: Config, folder: Path) -> Path | None:
    """Write the items that were put since the last export, under the columns of the catalogue's first file.

    Builds take the first value where files contradict each other, so what is known of an item in the tables stays; what
    was changed of it while serving goes on to count there.

    Returns:
        The file, named by the first and last change; None where nothing came.
    """
    records = Records(log)
    after = int(log.state(EXPORTED) or 0)
    found = {key: one for key, one in records.items(records.rev, after).items() if one is not None}
    if not found:
        return None
    entry = config.data.items[0] if config.data.items else CatalogueConfig(path="")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"items-{after + 1:012d}-{records.rev:012d}.parquet"
    with replacing(target) as aside:
        _table(found, entry).write_parquet(aside)
    log.set_state(EXPORTED, str(records.rev))
    return target


def _table(items: dict[str, Described], entry: CatalogueConfig) -> pl.DataFrame:
    names = dict.fromkeys(name for one in items.values() for name in one.attributes)
    attributes = {**{name: AttributeConfig(column=name) for name in names}, **entry.attributes}
    table: dict[str, list[Any]] = {
        entry.columns.get("id", "item_id"): list(items),
        entry.columns.get("title", "title"): [one.title for one in items.values()],
        entry.columns.get("description", "description"): [one.description for one in items.values()],
    }
    for name, told in attributes.items():
        cells = [one.attributes.get(name) for one in items.values()]
        several = [
            None if cell is None else [text(v) for v in (cell if isinstance(cell, list) else [cell])] for cell in cells
        ]
        lists = told.separator is None and any(isinstance(cell, list) for cell in cells)
        joint = told.separator or "|"
        table[told.column] = several if lists else [None if cell is None else joint.join(cell) for cell in several]
    for column in entry.columns.values():  # a file is read like another one that has all of its columns
        table.setdefault(column, [None] * len(items))
    return pl.DataFrame(table)


def _texts(cell: Value | list[str]) -> list[str]:
    return [text(value) for value in (cell if isinstance(cell, list) else [cell])]
