"""Values that cross the layers: array aliases with their shapes, requests, profiles and lists of items."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import ConfigError, DataError, UsageError
from kgrec.shown import html_table
from kgrec.workers import HERE, Workers

if TYPE_CHECKING:  # scipy.sparse costs a tenth of a second, and the CLI's help does not need it
    import polars as pl
    from scipy.sparse import csr_array

UserIndices = NDArray[np.int64]
"""Positions of users in the vocabulary, shape ``(u,)``."""

ItemIndices = NDArray[np.int64]
"""Positions of items in the vocabulary, shape ``(i,)``."""

Scores = NDArray[np.float32]
"""One score an item for each user, shape ``(u, n_items)``; NaN means "cannot score"."""

Vectors = NDArray[np.float32]
"""Embeddings, shape ``(n, dim)``; text vectors have unit rows."""

Mask = NDArray[np.bool_]
"""True where something is kept, shape ``(i,)``."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of somebody: enough to score items for a person who was not there at training.

    >>> Profile(np.array([4, 7]), np.ones(2, dtype=np.float32)).items.tolist()
    [4, 7]

    Attributes:
        items: positions of items that the person liked, shape ``(k,)``.
        weights: how strongly, shape ``(k,)``; same order as ``items``.
        text: the person's own words, or the empty string.
        text_vector: ``text`` encoded by the workspace's text encoder, shape ``(dim,)``, or None.
    """

    items: ItemIndices = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    text: str = ""
    text_vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class FactorScores:
    """Scores as a product, ``users @ items.T``; NaN in the rows and columns of what is not known.

    Attributes:
        users: one vector a user, float32 of shape ``(u, k)``.
        items: one vector an item, float32 of shape ``(n_items, k)``; the same whoever is asked for.
        known_users: who can be scored, shape ``(u,)``.
        known_items: what can be scored, shape ``(n_items,)``; the same whoever is asked for.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    known_users: NDArray[np.bool_]
    known_items: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SparseScores:
    """Scores that are 0 but for few items; NaN in the rows and columns of what is not known.

    Attributes:
        matrix: the scores, CSR float32 of shape ``(u, n_items)``, each item of a row at most once.
        known_users: who can be scored, shape ``(u,)``.
        known_items: what can be scored, shape ``(n_items,)``; the same whoever is asked for.
    """

    matrix: csr_array
    known_users: NDArray[np.bool_]
    known_items: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SummedScores:
    """A product, and what is added to few of its scores; NaN where the product is not known.

    Attributes:
        product: scores of all items.
        added: what comes on top; who and what it knows is not read.
    """

    product: FactorScores
    added: SparseScores

    @property
    def known_users(self) -> NDArray[np.bool_]:
        """Who can be scored, shape ``(u,)``."""
        return self.product.known_users

    @property
    def known_items(self) -> NDArray[np.bool_]:
        """What can be scored, shape ``(n_items,)``."""
        return self.product.known_items


