"""kgrec's own plugin: what is built in, offered through the same hooks as everyone else's. Imports no model."""

from __future__ import annotations

from kgrec.plugin.domain import Domain
from kgrec.plugin.registry import Spec
from kgrec.plugin.spec import hookimpl


@hookimpl
def kgrec_domains() -> list[Domain]:
    """Offer the domain for data of no particular field."""
    return [Domain(name="generic", summary="any items: every multi-valued text column becomes a relation of its own")]


@hookimpl
def kgrec_data_sources() -> list[Spec]:
    """Offer the file formats."""
    return [
        Spec("recbole", "kgrec.data.sources.recbole:RecBoleSource", "RecBole atomic files", rank=10),
        Spec("csv", "kgrec.data.sources.delimited:CsvSource", "comma- or semicolon-separated text, also .gz .zst"),
        Spec("tsv", "kgrec.data.sources.delimited:TsvSource", "tab-separated text, also .gz .zst"),
        Spec("jsonl", "kgrec.data.sources.jsonl:JsonLinesSource", "one JSON object a line, also .gz .zst"),
        Spec("parquet", "kgrec.data.sources.parquet:ParquetSource", "Apache Parquet"),
    ]


@hookimpl
def kgrec_entity_linkers() -> list[Spec]:
    """Offer the gazetteer linker."""
    return [
        Spec("gazetteer", "kgrec.graph.linking.gazetteer:GazetteerLinker", "labels and aliases, longest match, en + zh")
    ]


@hookimpl
def kgrec_text_encoders() -> list[Spec]:
    """Offer the text encoders."""
    return [
        Spec("transformers", "kgrec.text.encoders.transformer:TransformerEncoder", "any transformers model; MiniLM"),
        Spec(
            "multilingual",
            "kgrec.text.encoders.multilingual:MultilingualEncoder",
            "English, Chinese and 14 more; numpy only",
            extra="models",
        ),
        Spec("hashing", "kgrec.text.encoders.hashing:HashingEncoder", "hashed words and characters; no model"),
    ]


@hookimpl
def kgrec_scorers() -> list[Spec]:
    """Offer the scorers."""
    return [
        Spec("popularity", "kgrec.models.popularity:Popularity", "what most users like, recent likes count more"),
        Spec("item-knn", "kgrec.models.item_knn:ItemKNN", "items that share users with the history"),
        Spec("ease", "kgrec.models.ease:EASE", "linear item-item model, closed form; graph rows; local when large"),
        Spec("als", "kgrec.models.als:ALS", "implicit matrix factorisation; graph rows"),
        Spec("als-wide", "kgrec.models.als:WideALS", "the same with many factors, for sparse data"),
        Spec("content", "kgrec.models.content:Content", "items whose texts are near the history's"),
        Spec("cold-items", "kgrec.models.cold:ColdItems", "items without likes, by texts and graph"),
        Spec(
            "graph-filter",
            "kgrec.models.graph_filter:GraphFilter",
            "likes smoothed over the graph of users and items, closed form",
            default=False,
        ),
        Spec("transitions", "kgrec.models.transitions:Transitions", "what users turned to next; texts where few did"),
        Spec("gnn", "kgrec.models.gnn.scorer:GNN", "linear propagation over users, items, entities and texts"),
        Spec(
            "interest",
            "kgrec.models.neural.interest:TextInterest",
            "what a user is after as a mixture of texts; updated by every event",
            default=False,
        ),
        Spec("mult-vae", "kgrec.models.neural.mult_vae:MultVAE", "variational autoencoder", default=False),
        Spec(
            "sequence",
            "kgrec.models.neural.sequence:Sequence",
            "small transformer over the order of the history",
            default=False,
        ),
    ]
