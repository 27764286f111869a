"""Writing texts about items: what is asked for, what may be said, by which writer, for one user or for all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kgrec.artifacts import resumed_lines
from kgrec.data.pseudonyms import Pseudonyms
from kgrec.errors import UsageError, UserError
from kgrec.generate.facts import FactBook, numbered
from kgrec.generate.feedback.store import FeedbackStore, TextRecord
from kgrec.generate.kinds import TEMPLATE, Variants, cues_of, kind_of
from kgrec.generate.names import NameIndex
from kgrec.generate.parts import PROMPT, WritingParts
from kgrec.generate.prompts import prompt_of
from kgrec.generate.template import TONES
from kgrec.generate.topics import Steering, merged, stressed
from kgrec.generate.writer import Watch, Writer
from kgrec.languages import DEFAULT
from kgrec.languages.language import get_language
from kgrec.plugin.generation import MAIN, Fact, GeneratedText, TextRequest, Voice
from kgrec.progress import SILENT, Progress
from kgrec.text.profile import Profiler, UserProfile
from kgrec.types import ItemList, Request, canonical_id
from kgrec.workers import HERE, Workers, told

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.data.dataset import Dataset
    from kgrec.explain.reasons import Explainer
    from kgrec.graph.knowledge_graph import KnowledgeGraph
    from kgrec.plugin.domain import Domain, TextKind
    from kgrec.plugin.manager import PluginManager
    from kgrec.ranking.recommend import Recommender, UserScores
    from kgrec.types import Reason
    from kgrec.workspace import Workspace

LENGTHS = {"short": 0.5, "medium": 1.0, "long": 1.6}
"""How long texts are beside what their kind says."""

TEXT_FIELDS = ("text", "kind", "lang", "user_id", "item_ids")
"""By which a file of texts is known as one; the first field stands first in each line."""


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What texts are asked for; what is None is as in kgrec.toml.

    Attributes:
        kind: name of the kind; None: the domain's usual one.
        language: its code.
        tone: ``neutral``, ``warm``, ``playful`` or ``formal``.
        model: ``template``, another generator, or a language model with an optional ``:MODEL``.
        candidates: drafts a text.
        seed: another seed gives another wording.
        allow_fallback: let the template step in where a model fails; otherwise that is an error.
        variant: name of the prompt (of the phrases, for the template); None: as ``generate.variants`` chooses.
        steer: ``profile`` or ``latent``: what chooses the topics that a text dwells on.
        length: ``short``, ``medium`` or ``long``: how much of what its kind allows a text may take.
        show_candidates: hand back all ``candidates`` drafts, with what guards and the reranker made of each.
        show_prompt: hand back what a language model is asked.
    """

    kind: str | None = None
    language: str | None = None
    tone: str | None = None
    model: str | None = None
    candidates: int | None = None
    seed: int | None = None
    allow_fallback: bool = True
    variant: str | None = None
    steer: str | None = None
    length: str = "medium"
    show_candidates: bool = False
    show_prompt: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedOptions:
    """What texts are asked for, with what was left out as kgrec.toml says it; see :class:`GenerateOptions`."""

    language: str
    tone: str
    model: str
    candidates: int
    seed: int
    allow_fallback: bool
    variant: str | None
    steer: str
    length: str = "medium"
    show_candidates: bool = False
    show_prompt: bool = False


_Job = tuple[str, tuple[str, ...]]
"""A user (empty: nobody in particular) and the items that a text is about."""


