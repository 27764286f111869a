"""How often the gazetteer linker is right: 200 plots of ml-100k, labelled by rule from the cast and director columns.

usage: python benchmarks/linking_precision.py [--sample 200] [--seed 0] [--show]

**The gazetteer** is the one a build would use: 1,682 titles and all people of the cast and director columns of all
films (58,671 distinct names, so that first names, surnames and characters all have somebody to be mistaken for).

**The rule**: a linked person is right when the film's own cast or director column holds that person, else wrong. It
sees a link to another person of a similar name, a wrong span, a character who is called like some actor. It cannot see
that a person of history or a star who is talked about is rightly linked although not in the cast: such a link counts as
wrong, so the figure on plain plots is a lower bound. Links to titles are not judged by it; they are counted.

**Two readings**: the plots as they are (few of them name their own cast), and the same plots after a sentence made from
the columns ("Directed by X. Starring A, B and C."), which says who is to be found, so that recall can be told too.
Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

import numpy as np
import polars as pl
from adapters import data_folder

from kgrec.data.dataset import INTERACTIONS, AttributeInfo, Dataset
from kgrec.graph.catalogue import catalogue_facts
from kgrec.graph.facts import describe
from kgrec.graph.gazetteer import GazetteerLinker
from kgrec.graph.linking import Vocabulary, build_vocabulary
from kgrec.graph.schema import build_schema
from kgrec.plugin import Domain, RelationType
from kgrec.text.tokens import name_key

PERSON = Domain(
    name="films",
    summary="people of films",
    relation_types=(
        RelationType(
            "directed_by", label="directed by", inverse="director_of", inverse_label="director of", tail="person"
        ),
        RelationType("starring", label="starring", inverse="stars_in", inverse_label="stars in", tail="person"),
    ),
)
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


def load() -> tuple[Dataset, Vocabulary]:
    """Return the films and the names to look for."""
    raw = pl.read_csv(data_folder() / "ml-100k" / "items.tsv.gz", separator="\t", quote_char=None, infer_schema=False)
    split = {"director": "directors", "cast": "cast"}
    items = raw.select(
        "item_id", "title", *[pl.col(c).str.split(", ").alias(n) for n, c in split.items()], description="plot"
    )
    users = pl.DataFrame(schema={"user_id": pl.String, "description": pl.String})
    infos = {"director": AttributeInfo("directed_by", True), "cast": AttributeInfo("starring", True)}
    dataset = Dataset(pl.DataFrame(schema=dict(INTERACTIONS)), users, items, item_attributes=infos)
    stated = catalogue_facts(dataset, PERSON, build_schema(PERSON, []))
    return dataset, build_vocabulary(describe(dataset, stated), stated.facts, described=False)


def people(film: dict[str, Any]) -> list[str]:
    """Return the director and cast of a film."""
    return list(dict.fromkeys([*(film["director"] or []), *(film["cast"] or [])]))


def introduce(film: dict[str, Any]) -> str:
    """Write the columns as sentences: at most one director and four actors."""
    directors, cast = (film["director"] or [])[:1], (film["cast"] or [])[:4]
    parts = [f"Directed by {directors[0]}."] if directors else []
    if cast:
        parts.append(f"Starring {', '.join(cast[:-1])}{' and ' if len(cast) > 1 else ''}{cast[-1]}.")
    return " ".join(parts)


def wilson(right: int, n: int) -> list[float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    if not n:
        return [0.0, 1.0]
    z, share = 1.96, right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return [round(middle - half, 3), round(middle + half, 3)]


def judge(
    texts: list[str], films: list[dict[str, Any]], vocabulary: Vocabulary, links: list[Any], threshold: float
) -> tuple[dict[str, Any], list[str]]:
    """Count right and wrong links to people; return also the wrong ones, to be looked at."""
    types, labels = vocabulary.gazetteer.types, vocabulary.gazetteer.labels
    own = [{name_key(name) for name in people(film)} for film in films]
    sure = [link for link in links if link.score >= threshold]
    to_people = [link for link in sure if types[link.entity] == "person"]
    right = [link for link in to_people if name_key(labels[link.entity]) in own[link.text]]
    wrong = [
        f"{films[k.text]['title']}: {texts[k.text][k.start : k.end]!r} -> {labels[k.entity]} ({k.score:.2f})"
        for k in to_people
        if k not in right
    ]
    found = {
        "threshold": threshold,
        "links_to_people": len(to_people),
        "right": len(right),
        "precision": round(len(right) / max(len(to_people), 1), 3),
        "interval": wilson(len(right), len(to_people)),
        "links_to_titles_not_judged": sum(types[link.entity] == "item" for link in sure),
    }
    return found, wrong


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print the links that the rule calls wrong")
    arguments = parser.parse_args()
    dataset, vocabulary = load()
    told = dataset.items.filter(pl.col("description").is_not_null() & (pl.col("description") != ""))
    chosen = np.sort(np.random.default_rng(arguments.seed).permutation(told.height)[: arguments.sample])
    films = told[chosen].rows(named=True)
    linker = GazetteerLinker().prepare(vocabulary.gazetteer)
    plain = [film["description"] for film in films]
    led = [f"{introduce(film)} {film['description']}" for film in films]
    print(f"{len(films)} plots, {len(set(vocabulary.keys))} distinct names")
    for name, texts in (("plots", plain), ("introduced plots", led)):
        links = linker.link(texts)
        for threshold in THRESHOLDS:
            figures, wrong = judge(texts, films, vocabulary, links, threshold)
            if name != "plots":
                figures |= recall(films, vocabulary, links, threshold)
            print(json.dumps({"texts": name, **figures}))
            if arguments.show and threshold == 0.6:
                print("\n".join(f"  wrong by the rule: {line}" for line in wrong))


def recall(films: list[dict[str, Any]], vocabulary: Vocabulary, links: list[Any], threshold: float) -> dict[str, Any]:
    """Return the share of the names in the introductions that were linked to their person."""
    labels = vocabulary.gazetteer.labels
    found = {(k.text, name_key(labels[k.entity])) for k in links if k.score >= threshold}
    wanted = {
        (row, name_key(name))
        for row, film in enumerate(films)
        for name in [*(film["director"] or [])[:1], *(film["cast"] or [])[:4]]
    }
    hit = len(wanted & found)
    return {"names": len(wanted), "recall": round(hit / len(wanted), 3), "recall_interval": wilson(hit, len(wanted))}


if __name__ == "__main__":
    main()
