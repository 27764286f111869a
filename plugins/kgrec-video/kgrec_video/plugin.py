"""Films and series: what columns, actions and relations mean stands in domain.toml."""

from __future__ import annotations

from kgrec.plugin import Spec, domain_hook, hookimpl

contract = 1
kgrec_domains = domain_hook(__package__)


@hookimpl
def kgrec_data_sources() -> list[Spec]:
    """Offer the reader of MovieLens' files, which have no header."""
    return [
        Spec("movielens", "kgrec_video.movielens:MovieLensSource", "MovieLens .dat, u.data, u.item, u.user", rank=5),
    ]


@hookimpl
def kgrec_commands() -> list[Spec]:
    """Offer ``kgrec video coverage``."""
    summary = "List the relations of a graph and what the video domain takes them for."
    return [Spec("video coverage", "kgrec_video.commands:coverage", summary)]
