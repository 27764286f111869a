"""The hooks of the video domain."""

from __future__ import annotations

from collections.abc import Sequence

from kgrec.plugin import Attribute, Domain, Mapping, Spec, hookimpl
from kgrec_video.domain import VIDEO
from kgrec_video.relations import FILES

contract = 1


@hookimpl
def kgrec_domains() -> list[Domain]:
    """Offer films and series."""
    return [VIDEO]


@hookimpl
def kgrec_data_sources() -> list[Spec]:
    """Offer the reader of MovieLens' files, which have no header."""
    return [
        Spec("movielens", "kgrec_video.movielens:MovieLensSource", "MovieLens .dat, u.data, u.item, u.user", rank=5),
    ]


kgrec_prompt_template, kgrec_prompt_variants = FILES.prompt_hooks()


@hookimpl
def kgrec_schema_mapping(domain: str, source: str, columns: Sequence[str]) -> Mapping | None:
    """Read catalogues whose column names do not tell which of several columns is meant.

    Douban's has lists by `` / ``; a MovieLens catalogue joined with IMDb has titles and genres of both.
    """
    names = set(columns)
    if domain != "video":
        return None
    if {"douban_id", "title"} <= names:
        return _catalogue(names, " / ", item="item_id" if "item_id" in names else "douban_id", genres="genres")
    if {"item_id", "imdb_title", "title"} <= names:
        return _catalogue(names, ", ", item="item_id", genres="genres", genre_separator="|")
    return FILES.by_recipe(source, columns)


@hookimpl
def kgrec_commands() -> list[Spec]:
    """Offer ``kgrec video coverage``."""
    summary = "List the relations of a graph and what the video domain takes them for."
    return [Spec("video coverage", "kgrec_video.commands:coverage", summary)]


def _catalogue(
    names: set[str], separator: str, *, item: str, genres: str, genre_separator: str | None = None
) -> Mapping:
    people = {name: Attribute(name, separator, VIDEO.attributes[name].relation) for name in ("directors", "cast")}
    lists = {
        **people,
        "writers": Attribute("writers", separator, "written_by"),
        "countries": Attribute("countries", separator, "made_in"),
        "languages": Attribute("languages", separator, "in_language"),
        "genres": Attribute(genres, genre_separator or separator, "has_genre"),
        "tags": Attribute("tags", ",", "has_tag"),
        "year": Attribute("imdb_year" if "imdb_year" in names else "year"),
    }
    columns = {"id": item, "title": "title", "description": "plot"}
    return Mapping(
        role="items",
        columns={field: column for field, column in columns.items() if column in names},
        attributes={name: attribute for name, attribute in lists.items() if attribute.column in names},
    )
