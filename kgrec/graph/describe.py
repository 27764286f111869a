"""What a workspace holds, what is known of a user, and questions to the RDF store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl

from kgrec.data.values import canonical_id
from kgrec.errors import WorkspaceError

if TYPE_CHECKING:
    from kgrec.graph.query import QueryResult
    from kgrec.project import Project

RECENT = 10
"""Events of a user that are shown."""


def info(project: Project) -> dict[str, Any]:
    """Return what the workspace holds; see :meth:`kgrec.project.Project.info`."""
    workspace = project.workspace
    stages = {}
    for name, stage in workspace.manifest().items():
        stages[name] = {
            "made": time.strftime("%Y-%m-%d %H:%M", time.localtime(stage.created)),
            "age_hours": round((time.time() - stage.created) / 3600, 1),
            "seconds": stage.seconds,
            "seed": stage.seed,
            "changed_since": workspace.stale(name),
            **stage.facts,
        }
    facts: dict[str, Any] = {"workspace": str(workspace.root), "domain": project.config.domain, "stages": stages}
    if not stages:
        facts["next"] = "kgrec build-graph"
    elif "models" not in stages or stages["models"]["changed_since"]:
        facts["next"] = "kgrec train"
    if "models" in stages:
        facts["scorers"] = project.ranker.summary.get("scorers", {})
    return facts


def user_info(project: Project, user_id: str) -> dict[str, Any]:
    """Return what is known of a user; see :meth:`kgrec.project.Project.user_info`."""
    from kgrec.ranking.text_inputs import user_profile

    dataset = project.dataset
    user_id = canonical_id(user_id)
    position = int(dataset.user_positions([user_id])[0])
    rows = dataset.interactions.filter(pl.col("user") == position)
    actions = rows["action"].value_counts(sort=True)
    profile = user_profile(project, position)
    attributes = {
        name: value
        for name, value in dataset.users.row(position, named=True).items()
        if (name in dataset.user_attributes or name == "description") and value not in (None, [])
    }
    return {
        "user_id": user_id,
        "attributes": attributes,
        "interactions": rows.height,
        "actions": dict(zip(actions["action"].to_list(), actions["count"].to_list(), strict=True)),
        "recent": _recent(project, rows),
        "terms": {term: round(float(weight), 3) for term, weight in profile.terms},
        "entities": {label: round(float(weight), 3) for label, weight, _ in profile.entities},
        "own_words": profile.own_words,
        "profile_text": profile.text,
    }


def _recent(project: Project, rows: pl.DataFrame) -> list[dict[str, Any]]:
    items = project.dataset.items.select("item_id", "title").with_row_index("item")
    last = rows.sort("time", nulls_last=False, maintain_order=True).tail(RECENT).reverse()
    shown = last.join(items, on="item", how="left", maintain_order="left").select(
        "action",
        pl.coalesce("title", "item_id", "text").alias("what"),
        pl.col("value").cast(pl.Float64).round(2),
        pl.from_epoch("time").dt.strftime("%Y-%m-%d %H:%M").alias("when"),
    )
    return shown.to_dicts()


def query(project: Project, sparql: str, timeout: float, limit: int | None) -> QueryResult:
    """Run a SPARQL query; see :meth:`kgrec.project.Project.query`.

    Raises:
        WorkspaceError: the workspace was built without a store.
    """
    from kgrec.graph.query import run_query

    store = project.workspace.folder("graph") / "store"
    if not store.is_dir():
        raise WorkspaceError("the graph was built without an RDF store", hint="set graph.store = true and build again")
    return run_query(store, sparql, timeout_s=timeout, limit=limit)
