"""An open workspace: what is in it, loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kgrec.config import Config
from kgrec.consent import allow_paths, allow_typed, check_options, check_paths
from kgrec.errors import UserError
from kgrec.local_plugins import with_own_plugin
from kgrec.plugin.manager import PluginManager, load_plugins
from kgrec.progress import SILENT, Progress
from kgrec.ranking.requests import Moment, as_request
from kgrec.ranking.where import Where
from kgrec.settings import Settings, load_settings
from kgrec.types import ItemList, Profile, Request, Vectors, as_texts, canonical_id
from kgrec.workers import HERE, Workers
from kgrec.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from kgrec.data.cards import Cards
    from kgrec.data.dataset import Dataset
    from kgrec.evaluate.evaluator import Evaluator
    from kgrec.evaluate.lists_record import ListsRecord
    from kgrec.evaluate.plan import EvaluationPlan, RatingsPlan, SimulationPlan, TextPlan
    from kgrec.evaluate.records import KeptRun, RatingsRecord, RunRecord, SimulationRecord, TextsRecord
    from kgrec.evaluate.responses import FeedbackEvaluation
    from kgrec.evaluate.runs import RunComparison, Runs
    from kgrec.explain.faithfulness import Faithfulness
    from kgrec.explain.reasons import Explainer
    from kgrec.explain.why import Explanation
    from kgrec.generate.feedback.feedback import TextFeedback
    from kgrec.generate.finetune import FineTuneResult
    from kgrec.generate.finetune_texts import FineTuneOptions
    from kgrec.generate.service import TextService
    from kgrec.generate.writer import Watch
    from kgrec.graph.build_stage import BuildReport, GraphStage
    from kgrec.graph.knowledge_graph import KnowledgeGraph
    from kgrec.graph.pyg import LearnedTables
    from kgrec.live.service import LiveService
    from kgrec.plugin.domain import Domain
    from kgrec.plugin.generation import GeneratedText
    from kgrec.plugin.protocols import TextEncoder
    from kgrec.privacy.forgetting import PersonalDataService
    from kgrec.ranking.ranker import Ranker
    from kgrec.ranking.ratings import PredictedRating, RatingService
    from kgrec.ranking.recommend import Recommender
    from kgrec.ranking.train_report import TrainReport
    from kgrec.ranking.users import UserLookup
    from kgrec.text.profile import Profiler
    from kgrec.text.vectors import TextVectors


def open_project(
    path: str | Path = ".",
    *,
    overrides: Sequence[str] = (),
    manager: PluginManager | None = None,
    plugins: Sequence[object] = (),
) -> Project:
    """Open a workspace; nothing is read but kgrec.toml.

    Args:
        path: the folder of kgrec.toml.
        overrides: settings ``a.b=c`` laid over kgrec.toml.
        manager: the plugins; by default those that are installed.
        plugins: modules or objects with hooks to use beside the installed ones.

    Raises:
        WorkspaceError: the folder has no kgrec.toml.
        ConfigError: kgrec.toml or an override holds something that cannot be used.
    """
    workspace = Workspace(Path(path))
    workspace.check()
    if workspace.pending():  # an append was killed between its tables and its record
        from kgrec.data.additions import finish_killed_append

        finish_killed_append(workspace)
    manager = with_own_plugin(manager or load_plugins(also=plugins), workspace.root)
    settings = load_settings(workspace.config_file, overrides, domain_defaults=manager.domain_defaults)
    allow_typed(settings, workspace.root)
    return Project(workspace, settings, manager)


class Project:
    """A workspace with its settings and plugins. Stages are loaded on first use and kept until they are rebuilt."""

    def __init__(self, workspace: Workspace, settings: Settings, manager: PluginManager) -> None:
        self.workspace = workspace
        self.settings = settings
        self.manager = manager
        self.workers: Workers = HERE  # who trains, evaluates and reads files; of kgrec.cluster.connection.connect

    @property
    def config(self) -> Config:
        """The settings in force."""
        return self.settings.config

    @cached_property
    def domain(self) -> Domain:
        """The domain, with what other plugins add to it."""
        return self.manager.domain(self.config.domain)

    @cached_property
    def dataset(self) -> Dataset:
        """The cleaned tables, without what is marked ``test``: only :meth:`evaluate` looks at that."""
        from kgrec.data.dataset import Dataset
        from kgrec.data.forgotten import ForgottenUsers

        dataset = Dataset.load(self.workspace.folder("dataset")).without_test()
        return dataset.hiding(ForgottenUsers.of(self.workspace.root))

    @cached_property
    def cards(self) -> Cards:
        """What is shown of items and users, read without the tables."""
        from kgrec.data.cards import Cards

        return Cards(self.workspace.folder("dataset"))

    @cached_property
    def graph(self) -> KnowledgeGraph:
        """The knowledge graph."""
        from kgrec.graph.knowledge_graph import KnowledgeGraph

        def learned() -> LearnedTables:
            from kgrec.graph.pyg import learned_tables

            return learned_tables(self.workspace, self.config, self.domain, lambda: self.text_vectors)

        return KnowledgeGraph(self.workspace.folder("graph"), self.config.graph.base_iri, learned)

    @cached_property
    def ranker(self) -> Ranker:
        """The trained hybrid."""
        from kgrec.data.forgotten import ForgottenUsers
        from kgrec.ranking.ranker import Ranker

        ranker = Ranker.load(self.workspace.folder("models"), self.manager.registry("scorer"))
        return ranker.made_at(self.config.recommend.moment).hiding(ForgottenUsers.of(self.workspace.root))

    @cached_property
    def text_vectors(self) -> TextVectors:
        """The vectors of texts that the models were trained with."""
        from kgrec.text.vectors import TextVectors

        vectors = TextVectors.load(self.workspace.folder("text"))
        check_options(vectors.options, self.workspace.root)
        return vectors

    @cached_property
    def users(self) -> UserLookup:
        """Finds users in the numbering of the training."""
        from kgrec.ranking.users import UserLookup

        return UserLookup(self.ranker, self.config, self.domain, self.workspace, lambda: self.dataset)

    @cached_property
    def recommender(self) -> Recommender:
        """What makes lists."""
        from kgrec.ranking.recommend import Recommender

        loaders = (lambda: self.graph, lambda: self.text_vectors, lambda: self.ratings)
        return Recommender(self.users, self.manager, *loaders)

    @cached_property
    def ratings(self) -> RatingService:
        """What predicts ratings."""
        from kgrec.ranking.ratings import RatingService

        return RatingService(self.workspace, self.config, lambda: self.dataset)

    @cached_property
    def explainer(self) -> Explainer:
        """What words the reasons."""
        return self._explainer(self.users)

    def _explainer(self, users: UserLookup) -> Explainer:
        from kgrec.explain.reasons import Explainer

        families = {name: spec.family for name, spec in self.manager.registry("scorer").items()}
        told: dict[str, Any] = {"language": self.config.recommend.language, "families": families}
        return Explainer(users.dataset(), self.graph, self.domain, users.ranker, **told)

    def unload(self) -> None:
        """Drop what was loaded, so that it is read again."""
        for name, part in vars(type(self)).items():
            if isinstance(part, cached_property):
                vars(self).pop(name, None)

    def build_graph(
        self, *, append: Sequence[str | Path] = (), strict: bool = False, progress: Progress = SILENT
    ) -> BuildReport:
        """Read the files, clean them and build the knowledge graph.

        Args:
            append: files to add to what stands, instead of building all of it; they are recorded in kgrec.toml.
            strict: any row that is lost is an error.
            progress: told where it is.
        """
        check_paths(self.config, self.workspace.root)
        allow_paths(self.workspace.root, [Path(file) for file in append])  # now, and for later builds
        stage = self._graph_stage(progress)
        if strict:
            stage = replace(stage, config=stage.config.without_losses())
        report = stage.append([Path(file) for file in append]) if append else stage.build()
        if report.added:  # the next build must know of them too
            self.settings = self.settings.with_files(report.added)
        self.unload()
        return report

    def _graph_stage(self, progress: Progress) -> GraphStage:
        from kgrec.graph.build_stage import GraphStage
        from kgrec.text.vectors import linking_encoder

        def encoder(dataset: Dataset) -> TextEncoder | None:
            return linking_encoder(dataset, self.config, self.manager, self.workspace.cache / "text", progress)

        return GraphStage(self.workspace, self.config, self.domain, self.manager, encoder, progress, self.workers)

    def privacy(self, progress: Progress = SILENT) -> PersonalDataService:
        """Return what finds, hands over and forgets a person; :meth:`unload` after forgetting."""
        from kgrec.live.event_log import forget_live
        from kgrec.privacy.forgetting import PersonalDataService

        check_paths(self.config, self.workspace.root)
        return PersonalDataService(self._graph_stage(progress), self.feedback.store, forget_live)

    def train(
        self,
        *,
        device: str | None = None,
        only: str | Sequence[str] | None = None,
        tune: float | None = None,
        reset_tuning: bool = False,
        refit: bool | None = None,
        progress: Progress = SILENT,
    ) -> TrainReport:
        """Fit the scorers and learn their fusion.

        Args:
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``; None: as in kgrec.toml.
            only: names of the scorers to use; None: as in kgrec.toml.
            tune: minutes to search for better options before; what is found is kept and used by later trainings too.
            reset_tuning: first forget what earlier searches found.
            refit: fit in the end on rows marked ``validation`` too; None: as in kgrec.toml.
            progress: told where it is.
        """
        from kgrec.ranking.training import train_workspace
        from kgrec.ranking.training_inputs import TrainOptions

        check_paths(self.config, self.workspace.root)
        refit = self.config.train.refit if refit is None else refit
        asked = (device or self.config.train.device, only and as_texts(only, "only"), tune, reset_tuning, refit)
        order = TrainOptions(*asked, self.workers)
        self.unload()
        report = train_workspace(self.workspace, self.config, self.manager, order, progress)
        self.unload()
        return report

    def recommend(
        self,
        user: str | int | Request,
        n: int | None = None,
        *,
        explain: bool = False,
        include_seen: bool | None = None,
        where: Where = (),
        rerank: str | Sequence[str] | None = None,
        by: Literal["relevance", "rating"] = "relevance",
        at: Moment | None = None,
    ) -> ItemList:
        """Recommend items to one user.

        Args:
            user: the user's id, or a whole Request (then only ``explain`` counts beside it).
            n: length of the list.
            explain: add a reason to each item.
            include_seen: also what the user interacted with.
            where: what all items must meet, ``"genre=Drama and price<50"``; see :mod:`kgrec.ranking.where`.
            rerank: re-rankers in their order, ``["mmr:0.3", "fair:provider"]``; these three, None: as in kgrec.toml.
            by: ``relevance``, what the scorers say, or ``rating``, what the user would rate an item.
            at: an earlier moment that the list is made for: only what was known then counts; None: now.

        Raises:
            DataError: ``by`` is ``rating`` and there are none.
            NotFoundError: the user, an attribute or a re-ranker is unknown.
            WorkspaceError: nothing was trained yet.
        """
        if not isinstance(user, Request):
            asked = (user, self.config.recommend)
            user = as_request(*asked, n=n, include_seen=include_seen, where=where, rerank=rerank, by=by, at=at)
        if explain and user.by == "rating":
            raise UserError("reasons are told of lists by relevance", hint="ask for reasons without a list by rating")
        recommender = self.recommender.as_of(user.at)
        known = recommender.users.asked(user)
        found = recommender.recommend(user, known)
        if explain:
            explainer = self.explainer if user.at is None else self._explainer(recommender.users)
            found = replace(found, reasons=explainer.reasons(found, known))
        return found

    def predict(
        self, user: str, items: Sequence[str], *, level: float = 0.8, progress: Progress = SILENT
    ) -> list[PredictedRating]:
        """Return what a user would rate items, in their order, and between which values that lies.

        The model is fitted at the first call and kept in the cache until the data is built again.

        Args:
            user: the user's id.
            items: ids of items.
            level: share of new ratings that the intervals hold.
            progress: told where it is.

        Raises:
            DataError: the data has no ratings.
            NotFoundError: the user or an item is unknown.
        """
        return self.ratings.predict(user, items, level=level, progress=progress)

    def recommend_many(  # noqa: D417
        self,
        users: str | Sequence[str] | None = None,
        *,
        n: int | None = None,
        include_seen: bool | None = None,
        where: Where = (),
        rerank: str | Sequence[str] | None = None,
        at: Moment | None = None,
        explain: bool = False,
        progress: Progress = SILENT,
    ) -> pl.DataFrame:
        """Recommend items to many users.

        Args:
            users: their ids; None for all, in the order of their ids.
            n, include_seen, where, rerank, at: as of :meth:`recommend`.
            explain: add a reason to each item.
            progress: told where it is.

        Returns:
            ``user_id``, ``item_id``, ``rank`` (1 is best), ``score`` and, if asked for, ``reason``; each user once, in
            the order given.
        """
        asked = (None, self.config.recommend)
        order = as_request(*asked, n=n, include_seen=include_seen, where=where, rerank=rerank, at=at)
        recommender = self.recommender.as_of(order.at)
        found = recommender.recommend_many(users if users is None else as_texts(users, "users"), order, progress)
        if not explain:
            return found
        from kgrec.explain.reasons import with_reasons

        explainer = self.explainer if order.at is None else self._explainer(recommender.users)
        return with_reasons(explainer, recommender, found, progress)

    def profile(self, *, text: str = "", like: str | Sequence[str] = ()) -> Profile:
        """Describe somebody who is not in the data, for ``Request(None, profile=...)``.

        Args:
            text: their own words.
            like: ids of items they like.
        """
        return self.recommender.profile(text, as_texts(like, "like"), lambda words: self._encode([words])[0])

    def _encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts by the encoder that the models were trained with -> shape ``(n, dim)``."""
        return self.text_vectors.make_encoder(self.manager).encode(texts)

    def titles(self, item_ids: Sequence[str]) -> list[str]:
        """Return what to show for items: the title, or the id where there is none."""
        loaded = "ranker" in vars(self) and not self.workspace.stale("models")  # and numbers them alike
        known = self.ranker.item_positions if loaded else None
        rows = [known[key] for key in item_ids] if known else self.dataset.item_positions(list(item_ids)).tolist()
        return [self.cards.title(row) or key for row, key in zip(rows, item_ids, strict=True)]

    def info(self) -> dict[str, Any]:
        """Return what the workspace holds and how fresh it is."""
        told = {"workspace": str(self.workspace.root), "domain": self.config.domain, **self.workspace.freshness()}
        summary = self.ranker.summary if "models" in told["stages"] else {}
        return {**told, **{name: summary[name] for name in ("scorers", "renew", "privacy") if name in summary}}

    def user_info(self, user_id: str) -> dict[str, Any]:
        """Return what is known of a user, as JSON values; with the first interests."""
        return self.profiler.facts(user_id)

    @cached_property
    def profiler(self) -> Profiler:
        """What describes users: interests and the events that say so."""
        from kgrec.graph.item_entities import item_entities
        from kgrec.text.profile import Profiler

        known = (self.dataset, self.config, self.domain)
        return Profiler.of(*known, lambda: item_entities(self.graph), self.workspace.cache)

    @cached_property
    def texts(self) -> TextService:
        """What writes texts; what it needs is kept from one text to the next."""
        from kgrec.generate.service import TextService

        check_paths(self.config, self.workspace.root)
        known = (self.dataset, self.graph, self.profiler, lambda: self.recommender, self.feedback.store)
        return TextService(self.config, self.manager, self.workspace, *known)

    def generate(
        self,
        user: str | None = None,
        *,
        item: str | Sequence[str] = (),
        n: int = 1,
        watch: Watch | None = None,
        **options: Any,
    ) -> list[GeneratedText]:
        """Write texts about items, for a user or for nobody in particular.

        Args:
            user: the user's id; None for kinds that are not personal.
            item: id or ids of the items; none: what is recommended to the user.
            n: how many recommended items are written about; of a digest, how many digests.
            watch: told the pieces of a draft as a model makes them.
            options: ``kind``, ``language``, ``tone``, ``model``, ``candidates``, ``seed``, ``allow_fallback``,
                ``variant`` and ``steer``; see :class:`kgrec.generate.service.GenerateOptions`.

        Returns:
            One text an item (or group of items), in their order. What a guard refused is never returned.

        Raises:
            NotFoundError: user, item, kind or model is unknown.
            GuardRefusedError: nothing passed, and ``allow_fallback`` is False.
        """
        from kgrec.generate.service import GenerateOptions

        return self.texts.generate(user, list(as_texts(item, "item")), n, GenerateOptions(**options), watch)

    def evaluate_texts(
        self, plan: TextPlan | None = None, *, fluency: str | None = None, progress: Progress = SILENT
    ) -> KeptRun[TextsRecord]:
        """Write texts for some users by each variant, and measure truth, personality, variety, fluency and speed.

        Texts of a model are kept as they are written: an interrupted run resumes where it stopped.

        Args:
            plan: what is written; None: 300 users, by the template.
            fluency: language model that tells how likely texts are; None: the one that writes, where it can.
            progress: told where it is.

        Raises:
            UserError: no item is recommended to two users.
        """
        from kgrec.evaluate.plan import TextPlan
        from kgrec.evaluate.text_quality import evaluate_texts

        def lists(users: Sequence[str], n: int) -> pl.DataFrame:
            return self.recommend_many(users, n=n, progress=progress)

        return self.runs.keep(evaluate_texts(self.texts, lists, self._encode, plan or TextPlan(), fluency, progress))

    def finetune(self, options: FineTuneOptions, *, progress: Progress = SILENT) -> FineTuneResult:
        """Adapt a language model to the catalogue's texts and to accepted ones; ``--model tuned`` then writes with it.

        See :func:`kgrec.generate.finetune.finetune`.
        """
        from kgrec.generate.finetune import finetune

        return finetune(self.texts, self.feedback.accepted, options, progress)

    @cached_property
    def feedback(self) -> TextFeedback:
        """The texts on record and what readers did with them, in the folder ``feedback`` beside kgrec.toml."""
        from kgrec.generate.feedback.feedback import TextFeedback
        from kgrec.generate.feedback.store import FeedbackStore

        return TextFeedback(FeedbackStore(self.workspace.root), self.domain, self.manager, lambda: self.texts)

    def evaluate_feedback(self) -> FeedbackEvaluation:
        """Measure what readers did, by kind, language, model and variant, with intervals over readers."""
        from kgrec.evaluate.responses import evaluate_feedback

        return evaluate_feedback(self.feedback.store, self.config.generate, self.config.seed)

    def explain(
        self,
        user: str,
        item: str,
        *,
        n: int | None = None,
        counterfactual: bool = False,
        language: str | None = None,
    ) -> Explanation:
        """Say why an item is, or is not, in a user's list.

        Args:
            user: the user's id.
            item: the item's id.
            n: length of the list; None: as in kgrec.toml.
            counterfactual: also look for the items of the history without which the item would not be in the list.
            language: its code; None: that of the reasons.

        Raises:
            NotFoundError: the user or the item is unknown.
            WorkspaceError: nothing was trained yet.
        """
        from kgrec.explain.contributions import ItemTerms
        from kgrec.explain.why import explain

        moved = self.workspace.stale("models")  # the graph's nodes
        terms = None if moved else ItemTerms(lambda: self.text_vectors, self.manager)
        known, item = self.recommender.scores_of(user), canonical_id(item)
        words, n = self.explainer.speaking(language), n or self.config.recommend.n
        return explain(words, known, item, n, terms=terms, search=counterfactual)

    def evaluate_explanations(self, *, users: int = 100, items: int = 3, seed: int | None = None) -> Faithfulness:
        """Measure by deletion whether explanations name what the lists of the trained models rest on.

        Args:
            users: drawn at random.
            items: first ones of each list.
            seed: draws users and random removals; None: as in kgrec.toml.
        """
        from kgrec.explain.faithfulness import faithfulness

        drawn = {"users": users, "items": items, "seed": self.config.seed if seed is None else seed}
        return faithfulness(self.explainer, self.recommender.scores_of, **drawn)

    def evaluate(
        self, plan: EvaluationPlan | None = None, *, device: str | None = None, progress: Progress = SILENT
    ) -> KeptRun[ListsRecord]:
        """Hold out part of the data, train on the rest with the settings in force, and measure; models are not kept.

        Args:
            plan: what is held out and judged; None: the usual.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``; None: as in kgrec.toml.
            progress: told where it is.
        """
        from kgrec.evaluate.plan import EvaluationPlan

        return self.runs.keep(*self._evaluator().lists(plan or EvaluationPlan(), device, progress))

    def _evaluator(self) -> Evaluator:
        from kgrec.evaluate.evaluator import Evaluator

        return Evaluator(self.workspace, self.config, self.domain, self.manager, self.graph, self.workers)

    def evaluate_ratings(
        self, plan: RatingsPlan | None = None, *, progress: Progress = SILENT
    ) -> KeptRun[RatingsRecord]:
        """Predict held-out ratings by each of :mod:`kgrec.models.ratings`, and measure RMSE and MAE."""
        from kgrec.evaluate.plan import RatingsPlan

        return self.runs.keep(self._evaluator().ratings(plan or RatingsPlan(), progress))

    def simulate(self, plan: SimulationPlan | None = None, *, progress: Progress = SILENT) -> KeptRun[SimulationRecord]:
        """Let simulated users click on lists, learn from it, and look how the lists drift; models are not kept."""
        from kgrec.evaluate.plan import SimulationPlan

        return self.runs.keep(self._evaluator().loop(plan or SimulationPlan(), progress))

    @cached_property
    def live(self) -> LiveService:
        """What makes lists from events as they arrive; the log lies in the folder ``live`` beside kgrec.toml."""
        from kgrec.live.event_log import EventLog
        from kgrec.live.models import Models
        from kgrec.live.service import LiveService

        def load() -> Models:
            fresh = Project(Workspace(self.workspace.root), self.settings, self.manager)
            encoder = lambda: fresh.text_vectors.make_encoder(fresh.manager)  # noqa: E731
            return Models(fresh.recommender, lambda: fresh.explainer, encoder)

        return LiveService(self.config, EventLog(self.workspace.root), load, self.workspace.config_file)

    @cached_property
    def runs(self) -> Runs:
        """The evaluations that were kept."""
        from kgrec.evaluate.runs import Runs

        return Runs.of(self.workspace)

    def write_report(self, out: str | Path, found: KeptRun[RunRecord] | RunComparison | str = "latest") -> Path:
        """Write the page of a run, or of two runs beside each other: one HTML file that stands alone.

        Args:
            out: the file.
            found: a run or its name, see :meth:`kgrec.evaluate.runs.Runs.load`; or what ``runs.compare`` found.
        """
        from kgrec.evaluate.runs import RunComparison
        from kgrec.report import write_page
        from kgrec.report.comparison import comparison_page
        from kgrec.report.run_page import report_page

        found = self.runs.load(found) if isinstance(found, str) else found
        write_page(Path(out), comparison_page(found) if isinstance(found, RunComparison) else report_page(found))
        return Path(out)
