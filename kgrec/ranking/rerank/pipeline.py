"""Re-rankers one after the other, in the order in which somebody named them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import ConfigError, PluginError, UsageError
from kgrec.plugin.manager import Registry
from kgrec.plugin.options import option_defaults
from kgrec.plugin.protocols import Reranker, ReservingReranker
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.base import Order
from kgrec.types import ItemIndices, UserIndices

if TYPE_CHECKING:
    from scipy.sparse import csr_array


NONE = "none"
"""Stands for no re-ranker where kgrec.toml names some."""


@dataclass(frozen=True)
class Pipeline:
    """Prepared re-rankers.

    Attributes:
        steps: by the words that named them, in their order.
        candidates: how many of a user's best items they get.
        bought: who bought what, CSR of shape ``(n_users, n_items)``.
        reserved: items that must be among the candidates, shape ``(k,)``.
    """

    steps: Sequence[tuple[str, Reranker]]
    candidates: int
    bought: csr_array
    reserved: ItemIndices

    def apply(
        self, items: NDArray[np.int64], scores: NDArray[np.float32], users: UserIndices, liked: csr_array, n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the best ``n`` items after all steps, with their fused scores; -1 and -inf where there are fewer.

        Each step takes the order of the one before as what is relevant: the scores stay at their places while the
        items move.

        Args:
            items: candidates, best first, shape ``(u, c)``, -1 for none (anywhere).
            scores: their fused scores, same shape.
            users: positions of the users in the data, -1 for somebody who is not there, shape ``(u,)``.
            liked: what they like, CSR of shape ``(u, n_items)``.
            n: length of the lists.
        """
        order = np.argsort(np.where(items >= 0, -scores, np.inf), axis=1, kind="stable")
        items, fused = np.take_along_axis(items, order, axis=1), np.take_along_axis(scores, order, axis=1)
        fused = np.where(items >= 0, fused, -np.inf).astype(np.float32)
        known = users >= 0
        bought = self.bought[np.where(known, users, 0)]
        if not known.all():
            bought = bought.multiply(known[:, None]).tocsr()
        falling = fused
        for name, step in self.steps:
            lists = CandidateLists(users, items, falling, liked, bought, n, fused)
            columns = _checked(name, step.rerank(lists), items)
            items = np.where(columns >= 0, np.take_along_axis(items, np.maximum(columns, 0), axis=1), -1)
            fused = np.where(columns >= 0, np.take_along_axis(fused, np.maximum(columns, 0), axis=1), -np.inf)
            falling = np.where(items >= 0, falling, -np.inf)
        return _cut(items, n, -1), _cut(fused, n, -np.inf).astype(np.float32)


def _cut(values: NDArray[Any], n: int, missing: float) -> NDArray[Any]:
    found = values[:, :n]
    return np.pad(found, ((0, 0), (0, n - found.shape[1])), constant_values=missing)


def _checked(name: str, columns: Order, items: NDArray[np.int64]) -> Order:
    """Return the columns, or say that a re-ranker names what is no candidate, names it twice, or leaves gaps."""
    u, c = items.shape
    wrong = columns.shape != items.shape or columns.dtype != np.int64
    if not wrong and columns.size:
        present = columns >= 0
        wrong = bool(columns.max(initial=-1) >= c) or bool((present[:, 1:] & ~present[:, :-1]).any())
        if not wrong:
            places = (np.arange(u)[:, None] * c + columns)[present]
            wrong = len(np.unique(places)) < len(places) or bool((items.ravel()[places] < 0).any())
    if wrong:
        raise PluginError(f"re-ranker {name!r} returned something other than an order of the candidates")
    return columns


def parse(text: str, registry: Registry) -> tuple[str, dict[str, Any]]:
    """Return name and options of ``mmr``, ``mmr:0.3``, ``fair:provider,strength=0.2``; values are read as TOML.

    Raises:
        UsageError: it is not of that form.
        NotFoundError: there is no such re-ranker.
    """
    import re
    import tomllib

    name, colon, rest = text.partition(":")
    known = list(option_defaults(registry[name.strip()].load()))
    options: dict[str, Any] = {}
    for k, part in enumerate(rest.split(",") if colon else []):
        key, equals, value = part.partition("=")
        if k == 0 and key.strip() not in known:  # also where it holds an equals sign: rules:genre=Horror
            key, value = next(iter(known), key), part
        elif not equals:
            raise UsageError(f"{text!r} is not of the form name:value,option=value", hint="for example mmr:0.3,by=text")
        try:
            written = re.sub(r"^(\s*[+-]?)\.(?=\d)", r"\g<1>0.", value)  # .3, which TOML does not know
            options[key.strip()] = tomllib.loads(f"value = {written}")["value"]
        except tomllib.TOMLDecodeError:
            options[key.strip()] = value.strip()
    return name.strip(), options


def build(
    named: Sequence[str], registry: Registry, tables: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, Reranker]]:
    """Make the re-rankers that are named, in this order; ``none`` alone is none.

    Args:
        named: as :func:`parse` reads them; what stands there comes before what the tables say.
        registry: the re-rankers on offer.
        tables: ``[rerankers.NAME]`` of kgrec.toml.

    Raises:
        NotFoundError: there is no such re-ranker.
        ConfigError: an option is unknown or unusable.
    """
    for name in tables:
        registry[name]  # a misspelt table is an error, not a table without effect
    if list(named) == [NONE]:
        return []
    return [(text, build_one(*parse(text, registry), registry, tables)) for text in named]


def build_one(
    name: str, options: Mapping[str, Any], registry: Registry, tables: Mapping[str, Mapping[str, Any]]
) -> Reranker:
    """Make one re-ranker from its options and, behind them, those of its table; see :func:`build`."""
    made: Reranker = registry[name].build({**tables.get(name, {}), **options}, table=f"rerankers.{name}")
    return made


def prepare(steps: Sequence[tuple[str, Reranker]], data: RerankData, *, bought: csr_array, candidates: int) -> Pipeline:
    """Let the re-rankers look at items and users.

    Args:
        steps: of :func:`build`.
        data: what is known.
        bought: who bought what, CSR of shape ``(n_users, n_items)``.
        candidates: how many of a user's best items are re-ranked.

    Raises:
        ConfigError: the data lacks what a re-ranker needs.
    """
    prepared = []
    reserved = [np.zeros(0, dtype=np.int64)]
    for name, step in steps:
        try:
            prepared.append((name, step.prepare(data)))
        except ConfigError as error:
            raise ConfigError(f"re-ranker {name!r}: {error.message}", hint=error.hint) from None
        if isinstance(step, ReservingReranker):
            reserved.append(step.reserved())
    return Pipeline(prepared, candidates, bought, np.unique(np.concatenate(reserved)))
