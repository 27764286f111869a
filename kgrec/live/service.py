"""The part that answers while people wait: lists from live profiles, their receipts, events, what is trending."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic_core import to_json

from kgrec.data.pseudonyms import Pseudonyms
from kgrec.errors import NotFoundError, UserError
from kgrec.live.bandits import Bandits
from kgrec.live.edits import STEP, Edits
from kgrec.live.event_log import Appended, EventLog, built_seq
from kgrec.live.events import Event
from kgrec.live.list_cache import KeptList, Key, ListCache
from kgrec.live.lists import ListRequest, ServedItem, ServedList, edited
from kgrec.live.making import EXPLAINING, Listener, expected, make_list, new_scores, stand_in
from kgrec.live.models import Models, Snapshot
from kgrec.live.placements import DEFAULT, Chosen, Placements
from kgrec.live.profiles import LiveProfiles
from kgrec.live.records import Described, Records
from kgrec.live.talks import Talks
from kgrec.live.trending import Trending
from kgrec.ranking.users import UserRef
from kgrec.settings import load_settings
from kgrec.types import Profile

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.explain.why import Explanation

PATIENCE = 5.0
"""Seconds to wait for events that a request wants to be counted."""

ANONYMOUS = "anonymous"
"""Whose receipt it is where a list is for nobody in particular."""

ASKED = set(ListRequest.model_fields)
"""What a receipt keeps of a request."""

MOMENTS = 4
"""Earlier moments whose users are remembered."""


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
        self.records, self.bandits = Records(log), Bandits(log, self.placements)
        self.bandits.learn()
        self._lock = threading.RLock()
        self._cache = ListCache(config.serve.cache)
        self.talks = Talks(config, self.recommend, lambda: self.now)
        self._moments: OrderedDict[tuple[str, int], Models] = OrderedDict()
        self.models = load()
        self.previous: Models | None = None
        self.overlap: float | None = None
        self._trending = Trending(config.serve.trending_hours)
        self._start(self.models)

    def _built(self) -> int:
        """Return the ``seq`` of the last event that the tables hold."""
        return built_seq(entry.path for entry in load_settings(self._file).config.data.interactions)

    def _start(self, models: Models) -> None:
        models.profiles.start(self._built())
        models.profiles.merge(self.log.merged())
        self._catch_up(models)
        models.recommender.ranker.fusion.prepare()
        self._warm(models)

    def _warm(self, models: Models) -> None:
        """Make one list with reasons, so that all it needs is in memory before anybody waits, and stays as it is."""
        request = ListRequest(user_id=next(iter(models.recommender.ranker.user_ids), ANONYMOUS), explain=True)
        listener = self._listener(models, request, Edits())
        make_list(models.state(self.records), request, self.placements.choose(DEFAULT, ""), listener, 0, 0)

    @property
    def now(self) -> Snapshot:
        """What lists are made with by now."""
        return self.models.state(self.records)

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
        if not self.names.name:
            return list(user_ids)
        ids = pl.Series(user_ids, dtype=pl.String)
        made = self.names.column(ids)
        fresh = self.names.shown_all(made) != ids
        if (fresh & (made != ids)).any():
            self.names.remember(ids.filter(fresh), made.filter(fresh))
            self.names = Pseudonyms.of(self._file.parent)
        return made.to_list()

    def stored(self, user_id: str) -> str:
        """Return what the log calls a user, or whose a session was found to be."""
        return self.models.profiles.owner(self._kept([user_id])[0])

    def catch_up(self) -> None:
        """Count what came into the log, from here or from other processes."""
        with self._lock:
            for user_id in self._catch_up(self.models):
                self._cache.drop(user_id)
            if self.records.refresh():
                self._cache.clear()
                before = self.models.profiles.owners
                for session, owner in self.log.merged().items():
                    if before.get(session) != owner:
                        self._merge_into(self.models, owner)

    def _catch_up(self, models: Models) -> list[str]:
        changed: list[str] = []
        while True:
            events = self.log.read(models.profiles.applied)
            if not events.height:
                return changed
            changed += models.profiles.apply(events)
            if models is self.models:
                self._trending.add(events)

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
            UserError: no item meets the conditions, or nothing is known of the moment ``at``.
        """
        return self.listed(request).made

    def kept(self, request: ListRequest) -> KeptList | None:
        """Return the list of a request where it was made before, without waiting; else None."""
        if request.user_id is None or self.names.name or request.min_seq > self.models.profiles.applied:
            return None
        request = request.model_copy(update={"user_id": self.stored(request.user_id)})
        key = self._key(request, self.placements.choose(request.placement, request.participant))
        return None if key is None else self._cache.get(key)

    def listed(self, request: ListRequest) -> KeptList:
        """Make a list, as :meth:`recommend` does, with what is sent of it."""
        if request.min_seq:
            self._wait_for(request.min_seq)
        if request.user_id is not None:
            request = request.model_copy(update={"user_id": self.stored(request.user_id)})
        chosen = self.placements.choose(request.placement, request.participant)
        key = self._key(request, chosen)
        with self._lock:
            if key is not None and (found := self._cache.get(key)) is not None:
                return found
            models, seq = self.models, self.models.profiles.applied
            edits = Edits.of(self.records, request.user_id)
            now = models.state(self.records) if request.at is None else self._earlier(models, request)
            listener = self._listener(now.models, request, edits, now)
            size = models.profiles.size(listener.user.user_id)
        learned = partial(self.bandits.known, chosen.shown, chosen.rules.policy)
        made = make_list(now, request, chosen, listener, secrets.randbits(48), seq, learned)
        values = made.to_dict()
        if self.config.serve.receipts:
            receipt = {
                **values,
                "request": request.model_dump(include=ASKED),
                "edits": edits.model_dump(exclude={"past"}),
            }
            self.log.keep_list(made.rec_id, made.user_id or ANONYMOUS, receipt, made.time)
        shown = self._shown(made)
        done = KeptList(shown, to_json({**values, "user_id": shown.user_id}))
        if key is not None:
            with self._lock:
                # What came for this user meanwhile is not in the list: then it is not kept.
                same = models.profiles.size(made.user_id) == size and Edits.of(self.records, made.user_id) == edits
                if models is self.models and same and now.rev == self.records.rev:  # nor was the catalogue changed
                    self._cache.keep(key, done)
        return done

    def check(self, request: ListRequest) -> dict[str, Any]:
        """Say what a request would get; see :func:`kgrec.live.making.expected`."""
        known = request.user_id is not None and self.knows(request.user_id)
        chosen = self.placements.choose(request.placement, request.participant)
        return {**expected(self.now, chosen, request), "known": known}

    def _earlier(self, models: Models, request: ListRequest) -> Snapshot:
        """Return what lists are made with as of a moment, with the user's events of the log up to then."""
        if request.explain:
            raise UserError("reasons are told of lists made now", hint="leave `at` or `explain` out")
        assert request.at is not None
        assert request.user_id is not None
        key = (models.version, request.at)
        if (found := self._moments.pop(key, None)) is None:
            found = replace(models, recommender=models.recommender.as_of(request.at))
            found.profiles.merge(self.log.merged())
            if len(self._moments) >= MOMENTS:
                self._moments.popitem(last=False)
        self._moments[key] = found
        mine = self.log.of_users(found.profiles.ids_of(request.user_id))
        before = (pl.col("time").floor() <= request.at) & (pl.col("seq") > models.profiles.built)
        found.profiles.forget(request.user_id)
        found.profiles.merge(self.log.merged())
        found.profiles.apply(mine.filter(before))
        return found.state(self.records, 0)

    def _shown(self, made: ServedList) -> ServedList:
        """Return a list under the user's id, where the log knows a pseudonym."""
        return replace(made, user_id=self.names.shown(made.user_id)) if self.names.name else made

    def preview(self, user_id: str, placement: str) -> ServedList:
        """Make the list of a placement, whatever experiments run in it; no receipt is kept."""
        if placement not in self.placements.rules:
            raise NotFoundError.of("placement", placement, self.placements.rules)
        user_id = self.stored(user_id)
        request = ListRequest(user_id=user_id, placement=placement)
        chosen = Chosen(placement, placement, self.placements.rules[placement])
        with self._lock:
            now, seq = self.now, self.models.profiles.applied
            listener = self._listener(now.models, request, Edits.of(self.records, user_id), now)
        return make_list(now, request, chosen, listener, 0, seq)

    def _key(self, request: ListRequest, chosen: Chosen) -> Key | None:
        own = request.user_id is not None and not request.likes and request.at is None
        if not own or chosen.rules.explore > 0 or not self.config.serve.cache:
            return None
        asked = (request.n, request.where, request.boosts, request.explain, request.language)
        return request.user_id, chosen.name, chosen.shown, *asked

    def edit(self, user_id: str, weights: Mapping[str, float | None]) -> Edits:
        """Set how much a user likes items, 0: not at all; None takes an edit back. Returns all edits of the user.

        Raises:
            NotFoundError: the user or an item is unknown.
        """
        positions = self.now.catalogue.positions
        with self._editing(user_id) as (name, edits):
            for key in weights:
                if key not in positions and key not in edits.weights:
                    raise NotFoundError.of("item", key, positions)
            changed = edits.weighed(dict(weights))
            changed.save(self.records, name)
        return changed

    def lean(self, user_id: str, where: str, *, more: bool) -> Edits:
        """Show a user more, or less, of what meets a condition, from now on. Returns all edits of the user.

        Raises:
            NotFoundError: the user, an attribute or a value is unknown.
            UsageError: the condition cannot be read.
        """
        self.now.catalogue.allowed((where,))
        with self._editing(user_id) as (name, edits):
            changed = edits.leaning(where, STEP if more else -STEP)
            changed.save(self.records, name)
        return changed

    def undo(self, user_id: str) -> Edits:
        """Take back the last change that a user made by hand; returns the edits that are left."""
        with self._editing(user_id) as (name, edits):
            changed = edits.undone()
            changed.save(self.records, name)
        return changed

    @contextmanager
    def _editing(self, user_id: str) -> Iterator[tuple[str, Edits]]:
        """Give a known user's name in the log and her edits; afterwards her lists are made again."""
        self.user(user_id)
        name = self.stored(user_id)
        with self._lock:
            yield name, Edits.of(self.records, name)
            self._cache.drop(name)

    def _listener(
        self,
        models: Models,
        request: ListRequest,
        edits: Edits,
        now: Snapshot | None = None,
        profiles: LiveProfiles | None = None,
    ) -> Listener:
        profiles, ranker = profiles or models.profiles, models.recommender.ranker
        if now is None:
            likes, alike = list(request.likes), Profile()
        else:
            likes, alike = stand_in(now, request.likes)
        if request.user_id is not None:
            words = self.records.person(request.user_id, None if now is None else now.rev).description or ""
            found = profiles.find(request.user_id, with_likes=bool(edits.weights or likes or words))
            user = edited(found, edits.weights, ranker.item_positions, likes)
            if words.strip():
                told = replace(user.profile, text=words, text_vector=models.encode([words])[0])
                user = replace(user, position=None, profile=told)
            return Listener(user, profiles.others(request.user_id), edits)
        profile = models.recommender.profile(request.text, likes, lambda text: models.encode([text])[0])
        if len(alike.items):
            items = np.concatenate([profile.items, alike.items])
            profile = replace(profile, items=items, weights=np.concatenate([profile.weights, alike.weights]))
        seen = ranker.seen_at_training([profile] if not len(alike.items) else [Profile()])
        return Listener(UserRef("", None, -1, profile, seen), frozenset(request.likes))

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
        edits = Edits.model_validate(record["edits"])
        with self._lock:
            now = models.state(self.records, record["rev"]) if request.at is None else self._earlier(models, request)
            if request.user_id is None or request.at is not None:
                listener = self._listener(now.models, request, edits, now)
            else:
                then = LiveProfiles(models.recommender.users)
                then.merge(self.log.merged(record["rev"]))
                mine = self.log.of_users(then.ids_of(request.user_id))
                then.apply(mine.filter((pl.col("seq") <= record["seq"]) & (pl.col("seq") > models.profiles.built)))
                listener = self._listener(models, request, edits, now, then)
        kept = np.array(record["known"], dtype=np.float64).reshape(-1, 2)
        made = make_list(now, request, chosen, listener, record["seed"], record["seq"], lambda _ids, _scores: kept)
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
        return self.recommend(ListRequest(likes=(item_id,), n=n, kind="similar"))

    def trending(self, n: int, minutes: int | None = None) -> list[ServedItem]:
        """Return what most people turn to now: what came in so many minutes, or all, decaying."""
        with self._lock:
            counted = self._trending.best(2 * n, time.time(), minutes)
        catalogue = self.now.catalogue
        kept = [(key, count) for key, count in counted if key in catalogue.positions][:n]
        titles = catalogue.titles([key for key, _ in kept])
        return [ServedItem(key, title, count) for (key, count), title in zip(kept, titles, strict=True)]

    def user(self, user_id: str) -> UserRef:
        """Return a user with her likes, as lists see them, edits included.

        Raises:
            NotFoundError: nothing is known of such a user.
        """
        name = self.stored(user_id)
        with self._lock:
            if not self.models.profiles.known(name):
                raise NotFoundError(f"unknown user {user_id!r}", hint="send an event of the user first")
            found = self.models.profiles.find(name, with_likes=True)
        return edited(found, Edits.of(self.records, name).weights, self.models.recommender.ranker.item_positions)

    def knows(self, user_id: str) -> bool:
        """Whether anything is known of a user."""
        return self.models.profiles.known(self.stored(user_id))

    def past(self, user_id: str, most: int) -> list[tuple[int, str, float]]:
        """Return the latest events of a user, newest first: position of the item, action, time (NaN: unknown)."""
        name = self.stored(user_id)
        with self._lock:
            return self.models.profiles.history(name, most)

    def history(self, user_id: str, most: int = 20) -> list[dict[str, Any]]:
        """Return the latest events of a user, newest first: ``item_id``, ``title``, ``action``, ``time``."""
        rows = self.past(user_id, most)
        ids = [self.models.recommender.ranker.item_ids[item] for item, _, _ in rows]
        return [
            {"item_id": key, "title": title, "action": action, "time": None if np.isnan(at) else at}
            for key, title, (_, action, at) in zip(ids, self.now.catalogue.titles(ids), rows, strict=True)
        ]

    def profile(self, user_id: str, most: int = 50) -> dict[str, Any]:
        """Return what lists think a user likes, the strongest first, the latest events, and the edits, JSON values.

        Raises:
            NotFoundError: nothing is known of such a user.
        """
        user = self.user(user_id)
        order = np.argsort(-user.profile.weights, kind="stable")[:most]
        ids = [self.models.recommender.ranker.item_ids[item] for item in user.profile.items[order]]
        titles = self.now.catalogue.titles(ids)
        likes = [
            {"item_id": key, "title": title, "weight": float(weight)}
            for key, title, weight in zip(ids, titles, user.profile.weights[order], strict=True)
        ]
        edits = Edits.of(self.records, self.stored(user_id))
        own = {"edits": edits.weights, "leanings": edits.leanings}
        return {"user_id": user_id, "likes": likes, "events": self.history(user_id), **own}

    def rank(self, user_id: str, item_ids: Sequence[str]) -> tuple[list[ServedItem], list[str]]:
        """Put items in the user's order; also return the ids that are not in the catalogue."""
        name = self.stored(user_id)
        request = ListRequest(user_id=name)
        with self._lock:
            now = self.now
            listener = self._listener(now.models, request, Edits.of(self.records, name), now)
        positions = now.catalogue.positions
        known = [key for key in dict.fromkeys(item_ids) if key in positions]
        scores = new_scores(now, now.models.recommender.fused(listener.user))[[positions[key] for key in known]]
        order = np.argsort(-scores, kind="stable")
        ids = [known[place] for place in order]
        titles = now.catalogue.titles(ids)
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
        with EXPLAINING:
            length = n or self.config.recommend.n
            return explain(models.explainer().speaking(language), scores, item_id, length, terms=None, search=search)

    def forget(self, user_id: str) -> tuple[int, int]:
        """Remove the live events, receipts and edits of a user; returns how many events and receipts there were."""
        name = self.stored(user_id)
        found = self.log.forget(name)
        with self._lock:
            self.records.forget(name)
            for models in (self.models, self.previous):
                if models is not None:
                    models.profiles.forget(name)
            self._cache.drop(name)
        return found

    def merge(self, session: str, user_id: str) -> int:
        """Say that an anonymous session was a user's: from now on its events are hers. Returns how many events it has.

        Raises:
            NotFoundError: nothing is known of the session.
            UserError: it is of somebody already, or the user's own id.
        """
        inside, name = self._kept([session])[0], self.stored(user_id)
        if inside == name or self.models.profiles.owner(inside) != inside:
            raise UserError(f"the session {session!r} is of somebody already")
        if not self.models.profiles.known(inside):
            raise NotFoundError(f"unknown session {session!r}", hint="send its events under its id first")
        with self._lock:
            count = self.log.of_users([inside]).height
            self.log.merge(inside, name)
            self.records.refresh()
            self._merge_into(self.models, name)
            if self.previous is not None:
                self._merge_into(self.previous, name)
            self._cache.drop(name)
            self._cache.drop(inside)
        return count

    def _merge_into(self, models: Models, name: str) -> None:
        """Read the events of a user and her sessions again."""
        profiles = models.profiles
        profiles.merge(self.log.merged())
        ids, applied = profiles.ids_of(name), profiles.applied
        profiles.forget(name)
        profiles.merge(self.log.merged())
        mine = self.log.of_users(ids)
        profiles.apply(mine.filter((pl.col("seq") > profiles.built) & (pl.col("seq") <= applied)))
        profiles.applied = applied

    @property
    def cached(self) -> int:
        """Lists in memory."""
        return len(self._cache)

    # Catalogue

    def person(self, user_id: str) -> Described:
        """Return what was put of a user; empty where nothing was."""
        return self.records.person(self.stored(user_id))

    def put_user(self, user_id: str, record: Described) -> None:
        """Put what is known of a user; what she says of herself counts from her next list on."""
        name = self.stored(user_id)
        self.records.put("user", [(name, record)])
        with self._lock:
            self._cache.drop(name)

    def put_items(self, items: Sequence[tuple[str, Described | None]]) -> None:
        """Put items as they are from now on, or delete them (None); lists know it at once.

        Raises:
            NotFoundError: the catalogue has no such attribute.
            BusyError, StorageError: it cannot be written.
        """
        catalogue = self.now.catalogue
        checked = [(key, one if one is None else catalogue.checked(one)) for key, one in items]
        self.records.put("item", checked)
        with self._lock:
            self.models.state(self.records)
            self._cache.clear()

    # Models

    def reload(self) -> tuple[str, float]:
        """Load the current models beside the served ones, count the events, and swap.

        Returns:
            Version that is served now, and how much the first ten of a sample's lists overlap with what they were.
        """
        fresh = self._load()
        self._start(fresh)
        self.overlap = overlap = self.models.overlap(fresh, self._lock)
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
        self._moments.clear()
