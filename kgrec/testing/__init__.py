"""Contract tests for plugin authors, and toy data whose right answers can be proved. Needs pytest.

A subclass names the thing under test; pytest runs the rest::

    from kgrec.testing import ScorerContract

    class TestMyScorer(ScorerContract):
        def make(self):
            return MyScorer()
"""

import pytest

# Plain asserts in a library explain nothing unless pytest is told before the modules are imported.
pytest.register_assert_rewrite(
    *(
        f"kgrec.testing.{name}"
        for name in (
            "contract",
            "scorers",
            "texts",
            "linkers",
            "sources",
            "domains",
            "generation",
            "plugins",
            "rerankers",
        )
    )
)

from kgrec.testing.contract import Contract, untouched_random_state  # noqa: E402
from kgrec.testing.domains import DomainContract  # noqa: E402
from kgrec.testing.generation import (  # noqa: E402
    GeneratorContract,
    GuardContract,
    LanguageModelContract,
    toy_request,
)
from kgrec.testing.linkers import EntityLinkerContract  # noqa: E402
from kgrec.testing.plugins import CommandsContract, PluginContract  # noqa: E402
from kgrec.testing.rerankers import RerankerContract, toy_candidates, toy_rerank_data  # noqa: E402
from kgrec.testing.scorers import ScorerContract  # noqa: E402
from kgrec.testing.sources import DataSourceContract  # noqa: E402
from kgrec.testing.tables import toy_dataset, toy_tables, toy_workspace  # noqa: E402
from kgrec.testing.texts import TextEncoderContract  # noqa: E402
from kgrec.testing.toys import (  # noqa: E402
    TOYS,
    Toy,
    checkerboard,
    graph_toy,
    hot_cold,
    own_words_toy,
    text_toy,
    toy_training_data,
    trending,
)

__all__ = [
    "TOYS",
    "CommandsContract",
    "Contract",
    "DataSourceContract",
    "DomainContract",
    "EntityLinkerContract",
    "GeneratorContract",
    "GuardContract",
    "LanguageModelContract",
    "PluginContract",
    "RerankerContract",
    "ScorerContract",
    "TextEncoderContract",
    "Toy",
    "checkerboard",
    "graph_toy",
    "hot_cold",
    "own_words_toy",
    "text_toy",
    "toy_candidates",
    "toy_dataset",
    "toy_request",
    "toy_rerank_data",
    "toy_tables",
    "toy_training_data",
    "toy_workspace",
    "trending",
    "untouched_random_state",
]