Compact = FactorScores | SparseScores | SummedScores
"""Scores in the form that they are computed from."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants how many recommendations under which conditions.

    >>> Request("ann", n=3, where=("year > 1990",)).n
    3

    Attributes:
        user_id: the user's id in the data, or None for a person known only by ``profile``.
        n: the length of the list.
        include_seen: also recommend what the user has interacted with.
        where: conditions as :mod:`kgrec.ranking.where` reads them; an item must meet all of them.
        profile: stands in for the history of somebody who is not in the data.
        rerank: re-rankers in the order in which they work, ``("mmr:0.3",)``; None: as in kgrec.toml.
        by: ``relevance``, the fused score of the scorers, or ``rating``, what the user would rate an item.
        at: the earlier moment that the list is made for, unix seconds: what came later does not count; None: now.

    Raises:
        UsageError: ``n`` is no whole number of at least 1.
    """

    user_id: str | None
    n: int = 10
    include_seen: bool = False
    where: tuple[str, ...] = ()
    profile: Profile | None = None
    rerank: tuple[str, ...] | None = None
    by: Literal["relevance", "rating"] = "relevance"
    at: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int | np.integer) or self.n < 1:
            raise UsageError(f"n is the length of a list, not {self.n!r:.80}", hint="give a whole number of at least 1")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is in the list: one plain sentence and what it rests on.

    Attributes:
        sentence: what a person reads.
        kind: ``"path"`` (a typed path of the graph), ``"similar"`` (an item of the history), ``"text"``, ``"popular"``.
        nodes: keys of the graph's nodes the sentence names, in order.
        relations: names of the relations between them, one fewer than ``nodes``, or empty.
        clause: what of the sentence stands behind the item of the history, for texts: "Ann directed this one too".
    """

    sentence: str
    kind: str
    nodes: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    clause: str = ""


@dataclass(frozen=True, slots=True)
class ListedItem:
    """A place of a list.

    Attributes:
        item_id: the item's id.
        score: fused.
        reason: why it is there, a sentence; empty when no explanation was asked for.
    """

    item_id: str
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ItemList:
    """Recommended items of one user, best first: iterated over and indexed by their places.

    >>> found = ItemList("ann", ("a", "b"), np.arange(2), np.array([2.0, 1.0], dtype=np.float32))
    >>> [item.item_id for item in found], found[0].score, len(found[:1])
    (['a', 'b'], 2.0, 1)
    >>> found.to_frame().columns
    ['rank', 'item_id', 'score', 'reason']

    Attributes:
        user_id: for whom; the empty string for a person who is not in the data.
        item_ids: the items' ids.
        items: their positions in the vocabulary, shape ``(n,)``.
        scores: fused scores, falling unless re-rankers changed the order, shape ``(n,)``.
        parts: contribution of each scorer to the fused score, by the scorer's name, each of shape ``(n,)``.
        reasons: one an item, or empty when no explanation was asked for.
    """

    user_id: str
    item_ids: tuple[str, ...]
    items: ItemIndices
    scores: NDArray[np.float32]
    parts: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    @overload
    def __getitem__(self, place: int) -> ListedItem: ...

    @overload
    def __getitem__(self, place: slice) -> list[ListedItem]: ...

    def __getitem__(self, place: int | slice) -> ListedItem | list[ListedItem]:
        if isinstance(place, slice):
            return [self[k] for k in range(len(self))[place]]
        at = range(len(self))[place]
        reason = self.reasons[at].sentence if self.reasons else ""
        return ListedItem(self.item_ids[at], float(self.scores[at]), reason)

    def __iter__(self) -> Iterator[ListedItem]:
        return (self[k] for k in range(len(self)))

    def to_frame(self) -> pl.DataFrame:
        """Return ``rank`` (1 is best), ``item_id``, ``score`` and ``reason`` (empty when none was asked for)."""
        import polars as pl

        reasons = [reason.sentence for reason in self.reasons] or [""] * len(self)
        ranks = pl.Series("rank", range(1, len(self) + 1), dtype=pl.UInt32)
        columns = {"item_id": list(self.item_ids), "score": self.scores, "reason": reasons}
        return pl.DataFrame({"rank": ranks, **columns})

    def _repr_html_(self) -> str:
        """Return the list as a table, for notebooks."""
        rows = ((k, item.item_id, f"{item.score:.3f}", item.reason) for k, item in enumerate(self, 1))
        return html_table(("", "item", "score", "why"), rows)


@dataclass(frozen=True, slots=True)
class Triples:
    """The knowledge graph without users and interactions, as arrays.

    Nodes are numbered items first: node ``k < n_items`` is item ``k`` of the vocabulary, the others are entities.

    Attributes:
        heads: shape ``(t,)``, int64.
        relations: positions in ``relation_names``, shape ``(t,)``, int64.
        tails: shape ``(t,)``, int64.
        weights: shape ``(t,)``, float32; 1 for a stated fact, the link's score for a mention.
        n_items: how many of the nodes are items.
        n_nodes: items and entities together.
        relation_names: shape ``(r,)``; forward relations only.
    """

    heads: NDArray[np.int64]
    relations: NDArray[np.int64]
    tails: NDArray[np.int64]
    weights: NDArray[np.float32]
    n_items: int
    n_nodes: int
    relation_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.heads)


@dataclass(frozen=True, slots=True)
class Events:
    """Interactions one by one, in the order of time where times exist.

    Attributes:
        users, items: positions in the vocabularies, shape ``(e,)``.
        actions: positions in ``action_names``, shape ``(e,)``.
        values: ratings or amounts, shape ``(e,)``, NaN where there is none.
        weights: how strongly the event counts (action weight), shape ``(e,)``.
        times: unix seconds, shape ``(e,)``, or None when the data has no times.
        action_names: shape ``(a,)``.
    """

    users: UserIndices
    items: ItemIndices
    actions: NDArray[np.int64]
    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    times: NDArray[np.int64] | None
    action_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, slots=True)
class PrivateLikes:
    """What was released of the likes of all users, with noise; see :mod:`kgrec.models.private`.

    Attributes:
        counts: likes of each item, shape ``(n_items,)``, 0 where they are no more than noise.
        gram: items by items, noise shrunk away, float32 of shape ``(n_items, n_items)``, or None.
    """

    counts: NDArray[np.float64]
    gram: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """All that a scorer may look at while it is fitted: the fit part only, never what it is judged on.

    Attributes:
        matrix: how strongly each user is known to like each item, CSR float32 of shape ``(n_users, n_items)``,
            entries > 0, duplicates summed, indices sorted.
        events: the interactions behind ``matrix``.
        triples: the knowledge graph, or None.
        item_text: text vectors of the items, shape ``(n_items, dim)``, zero rows where an item has no text, or None.
        user_text: vectors of the users' own words and descriptions, shape ``(n_users, dim)``, or None.
        validation: held-out likes for early stopping, CSR of ``matrix``'s shape, or None; nothing is fitted on it.
        validation_weights: how much each user counts when ``validation`` judges, shape ``(n_users,)``; None: all alike.
        device: ``"cpu"`` or ``"cuda"``.
        item_weights: inverse propensities that ``matrix`` and ``events`` were multiplied by, shape ``(n_items,)``, or
            None where likes count as they were observed.
        rejected: what each user was shown and did not like, CSR of ``matrix``'s shape, entries 1, no pair of
            ``matrix`` among them; None where nothing is known of it.
        item_terms: TF-IDF of the words of the items' texts, CSR of shape ``(n_items, n_terms)``, unit or empty rows;
            only where there is ``rejected``, else None.
        workers: who may fit a part of the work, by blocks of users or items; see :mod:`kgrec.workers`.
        private: what was released of all likes under differential privacy: nothing else of other users may be learned
            from; None: no such bound.
        user_ids, item_ids: the ids behind the rows and columns of ``matrix``, where it was made of a frame, else None.
    """

    matrix: csr_array
    events: Events
    triples: Triples | None = None
    item_text: Vectors | None = None
    user_text: Vectors | None = None
    validation: csr_array | None = None
    device: str = "cpu"
    item_weights: NDArray[np.float32] | None = None
    rejected: csr_array | None = None
    item_terms: csr_array | None = None
    private: PrivateLikes | None = None
    validation_weights: NDArray[np.float64] | None = None
    workers: Workers = HERE
    user_ids: pl.Series | None = None
    item_ids: pl.Series | None = None

    @classmethod
    def from_frame(  # noqa: D417
        cls,
        frame: Any,
        *,
        user: str | None = None,
        item: str | None = None,
        weight: str | None = None,
        time: str | None = None,
    ) -> TrainingData:
        """Return what a scorer learns from, of a frame of Polars, pandas or Arrow with a row an interaction.

        >>> data = TrainingData.from_frame({"user": [7, 7, 9], "item": ["x", "y", "x"]})
        >>> data.matrix.toarray().tolist(), data.user_ids.to_list()
        ([[1.0, 1.0], [1.0, 0.0]], [7, 9])

        Args:
            frame: the interactions; pairs that stand there twice count twice.
            user, item: names of the columns; None takes ``user`` or ``user_id``, ``item`` or ``item_id``.
            weight: column of how strongly a row counts, above 0; None: 1.
            time: column of dates, times or unix seconds; None: the rows are not in an order.

        Raises:
            ConfigError: it is no frame.
            DataError: a column is missing, or holds what cannot be used.
        """
        import polars as pl
        from scipy.sparse import coo_array, csr_array

        table = as_frame("interactions", frame)
        ends = [column_of(table, "user", user), column_of(table, "item", item)]
        ids = [column.unique().sort() for column in ends]
        users, items = (column.rank("dense").to_numpy().astype(np.int64) - 1 for column in ends)
        strength = np.ones(len(users), dtype=np.float32)
        if weight is not None:
            strength = column_of(table, "weight", weight).cast(pl.Float32, strict=False).fill_null(0).to_numpy()
            if not (strength > 0).all() or not np.isfinite(strength).all():
                raise DataError(f"{weight} holds what is not a number above 0", hint="leave such rows out")
        moments = None
        if time is not None:
            told = column_of(table, "time", time)
            stamped = told.cast(pl.Datetime("us")).dt.epoch("s") if told.dtype.is_temporal() else told.cast(pl.Int64)
            moments = stamped.to_numpy().astype(np.int64)
        order = np.argsort(moments, kind="stable") if moments is not None else np.arange(len(users))
        nothing = np.full(len(users), np.nan, dtype=np.float32)
        events = Events(
            users[order],
            items[order],
            np.zeros(len(users), dtype=np.int64),
            nothing,
            strength[order],
            None if moments is None else moments[order],
            ("like",),
        )
        matrix = csr_array(coo_array((strength, (users, items)), shape=(len(ids[0]), len(ids[1]))))
        matrix.sum_duplicates()
        return cls(matrix, events, user_ids=ids[0], item_ids=ids[1])

    @property
    def has_graph(self) -> bool:
        """Whether there is a triple."""
        return self.triples is not None and len(self.triples) > 0

    @property
    def has_texts(self) -> bool:
        """Whether an item has a text."""
        return self.item_text is not None and bool(self.item_text.any())

    @property
    def n_users(self) -> int:
        """Number of users in the vocabulary."""
        return int(self.matrix.shape[0])

    @property
    def n_items(self) -> int:
        """Number of items in the vocabulary."""
        return int(self.matrix.shape[1])


def as_frame(role: str, frame: Any) -> pl.DataFrame:
    """Return a frame of any kind as one of Polars; what offers Arrow's C interface is taken through it.

    Args:
        role: what it is called in errors.
        frame: of Polars, pandas or Arrow, or a table of lists.

    Raises:
        ConfigError: it is none.
    """
    import polars as pl

    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, str | bytes | PurePath):
        raise ConfigError(
            f"{role}: a {type(frame).__name__} is no data frame", hint="for files: kgrec init DIR --from FILES"
        )
    try:
        try:
            found = pl.DataFrame(frame)
        except ImportError:  # without pyarrow, pandas hands over lists
            found = pl.DataFrame(frame.to_dict("list"))
    except (AttributeError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise ConfigError(
            f"{role}: a {type(frame).__name__} is no data frame: {error}", hint="give one of Polars, pandas or Arrow"
        ) from None
    if not found.width:
        raise ConfigError(f"{role}: the data frame has no columns", hint="give one with a row for each of them")
    return found


def column_of(frame: pl.DataFrame, what: str, name: str | None) -> pl.Series:
    """Return a column without gaps; None takes the one called ``what`` or ``what_id``.

    Raises:
        DataError: there is no such column, or a cell is empty.
    """
    names = (what, f"{what}_id") if name is None else (name,)
    found = next((one for one in names if one in frame.columns), None)
    if found is None:
        told = f"the frame has no column {' or '.join(map(repr, names))}; it has {', '.join(frame.columns)}"
        raise DataError(told, hint=f"name the column of {what}s: {what}=...")
    if gaps := frame[found].null_count():
        raise DataError(f"{found} is empty in {gaps} of {frame.height} rows", hint="leave them out")
    return frame[found]


def canonical_id(given: str | int) -> str:
    """Return an id that a person gave as ids of files are kept: as text, trimmed and NFC.

    Raises:
        UsageError: it is neither text nor a whole number.
    """
    if isinstance(given, bool) or not isinstance(given, str | int | np.integer):
        raise UsageError(f"an id is a text, not {given!r:.80}", hint="give the id as it stands in the data")
    return unicodedata.normalize("NFC", str(given)).strip()


def as_texts(given: str | int | Iterable[str | int], what: str) -> tuple[str, ...]:
    """Return several texts, where one alone may be given as it is.

    Raises:
        UsageError: it is something else; ``what`` names it.
    """
    if isinstance(given, str | int | np.integer) and not isinstance(given, bool):
        return (str(given),)
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise UsageError(
            f"{what} is a text or several texts, not {given!r:.80}", hint=f"give {what} as a list of texts"
        )
    found = tuple(given)
    for one in found:
        if isinstance(one, bool) or not isinstance(one, str | int | np.integer):
            raise UsageError(f"{what} is a text or several texts, and {one!r:.80} is none", hint="give texts only")
    return tuple(map(str, found))
