"""``kgrec recommend``: for one user, for a person who is not in the data, or for everybody."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import NAME, PROSE, cell, clean, console, table, words
from kgrec.cli.output import Format, format_of, write_frame
from kgrec.cli.run import CommandLineRun
from kgrec.errors import DataError, UsageError, UserError
from kgrec.plugin import workspace_command
from kgrec.ranking.requests import as_request
from kgrec.ranking.where import parse_where

if TYPE_CHECKING:
    import polars as pl

    from kgrec.data.pseudonyms import Pseudonyms
    from kgrec.jobs import ListOrder
    from kgrec.types import ItemList


class By(StrEnum):
    """What a list is ranked by."""

    relevance = "relevance"
    rating = "rating"


LONGEST_ABOUT = 200
"""Characters of what is known of a user that are shown above the list."""


@workspace_command
def recommend(
    run: CommandLineRun,
    user: options.AnyUser = None,
    number: Annotated[
        int | None, typer.Option("--number", "-n", min=1, help="How many items a user; by default 10.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why, for each item.")] = False,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Also items that the user has interacted with.")
    ] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Only items that meet it: genre=Drama and price<50; several must all hold.",
        ),
    ] = None,
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            metavar="NAME[:VALUE]",
            help="Re-rank: mmr:0.3, fair:provider, ...; several work in their order; none: not even kgrec.toml's.",
            autocompletion=options.rerankers,
        ),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="For all users; write them with --out FILE.")] = False,
    users: Annotated[
        Path | None,
        typer.Option("--users", metavar="FILE", help="For the users in FILE, one id a line; - reads stdin."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="TEXT", help="For somebody who is not in the data: own words.")
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--like",
            metavar="ITEMS...",
            help="For somebody who is not in the data: ids of liked items.",
            autocompletion=options.items,
        ),
    ] = None,
    by: Annotated[
        By, typer.Option("--by", help="Rank by relevance, or by the rating that the user would give.")
    ] = By.relevance,
    kind: Annotated[
        str | None,
        typer.Option("--generate", metavar="KIND", help="Also write a text of this kind about each item: blurb, ..."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="As of an earlier moment: only what was known then counts."),
    ] = None,
    out: options.TableFile = None,
    parts: Annotated[
        Path | None,
        typer.Option(
            "--parts",
            metavar="FOLDER",
            help="With --all or --users: parquet files of some thousand users each; a killed run goes on.",
        ),
    ] = None,
    cluster: options.Cluster = None,
) -> None:
    """Recommend items to a user, a newcomer, or everybody.

    Give one of: USER; --all; --users FILE; --profile TEXT, --like ITEMS or both for somebody who is not in the data.
    """
    profile = (profile or "").strip()
    asked = {"USER": user, "--all": everybody, "--users": users, "--profile or --like": profile or like}
    given = [name for name, value in asked.items() if value]
    if len(given) != 1:
        problem = f"{' and '.join(given)} exclude each other" if given else "missing USER"
        raise UsageError(problem, hint="give a USER, or --all, or --users FILE, or --profile TEXT and --like ITEMS")
    conditions = tuple(where or ())
    for condition in conditions:
        parse_where(condition)  # complains before the work, not after it
    if out is not None and run.for_people:
        format_of(out)  # complains before the work, not after it
    if everybody or users:
        if by is By.rating:
            raise UsageError("--by rating works for one user at a time", hint="give a USER instead")
        if kind:
            raise UsageError("--generate works for one user at a time", hint="for all: kgrec generate --all --out FILE")
        if out and parts:
            raise UsageError("--out and --parts exclude each other", hint="--parts FOLDER for many users")
        from kgrec.jobs import ListOrder

        order = ListOrder(number, include_seen or None, conditions, rerank or None, at, explain)
        _for_many(run, _ids(users, run.names) if users else None, order, out, parts, cluster)
    else:
        if parts:
            raise UsageError("--parts is for many users", hint="--all --parts FOLDER")
        _for_one(
            run, user, profile, like or [], number, explain, include_seen, conditions, rerank or None, out, kind, by, at
        )


def _ids(file: Path, names: Pseudonyms) -> list[str]:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise UserError(f"{file} does not exist", hint="--users takes a text file with one user id a line") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 (byte {error.start})", hint="save the file as UTF-8") from None
    ids = list(dict.fromkeys(names.stored(line.strip()) for line in lines if line.strip()))
    if not ids:
        raise DataError(f"{file} names no user", hint="--users takes a text file with one user id a line")
    return ids


def _for_many(
    run: CommandLineRun,
    ids: list[str] | None,
    order: ListOrder,
    out: Path | None,
    parts: Path | None,
    cluster: str | None,
) -> None:
    from kgrec.jobs import recommend_all, recommend_parts

    def shown(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(run.names.shown_all(frame["user_id"]))

    with run.progress() as progress, run.workers(cluster) as workers:
        if parts is not None:
            asked = (run.project, order, parts, ids)
            written = recommend_parts(*asked, shown=shown, workers=workers, progress=progress)
            run.say(f"lists of {cell(written)} users written to {parts}")
            return
        frame = shown(recommend_all(run.project, order, ids, workers=workers, progress=progress))
    named = run.form if run.form not in (None, Format.table) else None
    # Whoever asks for thousands of rows wants to process them: no table, even on a terminal.
    write_frame(frame, named or (format_of(out) if out else Format.tsv), out)
    if out is not None:
        run.say(f"{cell(frame.height)} recommendations for {cell(frame['user_id'].n_unique())} users in {out}")


def _for_one(
    run: CommandLineRun,
    user: str | None,
    text: str,
    like: list[str],
    number: int | None,
    explain: bool,
    include_seen: bool,
    where: tuple[str, ...],
    rerank: list[str] | None,
    out: Path | None,
    kind: str | None,
    by: By,
    at: str | None,
) -> None:
    if kind and user is None:
        raise UsageError("--generate writes for a user of the data", hint="give a USER")

    project = run.project
    known = None if user is not None else project.profile(text=text, like=like)
    seen, defaults = include_seen or None, project.config.recommend
    request = as_request(user, defaults, n=number, include_seen=seen, where=where, rerank=rerank, by=by.value, at=at)
    request = replace(request, profile=known)
    items = project.recommend(request, explain=explain)
    titles = project.titles(items.item_ids)
    texts = project.generate(user, item=items.item_ids, kind=kind) if kind and len(items) else []
    written = {key: text.text for text in texts for key in text.item_ids}
    records = _records(items, titles, explain)
    if kind:
        records = [{**record, "text": written.get(record["item_id"])} for record in records]

    def show() -> None:
        hint = "loosen --where, or give --include-seen" if where else "all may have been seen: give --include-seen"
        _show(run, items, titles, explain, _whom(run, user), hint)
        for text in dict.fromkeys(text.text for text in texts):
            console().print(f"\n{clean(text, PROSE)}")

    run.data(records, show, out)


def _records(items: ItemList, titles: list[str], explain: bool) -> list[dict[str, Any]]:
    records = []
    for k, (item_id, title) in enumerate(zip(items.item_ids, titles, strict=True)):
        record: dict[str, Any] = {
            "user_id": items.user_id,
            "item_id": item_id,
            "rank": k + 1,
            "score": float(items.scores[k]),
            "title": title,
        }
        if explain:
            reason = items.reasons[k] if items.reasons else None
            record["reason"] = reason.sentence if reason else None
            record["path"] = {"nodes": reason.nodes, "relations": reason.relations} if reason else None
            record["parts"] = {name: float(part[k]) for name, part in items.parts.items()}
        records.append(record)
    return records


def _whom(run: CommandLineRun, user: str | None) -> str:
    """Describe the user of the list in a line."""
    if user is None:
        return "somebody who is not in the data"
    project = run.project
    row = project.users.find(user).row
    facts, count = project.cards.user(row), project.cards.interactions(row)
    known = [clean(facts.pop("description", "")).rstrip(".。")]
    known += [f"{words(name)} {cell(value)}" for name, value in facts.items() if value]
    about = ", ".join(filter(None, known))[:LONGEST_ABOUT]
    return " · ".join(filter(None, [clean(user), f"{cell(count)} interactions", about]))


def _show(run: CommandLineRun, items: ItemList, titles: list[str], explain: bool, whom: str, hint: str) -> None:
    out = console()
    out.print(f"for {whom}", style="bold")
    if not len(items):
        out.print("nothing to recommend")
        run.say(f"hint: {hint}")
        return
    why = explain and bool(items.reasons)
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    # Folded, for Chinese has no spaces to break at and would be cut off.
    bold = {"min_width": 8, "style": "bold", "overflow": "fold"}
    columns: dict[str, dict[str, Any]] = {"#": right, "title": bold, "score": right}
    if why:
        columns["why"] = {"min_width": 10, "overflow": "fold"}
    # People copy ids: in one line where there is room beside the least of the other columns, and never cut.
    longest = max(len(clean(item_id)) for item_id in items.item_ids)
    width = max(min(longest, out.width - (38 if why else 26)), 4)
    columns["item"] = {"style": "dim", "overflow": "fold", "width": width}
    shown = table(columns)
    for k, (item_id, title) in enumerate(zip(items.item_ids, titles, strict=True)):
        reason = [clean(items.reasons[k].sentence, 3 * NAME)] if why else []
        shown.add_row(str(k + 1), clean(title), f"{items.scores[k]:.3f}", *reason, clean(item_id))
    out.print(shown)
