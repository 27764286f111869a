"""An open workspace: what is in it, loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.api.keeping import Keeping
from kgrec.api.listening import Listening
from kgrec.api.measuring import Measuring
from kgrec.api.questions import GraphQuestions
from kgrec.api.reasoning import Reasoning
from kgrec.api.writing import Writing
from kgrec.config import Config
from kgrec.plugin.manager import PluginManager, load_plugins
from kgrec.progress import SILENT, Progress
from kgrec.settings import Settings, load_settings
from kgrec.types import ItemList, Profile, Request
from kgrec.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from kgrec.api.building import BuildReport
    from kgrec.data.dataset import Dataset
    from kgrec.explain.reasons import Explainer
    from kgrec.graph.knowledge_graph import KnowledgeGraph
    from kgrec.plugin.domain import Domain
    from kgrec.ranking.ranker import Ranker
    from kgrec.ranking.rerank.data import Catalogue
    from kgrec.ranking.training import TrainReport
    from kgrec.text.build import TextVectors


def open_project(
    path: str | Path = ".", *, overrides: Sequence[str] = (), manager: PluginManager | None = None
) -> Project:
    """Open a workspace; nothing is read but kgrec.toml.

    Args:
        path: the folder of kgrec.toml.
        overrides: settings ``a.b=c`` laid over kgrec.toml.
        manager: the plugins; by default those that are installed.

    Raises:
        WorkspaceError: the folder has no kgrec.toml.
        ConfigError: kgrec.toml or an override holds something that cannot be used.
    """
    from kgrec.errors import WorkspaceError

    workspace = Workspace(Path(path))
    if not workspace.config_file.is_file():
        raise WorkspaceError(
            f"{workspace.root} is no kgrec workspace (it has no kgrec.toml)",
            hint="run `kgrec init DIR --from FILES`, or name a workspace with --workspace DIR",
        )
    plugins = manager or load_plugins()
    settings = load_settings(workspace.config_file, overrides, domain_defaults=plugins.domain_defaults)
    return Project(workspace, settings, plugins)


class Project(Writing, Listening, Reasoning, Measuring, Keeping, GraphQuestions):
    """A workspace with its settings and plugins. Stages are loaded on first use and kept until they are rebuilt."""

    def __init__(self, workspace: Workspace, settings: Settings, manager: PluginManager) -> None:
        self.workspace = workspace
        self.settings = settings
        self.manager = manager

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

        return Dataset.load(self.workspace.folder("dataset")).without_test()

    @cached_property
    def graph(self) -> KnowledgeGraph:
        """The knowledge graph."""
        from kgrec.graph.knowledge_graph import KnowledgeGraph

        return KnowledgeGraph.load(self.workspace.folder("graph"))

    @cached_property
    def ranker(self) -> Ranker:
        """The trained hybrid."""
        from kgrec.ranking.ranker import Ranker

        return Ranker.load(self.workspace.folder("models"), self.manager.registry("scorer"))

    @cached_property
    def text_vectors(self) -> TextVectors:
        """The vectors of texts that the models were trained with."""
        from kgrec.text.build import TextVectors

        return TextVectors.load(self.workspace.folder("text"))

    @cached_property
    def encoded_texts(self) -> list[str]:
        """What of each item of the dataset is encoded: its words, names of entities, keywords."""
        from kgrec.api.texts import encoded_texts

        return encoded_texts(self)

    @cached_property
    def explainer(self) -> Explainer:
        """What words the reasons."""
        from kgrec.explain.reasons import Explainer

        return Explainer(self.dataset, self.graph, self.domain, self.ranker, language=self.config.recommend.language)

    @cached_property
    def catalogue(self) -> Catalogue:
        """What re-rankers may ask of items and users."""
        from kgrec.api.reranking import catalogue

        return catalogue(self)

    def forget(self) -> None:
        """Drop what was loaded, so that it is read again."""
        for name in ("dataset", "graph", "ranker", "text_vectors", "encoded_texts", "explainer", "studio", "catalogue"):
            self.__dict__.pop(name, None)

    def build_graph(self, *, append: Sequence[str | Path] = (), progress: Progress = SILENT) -> BuildReport:
        """Read the files, clean them and build the knowledge graph.

        Args:
            append: files to add to what stands, instead of building all of it; they are recorded in kgrec.toml.
            progress: told where it is.
        """
        from kgrec.api.building import build_graph

        return build_graph(self, [Path(file) for file in append], progress)

    def train(
        self,
        *,
        device: str | None = None,
        only: Sequence[str] | None = None,
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

        Raises:
            MissingExtraError: ``tune`` is given and Optuna is not installed.
        """
        from kgrec.api.training import Order, train

        defaults = self.config.train
        order = Order(device or defaults.device, only, tune, reset_tuning, defaults.refit if refit is None else refit)
        return train(self, order, progress)

    def recommend(
        self,
        user: str | Request,
        n: int | None = None,
        *,
        explain: bool = False,
        include_seen: bool | None = None,
        where: Sequence[tuple[str, str]] = (),
        rerank: Sequence[str] | None = None,
    ) -> ItemList:
        """Recommend items to one user.

        Args:
            user: the user's id, or a whole Request (then the other arguments but ``explain`` do not count).
            n: length of the list; None: as in kgrec.toml.
            explain: add a reason to each item.
            include_seen: also what the user interacted with; None: as in kgrec.toml.
            where: conditions ``(attribute, value)`` that all items must meet.
            rerank: re-rankers in their order, ``["mmr:0.3", "fair:provider"]``; None: as in kgrec.toml.

        Raises:
            NotFoundError: the user, an attribute or a re-ranker is unknown.
            WorkspaceError: nothing was trained yet.
        """
        from kgrec.api.recommending import recommend

        if isinstance(user, str):
            defaults = self.config.recommend
            seen = defaults.include_seen if include_seen is None else include_seen
            steps = None if rerank is None else tuple(rerank)
            user = Request(user, n or defaults.n, seen, tuple(where), rerank=steps)
        return recommend(self, user, explain=explain)

    def recommend_many(
        self,
        users: Sequence[str] | None = None,
        *,
        n: int | None = None,
        include_seen: bool | None = None,
        where: Sequence[tuple[str, str]] = (),
        rerank: Sequence[str] | None = None,
        progress: Progress = SILENT,
    ) -> pl.DataFrame:
        """Recommend items to many users.

        Args:
            users: their ids; None for all, in the order of their ids.
            n: length of each list; None: as in kgrec.toml.
            include_seen: also what the user interacted with; None: as in kgrec.toml.
            where: conditions ``(attribute, value)`` that all items must meet.
            rerank: re-rankers in their order; None: as in kgrec.toml.
            progress: told where it is.

        Returns:
            ``user_id``, ``item_id``, ``rank`` (1 is best), ``score``; each user once, in the order given.
        """
        from kgrec.api.recommending import recommend_many

        defaults = self.config.recommend
        seen = defaults.include_seen if include_seen is None else include_seen
        order = Request(None, n or defaults.n, seen, tuple(where), rerank=None if rerank is None else tuple(rerank))
        return recommend_many(self, users, order, progress)

    def profile(self, *, text: str = "", like: Sequence[str] = ()) -> Profile:
        """Describe somebody who is not in the data, for ``Request(None, profile=...)``.

        Args:
            text: their own words.
            like: ids of items they like.
        """
        from kgrec.api.recommending import profile

        return profile(self, text, list(like))

    def titles(self, item_ids: Sequence[str]) -> list[str]:
        """Return what to show for items: the title, or the id where there is none."""
        titles = self.dataset.items["title"].gather(self.dataset.item_positions(list(item_ids))).to_list()
        return [title or key for title, key in zip(titles, item_ids, strict=True)]

    def info(self) -> dict[str, Any]:
        """Return what the workspace holds and how fresh it is."""
        from kgrec.api.describing import info

        return info(self)

    def user_info(self, user_id: str) -> dict[str, Any]:
        """Return what is known of a user."""
        from kgrec.api.describing import user_info

        return user_info(self, user_id)