class TextService:
    """Writes texts from what a workspace knows; what writing needs is made when it is first used and kept.

    Args:
        config: settings; ``generate``, ``generators``, ``language_models``, ``guards`` and ``seed`` are read.
        manager: the plugins.
        workspace: whose artifacts hold a tuned model.
        dataset: the tables.
        graph: the knowledge graph.
        profiler: describes users.
        recommender: loads the trained models; texts for nobody in particular need none.
        store: where texts are kept for feedback.
    """

    def __init__(
        self,
        config: Config,
        manager: PluginManager,
        workspace: Workspace,
        dataset: Dataset,
        graph: KnowledgeGraph,
        profiler: Profiler,
        recommender: Callable[[], Recommender],
        store: FeedbackStore,
    ) -> None:
        self.config, self.workspace = config, workspace
        self.parts = WritingParts(config, manager, workspace.artifacts)
        self.domain: Domain = manager.domain(config.domain)
        self.dataset, self.graph, self.profiler = dataset, graph, profiler
        self._recommender, self.store = recommender, store
        voice = config.generate.voice
        self.voice = Voice(tuple(voice.samples), tuple(voice.prefer), tuple(voice.avoid))
        self.variants = Variants(manager, self.domain, config.generate, store, self.parts.asks_small)
        self._books: dict[str, FactBook] = {}
        self._explainers: dict[str, Explainer] = {}
        self._scores: UserScores | None = None

    def resolved(self, options: GenerateOptions) -> ResolvedOptions:
        """Return what is asked for, with what was left out as kgrec.toml says it.

        Raises:
            UsageError: there is no such language or tone, or no such way to steer.
        """
        generate = self.config.generate
        language = options.language or generate.language or self.config.recommend.language or self.dataset.language
        tone, steer = options.tone or generate.tone, options.steer or generate.steer
        if tone not in TONES:
            raise UsageError(f"unknown tone {tone!r}", hint=f"one of {', '.join(TONES)}")
        if options.length not in LENGTHS:
            raise UsageError(f"unknown length {options.length!r}", hint=f"one of {', '.join(LENGTHS)}")
        if steer not in ("profile", "latent"):
            raise UsageError(f"texts cannot be steered by {steer!r}", hint="profile or latent")
        return ResolvedOptions(
            language=get_language(language or DEFAULT).code,
            tone=tone,
            model=options.model or generate.model,
            candidates=options.candidates or generate.candidates,
            seed=self.config.seed if options.seed is None else options.seed,
            allow_fallback=options.allow_fallback,
            variant=options.variant,
            steer=steer,
            length=options.length,
            show_candidates=options.show_candidates,
            show_prompt=options.show_prompt,
        )

    def _asked(self, options: GenerateOptions) -> tuple[ResolvedOptions, TextKind]:
        """Return what is asked for, and of which kind; no model words what only an approved source may say.

        Raises:
            UserError: the template has no phrases of the kind in the language.
        """
        asked = self.resolved(options)
        kind = kind_of(self.domain, options.kind).scaled(LENGTHS[asked.length], asked.language)
        if asked.model == TEMPLATE and asked.language not in kind.phrases:
            known = ", ".join(code for code in kind.phrases if "@" not in code)
            lack = f"the kind {kind.name!r} has no phrases in {asked.language!r}"
            raise UserError(lack, hint=f"there are {known}; its domain may add phrases/{asked.language}.txt")
        return (replace(asked, model=TEMPLATE) if kind.approved else asked), kind

    def generate(
        self,
        user: str | None,
        items: Sequence[str],
        n: int,
        options: GenerateOptions,
        watch: Watch | None = None,
    ) -> list[GeneratedText]:
        """Write texts about items, for a user or for nobody in particular.

        Args:
            user: the user's id; None for kinds that are not personal.
            items: ids of the items; none: what is recommended to the user.
            n: how many recommended items are written about; of a kind about several items, how many texts.
            options: what is asked for.
            watch: told the pieces of a draft as a model makes them.

        Returns:
            One text an item (or group of items), in their order. What a guard refused is never returned.

        Raises:
            NotFoundError: user, item, kind or model is unknown.
            UsageError: there is neither a user nor an item, or the kind is written for a user and there is none.
            GuardRefusedError: nothing passed, and no fallback is allowed.
        """
        asked, kind = self._asked(options)
        if kind.personal and user is None:
            raise UsageError(f"a text of the kind {kind.name!r} is written for a user", hint="give a USER")
        user_id = canonical_id(user) if user is not None and kind.personal else ""
        writer = self.writer(asked)
        positions, reasons = self._subjects(user, items, n, kind, asked.language)
        size = kind.max_items
        chunks = [positions[k : k + size] for k in range(0, len(positions), size)]
        requests = list(self._requests(kind, user_id, chunks, reasons, asked))
        return self._written(writer, requests, [user_id] * len(requests), asked, watch)

    def write_keywords(self, out: str | Path, *, thin: int = 20, limit: int = 8) -> int:
        """Write keywords of items with thin texts: words that items near them in graph and training likes agree on.

        Training reads the file where ``text.keywords`` names it. Keywords are no facts and never stated.

        Args:
            out: the file, .csv with the columns ``item_id`` and ``keywords``.
            thin: texts of fewer words get keywords.
            limit: keywords an item.

        Returns:
            How many items got some.
        """
        from kgrec.generate.keywords import write_keywords

        return write_keywords(self.dataset, self.graph, self.config, self.domain, Path(out), thin=thin, limit=limit)

    def generate_all(
        self,
        out: str | Path,
        options: GenerateOptions = GenerateOptions(),
        *,
        n: int = 1,
        users: Sequence[str] | None = None,
        progress: Progress = SILENT,
        workers: Workers = HERE,
        reopen: Callable[[], TextService] | None = None,
    ) -> int:
        """Write texts for all users, or about all items where the kind is not personal, into a file of JSON lines.

        What the file already holds of the same kind and language is not written again.

        Args:
            out: the file, ``.jsonl``; it grows batch by batch.
            options: what is asked for.
            n: texts a user.
            users: ids; None for all.
            progress: told where it is.
            workers: who writes batches.
            reopen: makes this service at a worker.

        Returns: how many texts were written now.

        Raises:
            UsageError: the file is not named ``.jsonl``, or several workers were to keep texts on record.
            UserError: its folder does not exist, or it holds something else.
        """
        out = Path(out)
        if out.suffix != ".jsonl":
            raise UsageError(f"{out.name!r}: texts are written as JSON lines", hint="--out FILE.jsonl")
        if not out.parent.is_dir():
            raise UserError(f"the folder {out.parent} does not exist", hint=f"mkdir -p {out.parent}")
        if workers.count > 1 and self.config.generate.record:
            raise UsageError("texts on record lie in one file, which one process writes", hint="leave --cluster out")
        asked, kind = self._asked(options)
        names = Pseudonyms.of(self.workspace.root)
        with resumed_lines(out, TEXT_FIELDS) as (rows, stream):
            done = {
                (names.stored(str(row["user_id"])) if row["user_id"] else "", tuple(map(str, row["item_ids"])))
                for row in rows
                if (row["kind"], row["lang"]) == (kind.name, asked.language)
            }
            jobs = [job for job in self._jobs(kind, n, users, progress) if job not in done]
            self.writer(asked)  # what cannot write is told before the work
            size = self.config.generate.batch_size
            blocks = ((kind, jobs[start : start + size], asked) for start in range(0, len(jobs), size))
            with progress.task(told(f"writing {kind.name}", workers), total=len(jobs)) as task:
                for texts in workers.map(TextService.write_batch, self, blocks, reopen=reopen):
                    shown = (replace(text, user_id=names.shown(text.user_id)).to_dict() for text in texts)
                    lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in shown)
                    stream.write("".join(lines).encode())
                    stream.flush()
                    task.advance(len(texts))
        return len(jobs)

    def _subjects(
        self, user: str | None, items: Sequence[str], n: int, kind: TextKind, language: str
    ) -> tuple[list[int], tuple[Reason, ...]]:
        """Return the positions of the items that are written about, and why each was recommended."""
        if not items:
            if user is None:
                raise UsageError("about which item?", hint="give --item ITEM, or a USER")
            request = Request(user, n * kind.max_items, self.config.recommend.include_seen)
            recommender = self._recommender()
            found = recommender.recommend(request, recommender.users.asked(request))
        else:
            ids = [canonical_id(item) for item in items]
            positions = self.dataset.item_positions(ids)  # an unknown id is an error here, with the nearest names
            if user is None:
                return positions.tolist(), ()
            found = self.scored(user, ids)
        reasons = self.reasons(found, language) if kind.personal and len(found) else ()
        return [int(p) for p in self.dataset.item_positions(list(found.item_ids))], reasons

    def _jobs(self, kind: TextKind, n: int, users: Sequence[str] | None, progress: Progress) -> Iterator[_Job]:
        """Yield all texts that are wanted of a kind, those of a user one after the other."""
        if not kind.personal:
            # Of an item that the catalogue does not know, and only logs name, there is nothing to say.
            named = self.dataset.items.filter(self.dataset.items["title"].is_not_null())
            yield from (("", (item,)) for item in named["item_id"].sort().to_list())
            return
        wanted = None if users is None else [canonical_id(user) for user in users]
        order = Request(None, n * kind.max_items, self.config.recommend.include_seen)
        lists = self._recommender().recommend_many(wanted, order, progress)
        for (user,), rows in lists.group_by(["user_id"], maintain_order=True):
            ids = rows["item_id"].to_list()
            for start in range(0, len(ids), kind.max_items):
                yield str(user), tuple(ids[start : start + kind.max_items])

    def write_batch(self, batch: tuple[TextKind, Sequence[_Job], ResolvedOptions]) -> list[GeneratedText]:
        """Write the texts of a batch of :meth:`generate_all`."""
        kind, jobs, asked = batch
        about = self.dataset.item_positions([item for _, items in jobs for item in items])
        self.book(asked.language).items(about.tolist())  # all facts at once: the graph is looked through once
        requests: list[TextRequest] = []
        for user, rows in groupby(jobs, key=lambda job: job[0]):
            wanted = [items for _, items in rows]
            ids = [item for items in wanted for item in items]
            reasons = self.reasons(self.scored(user, ids), asked.language) if user else ()
            chunks = [self.dataset.item_positions(list(items)).tolist() for items in wanted]
            requests += self._requests(kind, user, chunks, reasons, asked)
        return self._written(self.writer(asked), requests, [user for user, _ in jobs], asked)

    def _requests(
        self,
        kind: TextKind,
        user_id: str,
        chunks: Sequence[Sequence[int]],
        reasons: Sequence[Reason],
        asked: ResolvedOptions,
    ) -> Iterator[TextRequest]:
        """Yield a request for each group of items; ``reasons`` are of all their items, or none."""
        start = 0
        for place, chunk in enumerate(chunks):
            part = reasons[start : start + len(chunk)]
            yield replace(self.request(kind, chunk, asked, user_id=user_id, reasons=part), place=place)
            start += len(chunk)

    def _written(
        self,
        writer: Writer,
        requests: Sequence[TextRequest],
        users: Sequence[str],
        asked: ResolvedOptions,
        watch: Watch | None = None,
    ) -> list[GeneratedText]:
        """Write, say in each text why its model did not write it, and keep texts on record where that is wanted."""
        texts = writer.write(
            requests, seed=asked.seed, user_ids=users, watch=watch, allow_fallback=asked.allow_fallback
        )
        note = self.parts.notes.get(asked.model, "")
        if note:
            texts = [text if text.note else replace(text, note=note, fallback=True) for text in texts]
        if asked.show_prompt:
            small = self.parts.asks_small(asked.model)
            prompts = [prompt_of(self._for_model(request), small=small) for request in requests]
            texts = [replace(text, prompt_text=prompt) for text, prompt in zip(texts, prompts, strict=True)]
        if self.config.generate.record:
            pairs = zip(texts, requests, strict=True)
            self.store.add_texts(TextRecord.of(t, request, asked=asked.model, seed=asked.seed) for t, request in pairs)
        return texts

    def request(
        self,
        kind: TextKind,
        items: Sequence[int],
        asked: ResolvedOptions,
        *,
        user_id: str = "",
        reasons: Sequence[Reason] = (),
    ) -> TextRequest:
        """Collect what may be said about ``items`` (positions) to a user.

        Args:
            kind: of text.
            items: positions in the vocabulary.
            asked: language, tone, model.
            user_id: the reader; empty for nobody in particular.
            reasons: why each item was recommended, or empty.

        Raises:
            UserError: texts are to be steered by the latent generator, and the workspace has none.
        """
        language, domain = asked.language, self.domain
        book = self.book(language)
        profile = self.profile(user_id) if user_id else UserProfile("")
        foreseen = self._steering.interests(profile.user_id) if user_id and asked.steer == "latent" else ()
        if foreseen:
            profile = replace(profile, interests=merged(profile.interests, foreseen))
        facts: list[Fact] = []
        for k, item in enumerate(items):
            facts += book.items([item])[0]
            if user_id:
                facts += book.personal(item, profile, reasons[k] if k < len(reasons) else None)
        if user_id and len(items) > 1:
            facts += book.together(items, facts, profile)
        if kind.approved:
            facts = self._approved(facts)
        facts, topics = stressed(facts, profile.interests) if foreseen else (facts, ())
        item_ids = tuple(str(self.dataset.items["item_id"][item]) for item in items)
        chosen = self.variants.choose(kind, language, asked.model, asked.variant, asked.seed, (user_id, *item_ids))
        return TextRequest(
            kind=kind,
            facts=numbered(facts),
            topics=topics,
            language=language,
            tone=asked.tone,
            interests=profile.interests,
            noun=domain.noun(language),
            item_ids=item_ids,
            key=hashlib.sha256(user_id.encode()).hexdigest()[:12] if user_id else "",
            prompt=chosen.prompt,
            variant=chosen.name,
            version=chosen.version,
            known=self.names if asked.model != TEMPLATE else None,
            cues=cues_of(domain, language),
            private=tuple(filter(None, (user_id, *profile.own_words))),
            allowed=domain.may_say,
            title_mark=domain.title_mark(language),
            synonyms=domain.synonyms,
            strict=self.parts.strict(asked.model),
            voice=self.voice,
        )

    def _approved(self, facts: Sequence[Fact]) -> list[Fact]:
        """Return titles and texts of approved sources, with what each source is called.

        Raises:
            UsageError: no source is approved.
        """
        named = self.config.generate.approved
        if not named:
            raise UsageError(
                "no source is approved, so there is nothing to quote",
                hint='[generate] approved = { "FILE" = "what readers know it as" } in kgrec.toml',
            )
        texts = {fact: named.get(fact.source.partition(":")[0], "") for fact in facts if fact.type == "text"}
        kept = [fact for fact, source in texts.items() if source]
        titles = [fact for fact in facts if fact.type == "title" and any(fact.subject == one.subject for one in kept)]
        sources = [
            Fact("", "attribute", "source", texts[fact], source="kgrec.toml", subject=fact.subject) for fact in kept
        ]
        return [*titles, *kept, *sources]

    def _for_model(self, request: TextRequest) -> TextRequest:
        """Return a request with the prompt that a language model gets; of the template's, the one that it would."""
        if request.prompt is not None:
            return request
        return replace(request, prompt=self.variants.of(request.kind, request.language, PROMPT)[MAIN].prompt)

    def writer(self, asked: ResolvedOptions) -> Writer:
        """Return the writer of what is asked for."""
        return self.parts.writer(asked.model, asked.candidates, keep=asked.show_candidates)

    def profile(self, user_id: str) -> UserProfile:
        """Return the profile that texts for a user are written from: no words of texts, which state nothing.

        Raises:
            NotFoundError: the user is unknown.
        """
        return self.profiler.profile(user_id, terms=False, evidence=False)

    @cached_property
    def _steering(self) -> Steering:
        return Steering(self._recommender().users, self.profiler, self.config.seed)

    @cached_property
    def names(self) -> NameIndex:
        """All names of the workspace."""
        nodes = self.graph.nodes.filter(pl.col("kind") != "user")
        named = nodes.filter((pl.col("label") != pl.col("key")) | (pl.col("kind") == "item"))
        return NameIndex([*named["label"].to_list(), *named["aliases"].explode().drop_nulls().to_list()])

    def book(self, language: str) -> FactBook:
        """Return the facts of the workspace, labelled in ``language``."""
        if language not in self._books:
            units = self.config.generate.units
            self._books[language] = FactBook(self.dataset, self.graph, self.domain, language, units)
        return self._books[language]

    def scored(self, user_id: str, ids: Sequence[str]) -> ItemList:
        """Return items as a list for a user, with what each scorer contributes, so that it can be explained.

        Raises:
            NotFoundError: the user is unknown.
        """
        user = canonical_id(user_id)
        self.dataset.user_positions([user])
        recommender = self._recommender()
        places = recommender.ranker.item_positions
        if user not in recommender.ranker.user_positions or any(item not in places for item in ids):
            return ItemList(user, tuple(ids), np.arange(0), np.zeros(len(ids), dtype=np.float32))
        if self._scores is None or self._scores.user.user_id != user:
            self._scores = recommender.scores(recommender.users.find(user))
        at = np.array([places[item] for item in ids], dtype=np.int64)
        parts = {name: part[0, at] for name, part in self._scores.parts.items()}
        return ItemList(user, tuple(ids), at, self._scores.fused[at], parts)

    def reasons(self, found: ItemList, language: str) -> tuple[Reason, ...]:
        """Return why each item of a list was recommended, worded in ``language``; none for who came after training."""
        from kgrec.explain.reasons import Explainer

        ranker = self._recommender().ranker
        if found.user_id not in ranker.user_positions or len(found.items) != len(found):
            return ()
        if language not in self._explainers:
            self._explainers[language] = Explainer(self.dataset, self.graph, self.domain, ranker, language=language)
        return self._explainers[language].reasons(found, self._recommender().users.find(found.user_id))
