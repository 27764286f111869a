"""Which peers there are, what each needs and where it is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """A recommender to compare with.

    Attributes:
        title: as in the tables.
        environment: name of its requirements file.
        packages: whose versions are stated.
        datasets: where it is run; None for all.
        needs: peers whose settings it builds on.
        limit: CPU seconds for tuning and the last fit.
    """

    title: str
    environment: str
    packages: tuple[str, ...] = ()
    datasets: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()
    limit: float = 150.0


SMALL = ("ml-100k", "lastfm", "dbbook")
MIDDLE = (*SMALL, "scientific", "douban", "goodreads", "ml-1m")

PEERS = {
    "popularity": Peer("popularity", "linear"),
    "item_knn": Peer("ItemKNN (implicit)", "linear", ("implicit",)),
    "ease": Peer("EASE", "linear", limit=600.0),
    "als": Peer("ALS (implicit)", "linear", ("implicit",)),
    "blend": Peer("ALS + EASE", "linear", ("implicit",), (*MIDDLE, "retailrocket"), needs=("als", "ease")),
    "rectools_ease": Peer("EASE (RecTools)", "rectools", ("rectools",), SMALL),
    "lenskit_als": Peer("ALS (LensKit)", "lenskit", ("lenskit", "torch"), SMALL),
    "lightfm_warp": Peer("WARP (LightFM)", "lightfm", ("lightfm-next",), MIDDLE),
    "lightgcn": Peer("LightGCN (CSR)", "torch", ("torch",), limit=480.0),
    "recbole_lightgcn": Peer("LightGCN (RecBole)", "recbole", ("recbole", "torch"), SMALL, limit=480.0),
    "recbole_multivae": Peer("Mult-VAE (RecBole)", "recbole", ("recbole", "torch"), SMALL, limit=480.0),
    "recbole_kgin": Peer("KGIN (RecBole)", "recbole", ("recbole", "torch"), ("ml-100k",), limit=480.0),
}
"""By name, which is that of its module in ``peers.models``."""
