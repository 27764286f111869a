"""The texts of a workspace as models see them: of items with the names of their entities and keywords, and of users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.split import Split
from kgrec.graph.item_entities import item_labels
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.progress import Progress
from kgrec.text.item_text import read_keywords
from kgrec.text.vectors import TextVectors, encode_dataset
from kgrec.workspace import Workspace


@dataclass(frozen=True)
class TextInputs:
    """What is encoded of items and users.

    Attributes:
        workspace: holds the cache of vectors and the file of keywords.
        config: settings; ``text`` is read.
        manager: knows the encoders.
        domain: the domain in force; brings the template of item texts.
        graph: loads the knowledge graph, which names the items' entities.
    """

    workspace: Workspace
    config: Config
    manager: PluginManager
    domain: Domain
    graph: Callable[[], KnowledgeGraph]

    def encode(self, dataset: Dataset, split: Split, progress: Progress, *, entity_names: bool = True) -> TextVectors:
        """Encode all items, and the users' own words as far as the fit part holds them.

        Args:
            dataset: the tables, or a part of them.
            split: of the rows of ``dataset``.
            progress: told where it is.
            entity_names: items' texts may name the entities that the graph connects them with.
        """
        return encode_dataset(
            dataset,
            self.config.text,
            self.manager,
            self.domain,
            entity_labels=item_labels(self.graph()) if entity_names else None,
            keywords=self._keywords(dataset),
            rows=pl.Series(split.fit),
            cache_dir=self.workspace.cache / "text",
            progress=progress,
        )

    def _keywords(self, dataset: Dataset) -> list[str]:
        named = self.config.text.keywords
        return read_keywords(self.workspace.root / named, dataset.items["item_id"]) if named else []
