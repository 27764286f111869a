"""Contract tests for plugin authors, and toy data whose right answers can be proved. Needs pytest.

A subclass names the thing under test; pytest runs the rest::

    from kgrec.testing import ScorerContract

    class TestMyScorer(ScorerContract):
        def make(self):
            return MyScorer()
"""

import pytest

# Plain asserts in a library explain nothing unless pytest is told before the modules are imported.
pytest.register_assert_rewrite(*(f"kgrec.testing.{name}" for name in ("generation", "plugins", "scorers", "sources")))

# ruff: noqa: E402
from kgrec.testing.generation import GeneratorContract, GuardContract, LanguageModelContract, toy_request
from kgrec.testing.plugins import (
    CommandsContract,
    Contract,
    DomainContract,
    PluginContract,
    RecipeContract,
    untouched_random_state,
)
from kgrec.testing.scorers import RerankerContract, ScorerContract, toy_candidates, toy_rerank_data
from kgrec.testing.sources import DataSourceContract, EntityLinkerContract, TextEncoderContract
from kgrec.testing.toys import (
    TOYS,
    Toy,
    checkerboard,
    graph_toy,
    hot_cold,
    own_words_toy,
    text_toy,
    toy_dataset,
    toy_tables,
    toy_training_data,
    toy_workspace,
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
    "RecipeContract",
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
