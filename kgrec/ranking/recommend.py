"""Lists for users: those of the data, those that came after training, and those who are not in the data at all.

What only some lists need is imported where it is used: a list for one user known at training must start fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import NotFoundError, UserError
from kgrec.plugin.manager import PluginManager
from kgrec.progress import Progress
from kgrec.ranking.fusion import Asked
from kgrec.ranking.ranker import ListRules, Ranker
from kgrec.ranking.users import UserLookup, UserRef
from kgrec.types import ItemIndices, ItemList, Mask, Profile, Request, Scores, canonical_id

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_array

    from kgrec.graph.knowledge_graph import KnowledgeGraph
    from kgrec.ranking.ratings import RatingService
    from kgrec.ranking.rerank.data import Catalogue
    from kgrec.ranking.rerank.pipeline import Pipeline
    from kgrec.text.vectors import TextVectors


CELLS = 20_000_000
"""Scores of one scorer that are held at once where lists are explained."""


@dataclass(frozen=True)
class UserScores:
    """What all items score for a user.

    Attributes:
        user: the user.
        allowed: items that may be recommended, shape ``(n_items,)``, or None for all.
        parts: of :meth:`kgrec.ranking.ranker.Ranker.split`, each of shape ``(1, n_items)``.
        fused: shape ``(n_items,)``.
    """

    user: UserRef
    allowed: Mask | None
    parts: dict[str, Scores]
    fused: NDArray[np.float32]

    def candidates(self) -> Mask:
        """Return which items may stand in the list, shape ``(n_items,)``."""
        mask = np.ones(len(self.fused), dtype=np.bool_) if self.allowed is None else self.allowed.copy()
        mask[self.user.seen.indices] = False
        return mask


class Recommender:
    """Makes lists with the trained models of a workspace.

    Args:
        users: finds users in the ranker's numbering.
        manager: the plugins.
        graph: loads the knowledge graph; only re-rankers need it.
        text_vectors: loads the vectors that the models were trained with; only re-rankers need them.
        ratings: loads what predicts ratings; only lists by rating need it.
    """

    def __init__(
        self,
        users: UserLookup,
        manager: PluginManager,
        graph: Callable[[], KnowledgeGraph],
        text_vectors: Callable[[], TextVectors],
        ratings: Callable[[], RatingService],
    ) -> None:
        self.users, self.ranker, self.config = users, users.ranker, users.config
        self._manager, self._graph, self.text_vectors, self._ratings = manager, graph, text_vectors, ratings

    def as_of(self, at: int | None) -> Recommender:
        """Return what makes lists as of an earlier moment, unix seconds; see :mod:`kgrec.ranking.as_of`.

        Raises:
            UserError: nothing is known of that time.
        """
        if at is None:
            return self
        from kgrec.ranking.as_of import users_as_of

        users = users_as_of(self.users, at, self._manager.registry("scorer"), self.text_vectors().items)
        return Recommender(users, self._manager, self._graph, self.text_vectors, self._ratings)

    def recommend(self, request: Request, user: UserRef) -> ItemList:
        """Answer one request; see :meth:`kgrec.project.Project.recommend`.

        Args:
            request: what is asked for.
            user: the request's user, from :meth:`UserLookup.asked`.
        """
        if request.by == "rating":
            if request.at is not None:
                raise UserError("ratings are predicted with all that is known", hint="leave --at or --by rating out")
            ratings = self._ratings().of_all_items(user, self.users)
            return self.best(request, UserScores(user, self.allowed_items(request.where), {}, ratings))
        known = self.scores(user, request.where)
        known = replace(known, fused=self.fused(user)) if self.config.recommend.distilled else known
        return self.best(request, known)

    def best(self, request: Request, known: UserScores, added: NDArray[np.float32] | None = None) -> ItemList:
        """Make the list of a request from what all items score; ``known.fused`` is overwritten without ``added``.

        Args:
            request: length, seen items and re-rankers are read.
            known: what the items score, and which may stand in the list.
            added: put on top of the fused scores, in standard deviations of them, shape ``(n_items,)``.
        """
        ranker, user = self.ranker, known.user
        request = replace(request, n=min(request.n, len(ranker.item_ids)))
        scores = known.fused if added is None else known.fused + added * known.fused.std()
        steps = self._pipeline(request.rerank)
        best, values = ranker.rank(scores[None], _rules(request, known.allowed, steps), user.seen)
        if steps is not None:
            rows = np.array([user.row], dtype=np.int64)
            best, values = steps.apply(best, values, rows, self._likes(user), request.n)
        items = best[0][best[0] >= 0]
        return ItemList(
            user_id=user.user_id,
            item_ids=tuple(ranker.item_ids[item] for item in items),
            items=items,
            scores=values[0][: len(items)],
            parts={name: part[0, items] for name, part in known.parts.items()},
        )

    def _listing(self, asked: Asked) -> Ranker:
        """Return what scores lists: all scorers, or what was distilled of them, which cannot read people's words."""
        words = not isinstance(asked, np.ndarray) and any(profile.text_vector is not None for profile in asked)
        return self.ranker.quick if self.config.recommend.distilled and not words else self.ranker

    def fused(self, user: UserRef) -> NDArray[np.float32]:
        """Score all items for a user as lists do, faster than :meth:`scores`, shape ``(n_items,)``."""
        fused = np.empty((1, len(self.ranker.item_ids)), dtype=np.float32)
        self._listing(user.asked).fusion.fuse(user.asked, self.ranker.seen_at_training(user.asked), fused)
        return np.asarray(fused[0])

    def fused_for(
        self, request: Request, user: UserRef, allowed: Mask | None, added: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """Score all items for a user as :meth:`fused` does; those that :meth:`best` cannot list may be a little off.

        Args:
            request: as :meth:`best` gets it.
            user: whom the list is for.
            allowed: items that may be recommended, or None.
            added: as :meth:`best` gets it.
        """
        steps, n_items = self._pipeline(request.rerank), len(self.ranker.item_ids)
        if steps is not None and steps.reserved is not None:
            return self.fused(user)
        n = min(request.n if steps is None else max(request.n, steps.candidates), n_items)

        def standing(scores: NDArray[np.float32]) -> NDArray[np.float32]:
            found = scores.copy() if added is None else scores + added * scores.std()
            if not request.include_seen:
                found[user.seen.indices] = -np.inf
            if allowed is not None:
                found[~allowed] = -np.inf
            return found

        n += len(user.seen.indices) if request.include_seen else 0  # they may have to come after all others
        fused = np.empty((1, n_items), dtype=np.float32)
        fusion = self._listing(user.asked).fusion
        fusion.fuse_best(user.asked, self.ranker.seen_at_training(user.asked), fused, n, standing)
        return np.asarray(fused[0])

    def parts_of(self, user: UserRef, items: ItemIndices) -> dict[str, NDArray[np.float32]]:
        """Return each scorer's share of the fused scores of some items, shapes ``(i,)``."""
        asked = user.asked
        return self.ranker.fusion.shares(asked, self.ranker.seen_at_training(asked), items)

    def scores(self, user: UserRef, where: Sequence[str] = ()) -> UserScores:
        """Score all items for a user, by scorer; ``where`` as in :meth:`allowed_items`."""
        parts, fused = self.ranker.split(user.asked)
        return UserScores(user, self.allowed_items(where), parts, fused[0])

    def scores_of(self, user_id: str) -> UserScores:
        """Score all items, by scorer, for a user of the data, whose likes are found out too."""
        return self.scores(self.users.find(user_id, with_likes=True))

    def recommend_many(self, users: Sequence[str] | None, order: Request, progress: Progress) -> pl.DataFrame:
        """Answer for many users what ``order`` asks for each; see :meth:`kgrec.project.Project.recommend_many`."""
        import polars as pl

        from kgrec.models.threads import choose_threads
        from kgrec.ranking.lists import rank_blocks

        ranker, dataset = self.ranker, self.users.dataset()
        order = replace(order, n=min(order.n, len(ranker.item_ids)))
        n = order.n
        asked = dataset.users["user_id"].drop_nulls().sort() if users is None else map(canonical_id, users)
        wanted = list(dict.fromkeys(asked))
        positions = self.users.positions(wanted)
        positions[positions >= 0] = self.users.unmoved(positions[positions >= 0])
        early, late = np.flatnonzero(positions >= 0), np.flatnonzero(positions < 0)
        later = [wanted[place] for place in late]
        dataset.user_positions(later)  # an unknown id is an error before the work begins, not after it
        best = np.full((len(wanted), n), -1, dtype=np.int64)
        values = np.zeros((len(wanted), n), dtype=np.float32)
        steps = self._pipeline(order.rerank)
        rows = np.zeros(0, dtype=np.int64) if steps is None else dataset.user_positions(wanted)
        rules = _rules(order, self.allowed_items(order.where), steps)
        threads = choose_threads(self.config.train.threads).count
        options = {"block_size": self.config.recommend.block_size, "threads": threads}
        with progress.task("recommending", total=len(wanted)) as task:

            def take(places: NDArray[np.int64], found: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
                if steps is not None:
                    found, scores = steps.apply(found, scores, rows[places], self.catalogue.likes[rows[places]], n)
                best[places], values[places] = found, scores
                task.advance(len(places))

            known = positions[early]
            seen = self.users.seen_by_all()[known]
            for block, found, scores in rank_blocks(self._listing(known), known, rules, seen=seen, **options):
                take(early[block], found, scores)
            if later:
                profiles, seen = self.users.newcomers(later)
                for block, found, scores in rank_blocks(self._listing(profiles), profiles, rules, seen=seen, **options):
                    take(late[block], found, scores)
        places, ranks = np.nonzero(best >= 0)
        return pl.DataFrame(
            {
                "user_id": pl.Series(wanted, dtype=pl.String).gather(places),
                "item_id": pl.Series(ranker.item_ids, dtype=pl.String).gather(best[places, ranks]),
                "rank": (ranks + 1).astype(np.uint32),
                "score": values[places, ranks],
            }
        )

    def lists_of(self, lists: pl.DataFrame) -> Iterator[tuple[list[ItemList], list[UserRef]]]:
        """Yield lists of :meth:`recommend_many` with what each scorer adds, and whose they are, block by block.

        Args:
            lists: the rows of a user stand together.
        """
        ranker = self.ranker
        size = min(self.config.recommend.block_size, max(CELLS // max(len(ranker.item_ids), 1), 1))
        firsts = lists.with_row_index("row").unique("user_id", keep="first", maintain_order=True)
        wanted, bounds = firsts["user_id"].to_list(), [*firsts["row"].to_list(), lists.height]
        places = np.array([ranker.item_positions[item] for item in lists["item_id"].to_list()], dtype=np.int64)
        scores, rows = lists["score"].to_numpy(), self.users.dataset().user_positions(wanted)
        positions = np.array([ranker.user_positions.get(user, -1) for user in wanted], dtype=np.int64)
        positions[positions >= 0] = self.users.unmoved(positions[positions >= 0])
        late = positions < 0
        runs = np.split(np.arange(len(wanted)), np.flatnonzero(np.diff(late)) + 1)  # newcomers are asked apart
        nothing = self.ranker.seen[:0]
        for block in (run[k : k + size] for run in runs for k in range(0, len(run), size)):
            new = bool(late[block[0]])
            profiles = self.users.newcomers([wanted[k] for k in block])[0] if new else [Profile()] * len(block)
            parts, _ = ranker.split(profiles if new else positions[block])
            found, users = [], []
            for row, k in enumerate(block.tolist()):
                at = places[bounds[k] : bounds[k + 1]]
                own = {name: part[row, at] for name, part in parts.items()}
                ids = tuple(ranker.item_ids[item] for item in at)
                found.append(ItemList(wanted[k], ids, at, scores[bounds[k] : bounds[k + 1]], own))
                place = None if new else int(positions[k])
                users.append(UserRef(wanted[k], place, int(rows[k]), profiles[row], nothing))
            yield found, users

    def profile(self, text: str, like: Sequence[str], encode: Callable[[str], NDArray[np.float32]]) -> Profile:
        """Describe somebody who is not in the data; see :meth:`kgrec.project.Project.profile`.

        Args:
            text: their own words.
            like: ids of items they like.
            encode: encodes words as the models were trained with -> shape ``(dim,)``; not called without words.

        Raises:
            NotFoundError: an item is unknown.
        """
        positions = self.ranker.item_positions
        wanted = list(dict.fromkeys(map(canonical_id, like)))
        for key in wanted:
            if key not in positions:
                raise NotFoundError.of("item", key, positions)
        items = np.array([positions[key] for key in wanted], dtype=np.int64)
        return Profile(items, np.ones(len(items), dtype=np.float32), text, encode(text) if text.strip() else None)

    def allowed_items(self, where: Sequence[str] = ()) -> Mask | None:
        """Return which items, numbered as at training, still exist and meet all conditions; None where all do.

        Args:
            where: as :mod:`kgrec.ranking.where` reads it.

        Raises:
            NotFoundError: there is no such attribute, relation or value.
            UsageError: a condition cannot be read.
            UserError: no item meets the conditions.
        """
        if not where and not self.users.changed:
            return None
        mask = np.ones(self.users.dataset().n_items, dtype=np.bool_)
        if where:
            from kgrec.ranking.item_filter import ItemFilter

            chosen = ItemFilter(self.users.dataset(), self._graph)
            mask = np.logical_and.reduce([chosen.mask(text) for text in where])
            if not mask.any():
                raise UserError(f"no item meets {' and '.join(where)}", hint="drop one of the conditions")
        if self.users.there is not None:
            mask = mask & self.users.there
        positions = self.users.item_positions()
        allowed = np.zeros(len(self.ranker.item_ids), dtype=np.bool_)
        allowed[positions[mask & (positions >= 0)]] = True
        return allowed

    @cached_property
    def catalogue(self) -> Catalogue:
        """What re-rankers may ask of items and users, as the ranker numbers them."""
        from scipy.sparse import csr_array

        from kgrec.data.split import interaction_matrix, like_weights, to_events
        from kgrec.ranking.rerank.data import Catalogue

        dataset, config, n_items = self.users.dataset(), self.config, len(self.ranker.item_ids)
        everything = np.ones(dataset.interactions.height, dtype=np.bool_)
        events = to_events(dataset, everything, like_weights(dataset, config.feedback, self.users.domain))
        likes = interaction_matrix(events, dataset.n_users, dataset.n_items).tocoo()
        columns = self.users.item_positions()[likes.col]
        kept = columns >= 0
        matrix = csr_array((likes.data[kept], (likes.row[kept], columns[kept])), shape=(dataset.n_users, n_items))
        triples = self._graph().triples(min_entity_degree=config.graph.min_entity_degree)
        return Catalogue(
            dataset,
            self.users.item_rows(),
            matrix,
            self.ranker.item_ids,
            self.text_vectors().items,
            triples if len(triples) else None,
            config.seed,
            self._best_ranks,
            self.users.at,
        )

    def _best_ranks(self) -> NDArray[np.int32]:
        """Return how high items stand in users' lists; found once for trained models, then read from the cache."""
        from kgrec.artifacts import cached_arrays
        from kgrec.plugin.reranking import AUDIENCE
        from kgrec.ranking.lists import best_ranks

        config, workspace = self.config, self.users.workspace

        def find() -> dict[str, NDArray[np.int32]]:
            size = config.recommend.block_size
            return {"best_ranks": best_ranks(self.ranker, AUDIENCE, seed=config.seed, block_size=size)}

        found = cached_arrays(workspace.cache / "best-ranks", workspace.info("models").fingerprint, find)
        return found["best_ranks"].astype(np.int32)

    def _pipeline(self, named: Sequence[str] | None) -> Pipeline | None:
        """Return the re-rankers that are named, or those of kgrec.toml, ready to work; None where there are none."""
        config = self.config
        if not (asked := config.recommend.rerank if named is None else named):
            return None
        from kgrec.ranking.rerank.pipeline import build, prepare

        steps = build(asked, self._manager.registry("re-ranker"), config.rerankers)
        if not steps:
            return None
        known = self.catalogue
        candidates = config.recommend.rerank_candidates
        return prepare(steps, known.describe(), bought=known.bought(), candidates=candidates)

    def _likes(self, user: UserRef) -> csr_array:
        """Return what a user likes, CSR of shape ``(1, n_items)``."""
        from scipy.sparse import csr_array

        likes = self.catalogue.likes
        if user.row >= 0:
            return likes[[user.row]]
        entries = (user.profile.weights, user.profile.items, np.array([0, len(user.profile.items)]))
        return csr_array(entries, shape=(1, likes.shape[1]))


def _rules(request: Request, allowed: Mask | None, steps: Pipeline | None) -> ListRules:
    """Return what may stand in a list, or among the candidates where it is re-ranked."""
    if steps is None:
        return ListRules(request.n, allowed, request.include_seen)
    return ListRules(max(request.n, steps.candidates), allowed, request.include_seen, steps.reserved)
