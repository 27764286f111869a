"""The part that answers while people wait: lists from live profiles, their receipts, events, what is trending."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.pseudonyms import Pseudonyms
from kgrec.errors import NotFoundError, UsageError, UserError
from kgrec.languages import DEFAULT as DEFAULT_LANGUAGE
from kgrec.live.dialogue import CANDIDATES, Dialogue, Talk
from kgrec.live.event_log import EDITS, Appended, EventLog, built_seq
from kgrec.live.events import Event
from kgrec.live.experiments import ExperimentResult, compare
from kgrec.live.lists import ListRequest, ServedItem, ServedList, Trending, edited, pick, pin
from kgrec.live.models import Models
from kgrec.live.off_policy import Estimate, off_policy
from kgrec.live.placements import DEFAULT, POOL, Chosen, Placements, draw, propensities, temper
from kgrec.live.profiles import LiveProfiles
from kgrec.ranking.users import UserRef
from kgrec.settings import load_settings
from kgrec.types import Reason, Request

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.explain.why import Explanation
    from kgrec.ranking.recommend import Recommender

PATIENCE = 5.0
"""Seconds to wait for events that a request wants to be counted."""

ANONYMOUS = "anonymous"
"""Whose receipt it is where a list is for nobody in particular."""


class LiveService:
    """Answers requests; safe for many threads.

    Args:
        config: settings.
        log: the event log.
        load: loads the current models; called again by :meth:`reload`.
        config_file: kgrec.toml, which names the parts of the log that the tables hold.
    """

    def __init__(self, config: Config, log: EventLog, load: Callable[[], Models], config_file: Path) -> None:
        self.config, self.log, self._load, self._file = config, log, load, config_file
        self.names = Pseudonyms.of(config_file.parent)
        self.placements = Placements(config)
        self._lock = threading.RLock()
        self._cache: OrderedDict[tuple[Any, ...], ServedList] = OrderedDict()
        self._by_user: dict[str, set[tuple[Any, ...]]] = {}
        self._explaining = threading.Lock()
        self._dialogues: dict[tuple[str, str], Dialogue] = {}
        self.models = load()
        self.previous: Models | None = None
        self._trending = Trending(len(self.models.recommender.ranker.item_ids), config.serve.trending_hours)
        self._start(self.models)

    def _built(self) -> int:
        """Return the ``seq`` of the last event that the tables hold."""
        return built_seq(entry.path for entry in load_settings(self._file).config.data.interactions)

    def _start(self, models: Models) -> None:
        models.profiles.start(self._built())
        self._catch_up(models)
        models.recommender.ranker.fusion.prepare()
        self._warm(models)

    def _warm(self, models: Models) -> None:
        """Make one list with reasons, so that all it needs is in memory before anybody waits, and stays as it is."""
        request = ListRequest(user_id=next(iter(models.recommender.ranker.user_ids), ANONYMOUS), explain=True)
        user = models.profiles.find(request.user_id or "")
        self._make(models, request, self.placements.choose(DEFAULT, ""), user, 0, 0)

    # Events

    def append(self, events: Sequence[Event]) -> Appended:
        """Log events, wait until they are on the disk, and count them.

        Raises:
            BusyError: the log cannot keep up.
            StorageError: it cannot be written.
        """
        if self.names.name:
            kept = self._kept([event.user_id for event in events])
            pairs = zip(events, kept, strict=True)
            events = [event.model_copy(update={"user_id": name}) for event, name in pairs]
        found = self.log.append(events).result(timeout=60)
        self.catch_up()
        return found

    def _kept(self, user_ids: Sequence[str]) -> list[str]:
        """Return what the log calls users: their pseudonyms, where the workspace has such, remembered for commands."""
        ids = pl.Series(user_ids, dtype=pl.String)
        if not self.names.name:
            return list(user_ids)
        made = self.names.column(ids)
        fresh = self.names.shown_all(made) != ids
        if (fresh & (made != ids)).any():
            self.names.remember(ids.filter(fresh), made.filter(fresh))
            self.names = Pseudonyms.of(self._file.parent)
        return made.to_list()

    def catch_up(self) -> None:
        """Count what came into the log, from here or from other processes."""
        with self._lock:
            for user_id in self._catch_up(self.models):
                self._drop(user_id)

    def _catch_up(self, models: Models) -> list[str]:
        changed: list[str] = []
        while True:
            events = self.log.read(models.profiles.applied)
            if not events.height:
                return changed
            changed += models.profiles.apply(events)
            if models is self.models:
                self._trending.add(events, models.recommender.ranker.item_positions)

    def _wait_for(self, seq: int) -> None:
        end = time.monotonic() + PATIENCE
        while self.models.profiles.applied < seq:
            self.catch_up()
            if self.models.profiles.applied >= seq:
                return
            if time.monotonic() > end or seq > self.log.newest():
                raise UserError(f"there is no event {seq} yet", hint="min_seq is the `seq` of an acknowledged event")
            time.sleep(0.01)

    # Lists

    def recommend(self, request: ListRequest) -> ServedList:
        """Make a list, or take it from the cache; its receipt is kept.

        Raises:
            NotFoundError: there is no such placement, attribute or item.
            UserError: no item meets the conditions.
        """
        if request.min_seq:
            self._wait_for(request.min_seq)
        if request.user_id is not None:
            request = request.model_copy(update={"user_id": self._kept([request.user_id])[0]})
        chosen = self.placements.choose(request.placement, request.user_id or "")
        key = self._key(request, chosen)
        with self._lock:
            if key is not None and key in self._cache:
                self._cache.move_to_end(key)
                return self._shown(self._cache[key])
            models, seq = self.models, self.models.profiles.applied
            edits = self._edits(request.user_id)
            user = self._user(models, request, edits)
            size = models.profiles.size(user.user_id)
        made = self._make(models, request, chosen, user, secrets.randbits(48), seq)
        if key is not None:
            with self._lock:
                # What came for this user meanwhile is not in the list: then it is not kept.
                same = models.profiles.size(made.user_id) == size and self._edits(made.user_id) == edits
                if models is self.models and same:
                    self._keep(key, made)
        if self.config.serve.receipts:
            receipt = {**made.to_dict(), "request": request.model_dump(), "edits": edits}
            self.log.keep_list(made.rec_id, made.user_id or ANONYMOUS, receipt, made.time)
        return self._shown(made)

    def _shown(self, made: ServedList) -> ServedList:
        """Return a list under the user's id, where the log knows a pseudonym."""
        return replace(made, user_id=self.names.shown(made.user_id)) if self.names.name else made

    def preview(self, user_id: str, placement: str) -> ServedList:
        """Make the list of a placement, whatever experiments run in it; no receipt is kept."""
        if placement not in self.placements.rules:
            raise NotFoundError.of("placement", placement, self.placements.rules)
        user_id = self._kept([user_id])[0]
        request = ListRequest(user_id=user_id, placement=placement)
        chosen = Chosen(placement, placement, self.placements.rules[placement])
        with self._lock:
            models, seq = self.models, self.models.profiles.applied
            user = self._user(models, request, self._edits(user_id))
        return self._make(models, request, chosen, user, 0, seq)

    def _key(self, request: ListRequest, chosen: Chosen) -> tuple[Any, ...] | None:
        own = request.user_id is not None and not request.likes
        if not own or chosen.rules.explore > 0 or not self.config.serve.cache:
            return None
        return request.user_id, chosen.name, chosen.shown, request.n, request.where, request.explain, request.language

    def _keep(self, key: tuple[Any, ...], made: ServedList) -> None:
        self._cache[key] = made
        self._by_user.setdefault(made.user_id, set()).add(key)
        while len(self._cache) > self.config.serve.cache:
            old, _ = self._cache.popitem(last=False)
            if keys := self._by_user.get(old[0]):
                keys.discard(old)
                if not keys:
                    del self._by_user[old[0]]

    def _edits(self, user_id: str | None) -> dict[str, float]:
        """Return weights of items that a user set by hand, by id."""
        kept = None if user_id is None else self.log.state(f"{EDITS}{user_id}")
        return {} if kept is None else json.loads(kept)

    def edit(self, user_id: str, weights: Mapping[str, float | None]) -> dict[str, float]:
        """Set how much a user likes items, 0: not at all; None takes an edit back. Returns all edits of the user.

        Raises:
            NotFoundError: the user or an item is unknown.
        """
        self.user(user_id)
        user_id = self._kept([user_id])[0]
        positions = self.models.recommender.ranker.item_positions
        edits: dict[str, float | None] = {**self._edits(user_id), **weights}
        for key in weights:
            if key not in positions:
                raise NotFoundError.of("item", key, positions)
        kept = {key: weight for key, weight in edits.items() if weight is not None}
        self.log.set_state(f"{EDITS}{user_id}", json.dumps(kept))
        with self._lock:
            self._drop(user_id)
        return kept

    def _drop(self, user_id: str) -> None:
        for key in self._by_user.pop(user_id, set()):
            self._cache.pop(key, None)

    def _user(
        self, models: Models, request: ListRequest, edits: Mapping[str, float], profiles: LiveProfiles | None = None
    ) -> UserRef:
        profiles = profiles or models.profiles
        if request.user_id is not None:
            found = profiles.find(request.user_id, with_likes=bool(edits or request.likes))
            return edited(found, edits, models.recommender.ranker.item_positions, request.likes)
        profile = models.recommender.profile(request.text, request.likes, models.encode)
        return UserRef("", None, -1, profile, models.recommender.ranker.seen_at_training([profile]))

    def _make(
        self, models: Models, request: ListRequest, chosen: Chosen, user: UserRef, seed: int, seq: int
    ) -> ServedList:
        placement, recommender = chosen.rules, models.recommender
        n = request.n or placement.n
        pool = n if placement.explore <= 0 else POOL * n
        seen = self.config.recommend.include_seen if placement.include_seen is None else placement.include_seen
        where = (*placement.where, *request.where)
        rerank = None if placement.rerank is None else tuple(placement.rerank)
        order = Request(user.user_id or None, pool, seen, where, rerank=rerank)
        found = recommender.recommend(order, user, split=request.explain, added=self._boosts(recommender, chosen))
        drawn = draw(found.scores, n, placement.explore, np.random.default_rng(seed))
        pool_scores = tuple(map(float, found.scores)) if placement.explore > 0 else ()
        found = pick(found, drawn.order)
        found, places, odds = pin(found, drawn, placement.pin, recommender.ranker.item_positions, n)
        reasons: tuple[Reason, ...] = ()
        if request.explain:
            with self._explaining:  # the explainer keeps what it looked up last
                reasons = models.explainer().speaking(request.language).reasons(found, user)
        titles = models.titles(found.item_ids)
        items = tuple(
            ServedItem(key, title, float(score), float(odd), int(place), reason.sentence if reason else "")
            for key, title, score, odd, place, reason in zip(
                found.item_ids, titles, found.scores, odds, places, reasons or (None,) * len(titles), strict=True
            )
        )
        return ServedList(
            secrets.token_hex(12),
            user.user_id,
            items,
            models.version,
            seq,
            chosen.name,
            chosen.shown,
            chosen.experiment,
            chosen.variant,
            seed,
            time.time(),
            pool_scores if placement.explore > 0 else (),
        )

    def _boosts(self, recommender: Recommender, chosen: Chosen) -> NDArray[np.float32] | None:
        placement = chosen.rules
        if not placement.boost:
            return None
        added = np.zeros(len(recommender.ranker.item_ids), dtype=np.float32)
        for boost in placement.boost:
            meets = recommender.allowed_items(boost.where)
            if meets is not None:
                added[meets] += boost.by
        return added

    def replay(self, rec_id: str) -> tuple[ServedList, bool]:
        """Make a list again from its receipt.

        Returns:
            The list, and whether it is the same as the one that was served, place by place.

        Raises:
            NotFoundError: there is no such receipt.
            UserError: it was made by models that are no longer served.
        """
        record = self.receipt(rec_id)
        models = next((m for m in (self.models, self.previous) if m and m.version == record["model"]), None)
        if models is None:
            raise UserError("this list was made by models that are no longer served")
        request = ListRequest.model_validate(record["request"])
        rules = self.placements.rules.get(record["shown"])
        if rules is None:
            raise UserError(f"the placement {record['shown']!r} is no more", hint="it left kgrec.toml since")
        chosen = Chosen(record["placement"], record["shown"], rules, record["experiment"], record["variant"])
        if request.user_id is None:
            user = self._user(models, request, {})
        else:
            then = LiveProfiles(models.recommender.users)
            mine = self.log.of_user(request.user_id)
            then.apply(mine.filter((pl.col("seq") <= record["seq"]) & (pl.col("seq") > models.profiles.built)))
            user = self._user(models, request, record["edits"], then)
        made = self._make(models, request, chosen, user, record["seed"], record["seq"])
        made = replace(made, rec_id=rec_id, time=record["time"])
        return made, [item.to_dict() for item in made.items] == record["items"]

    def receipt(self, rec_id: str) -> dict[str, Any]:
        """Return what is kept of a list.

        Raises:
            NotFoundError: there is no such receipt.
        """
        record = self.log.list_record(rec_id)
        if record is None:  # receipts are written a moment after the list is served
            self.log.flush()
            record = self.log.list_record(rec_id)
        if record is None:
            raise NotFoundError(f"there is no list {rec_id!r}", hint="receipts are kept while serve.receipts is true")
        return record

    def similar(self, item_id: str, n: int) -> ServedList:
        """Return the items that somebody would get who likes nothing but this one."""
        return self.recommend(ListRequest(likes=(item_id,), n=n))

    def trending(self, n: int) -> list[ServedItem]:
        """Return what most people turn to now: every event counts half after ``serve.trending_hours``."""
        with self._lock:
            places, counts = self._trending.best(n, time.time())
            ids = [self.models.recommender.ranker.item_ids[place] for place in places]
            return [
                ServedItem(key, title, float(count))
                for key, title, count in zip(ids, self.models.titles(ids), counts, strict=True)
            ]

    def user(self, user_id: str) -> UserRef:
        """Return a user with her likes, as lists see them, edits included.

        Raises:
            NotFoundError: nothing is known of such a user.
        """
        user_id = self._kept([user_id])[0]
        with self._lock:
            if not self.models.profiles.known(user_id):
                raise NotFoundError(f"unknown user {user_id!r}", hint="send an event of the user first")
            found = self.models.profiles.find(user_id, with_likes=True)
        return edited(found, self._edits(user_id), self.models.recommender.ranker.item_positions)

    def knows(self, user_id: str) -> bool:
        """Whether anything is known of a user."""
        return self.models.profiles.known(self._kept([user_id])[0])

    def history(self, user_id: str, most: int = 20) -> list[dict[str, Any]]:
        """Return the latest events of a user, newest first: ``item_id``, ``title``, ``action``, ``time``."""
        user_id = self._kept([user_id])[0]
        with self._lock:
            ids = self.models.recommender.ranker.item_ids
            rows = [(ids[item], action, at) for item, action, at in self.models.profiles.history(user_id, most)]
            titles = self.models.titles([key for key, _, _ in rows])
        return [
            {"item_id": key, "title": title, "action": action, "time": None if np.isnan(at) else at}
            for (key, action, at), title in zip(rows, titles, strict=True)
        ]

    def profile(self, user_id: str, most: int = 50) -> dict[str, Any]:
        """Return what lists think a user likes, the strongest first, the latest events, and the edits, JSON values.

        Raises:
            NotFoundError: nothing is known of such a user.
        """
        user, models = self.user(user_id), self.models
        order = np.argsort(-user.profile.weights, kind="stable")[:most]
        ids = [models.recommender.ranker.item_ids[item] for item in user.profile.items[order]]
        likes = [
            {"item_id": key, "title": title, "weight": float(weight)}
            for key, title, weight in zip(ids, models.titles(ids), user.profile.weights[order], strict=True)
        ]
        edits = self._edits(self._kept([user_id])[0])
        return {"user_id": user_id, "likes": likes, "events": self.history(user_id), "edits": edits}

    def rank(self, user_id: str, item_ids: Sequence[str]) -> tuple[list[ServedItem], list[str]]:
        """Put items in the user's order; also return the ids that models do not know."""
        user_id = self._kept([user_id])[0]
        with self._lock:
            models = self.models
            user = edited(models.profiles.find(user_id), self._edits(user_id), models.recommender.ranker.item_positions)
        positions = models.recommender.ranker.item_positions
        known = [key for key in dict.fromkeys(item_ids) if key in positions]
        scores = models.recommender.scores(user).fused[[positions[key] for key in known]]
        order = np.argsort(-scores, kind="stable")
        ids = [known[place] for place in order]
        titles = models.titles(ids)
        ranked = [
            ServedItem(key, title, float(score)) for key, title, score in zip(ids, titles, scores[order], strict=True)
        ]
        return ranked, [key for key in dict.fromkeys(item_ids) if key not in positions]

    def explain(
        self, user_id: str, item_id: str, n: int | None = None, *, search: bool = False, language: str | None = None
    ) -> Explanation:
        """Say why an item is, or is not, in a user's list by now; see :meth:`kgrec.project.Project.explain`."""
        from kgrec.explain.why import explain

        user, models = self.user(user_id), self.models
        scores = models.recommender.scores(user)
        with self._explaining:
            length = n or self.config.recommend.n
            return explain(models.explainer().speaking(language), scores, item_id, length, terms=None, search=search)

    def chat(
        self,
        user_id: str,
        text: str,
        talk: Talk,
        shown: Sequence[str] = (),
        *,
        language: str | None = None,
        n: int = 10,
    ) -> tuple[Talk, ServedList]:
        """Answer somebody who talks about a list: what was understood, perhaps a question, and the next list.

        Args:
            user_id: the user.
            text: what was said; empty begins a talk.
            talk: where it stands.
            shown: ids of the items of the last list.
            language: of the talk; None: the workspace's.
            n: length of the list.
        """
        dataset = self.models.recommender.users.dataset()
        code = language or self.config.recommend.language or dataset.language or DEFAULT_LANGUAGE
        with self._lock:
            if (dialogue := self._dialogues.get((code, self.models.version))) is None:
                dialogue = self.models.dialogue(code)
                self._dialogues = {**self._dialogues, (code, self.models.version): dialogue}
        if text.strip():
            talk = dialogue.understand(text, talk, list(zip(shown, self.models.titles(shown), strict=True)))
        try:
            made = self._list_of(user_id, talk, code, max(n, CANDIDATES))
        except (UserError, UsageError):
            talk = dialogue.without_last(talk)
            made = self._list_of(user_id, talk, code, max(n, CANDIDATES))
        talk = dialogue.ask(talk, [item.item_id for item in made.items])
        return talk, replace(made, items=made.items[:n])

    def _list_of(self, user_id: str, talk: Talk, language: str, n: int) -> ServedList:
        where = tuple(wish.where for wish in talk.wishes if wish.where)
        likes = tuple(wish.like for wish in talk.wishes if wish.like)
        return self.recommend(ListRequest(user_id=user_id, likes=likes, where=where, n=n, language=language))

    def forget(self, user_id: str) -> tuple[int, int]:
        """Remove the live events, receipts and edits of a user; returns how many events and receipts there were."""
        user_id = self._kept([user_id])[0]
        found = self.log.forget(user_id)
        with self._lock:
            self.models.profiles.forget(user_id)
            if self.previous is not None:
                self.previous.profiles.forget(user_id)
            self._drop(user_id)
        return found

    @property
    def cached(self) -> int:
        """Lists in memory."""
        return len(self._cache)

    # Models

    def reload(self) -> tuple[str, float]:
        """Load the current models beside the served ones, count the events, and swap.

        Returns:
            Version that is served now, and how much the first ten of a sample's lists overlap with what they were.
        """
        fresh = self._load()
        fresh.profiles.start(self._built())
        self._catch_up(fresh)
        self._warm(fresh)
        overlap = self._overlap(fresh)
        with self._lock:
            self._catch_up(fresh)
            self._swap(fresh)
        return fresh.version, overlap

    def roll_back(self) -> str:
        """Serve the models again that were served before.

        Raises:
            UserError: there are none.
        """
        with self._lock:
            if self.previous is None:
                raise UserError("no models were served before these")
            self._catch_up(self.previous)
            self._swap(self.previous)
            return self.models.version

    def _swap(self, fresh: Models) -> None:
        self.previous, self.models = self.models, fresh
        self._cache.clear()
        self._by_user.clear()
        self._trending = self._trending.renumbered(
            self.previous.recommender.ranker.item_ids, fresh.recommender.ranker.item_positions
        )

    def _overlap(self, fresh: Models, sample: int = 20, n: int = 10) -> float:
        old, shared = self.models.recommender, []
        step = max(len(old.ranker.user_ids) // sample, 1)
        for user_id in old.ranker.user_ids[::step][:sample]:
            if not self.models.profiles.known(user_id):
                continue
            lists = []
            for models in (self.models, fresh):
                with self._lock:
                    order = Request(user_id, n)
                    found = models.recommender.recommend(order, models.profiles.find(user_id), split=False)
                lists.append(set(found.item_ids))
            shared.append(len(lists[0] & lists[1]) / max(len(lists[0]), 1))
        return float(np.mean(shared)) if shared else 1.0

    # Experiments

    def experiment(self, name: str) -> ExperimentResult:
        """Return what is known of an experiment by now; it may be looked at at any time.

        Raises:
            NotFoundError: there is no such experiment.
        """
        experiments = self.placements.experiments
        if name not in experiments:
            raise NotFoundError.of("experiment", name, experiments)
        experiment = experiments[name]
        wanted = experiment.metric
        shown = self.log.shown(name, wanted)
        outcomes = {}
        for variant in experiment.variants:
            own = shown.filter(pl.col("variant") == variant)
            outcomes[variant] = ((own["hits"] / own["lists"]).to_numpy(), own["lists"].to_numpy())
        return compare(name, wanted, outcomes)

    def estimate(self, placement: str, explore: float, *, action: str = "click") -> dict[str, Estimate]:
        """Estimate from drawn lists of a placement what another temperature would have earned a list.

        Args:
            placement: lists of it were drawn, its ``explore`` is above 0.
            explore: the other temperature, above 0.
            action: what counts as the reward, 1 a place.

        Raises:
            UserError: no list of the placement was drawn.
        """
        clicks = self.log.of_lists().filter(pl.col("action") == action).select("rec_id", "item_id")
        hits = set(clicks.iter_rows())
        rows = [record for record in self.log.list_records() if record["shown"] == placement and record["pool"]]
        if not rows:
            raise UserError(
                f"no list of placement {placement!r} was drawn", hint="set its `explore` above 0 for a while"
            )
        width = max(len(record["items"]) for record in rows)
        rewards = np.full((len(rows), width), np.nan)
        logged, target = np.ones((len(rows), width)), np.ones((len(rows), width))
        for place, record in enumerate(rows):
            drawn = [item for item in record["items"] if item["drawn"] >= 0]
            order = np.array([item["drawn"] for item in drawn], dtype=np.int64)
            logits = temper(np.array(record["pool"]), explore)
            rewards[place, : len(drawn)] = [(record["rec_id"], item["item_id"]) in hits for item in drawn]
            logged[place, : len(drawn)] = [item["propensity"] for item in drawn]
            if logits is not None:
                target[place, : len(drawn)] = propensities(logits, order)
        return off_policy(rewards, logged, target)
