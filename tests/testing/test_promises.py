"""Every promise of the contracts that a wrong part breaks is told by a sentence: which one, and how to keep it."""

import sys
import types
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kgrec.models.popularity import Popularity
from kgrec.plugin import Domain, RelationType, TextPattern, hookimpl
from kgrec.plugin.protocols import NewUserScorer, Traits
from kgrec.plugin.space import Real
from kgrec.testing import (
    DataSourceContract,
    DomainContract,
    GeneratorContract,
    LanguageModelContract,
    PluginContract,
    RerankerContract,
    ScorerContract,
    TextEncoderContract,
)
from kgrec.text.encoders.hashing import HashingEncoder


class NoScores(Popularity):
    def score(self, users):
        return np.full_like(super().score(users), np.nan)


class Peeking(Popularity):
    def fit(self, data, *, seed):
        super().fit(data, seed=seed)
        self.held = np.zeros(data.matrix.shape) if data.validation is None else np.asarray(data.validation.todense())
        return self

    def score(self, users):
        return (super().score(users) + 1e6 * self.held[users]).astype(np.float32)


class Misspelt(Popularity):
    @classmethod
    def grid(cls, data):
        return [{"dampign": 3.0}]


class MisspeltSpace(Popularity):
    @classmethod
    def space(cls, data):
        return {"dampign": Real(0.1, 1.0)}


class Looping(Popularity):
    def fit(self, data, *, seed):
        self.counts = [data.matrix[user].sum() for user in range(data.n_users)]
        return super().fit(data, seed=seed)


class Printing(Popularity):
    def fit(self, data, *, seed):
        print("epoch 1")
        return super().fit(data, seed=seed)


class SameForNewcomers(Popularity):
    traits = Traits()

    def fit(self, data, *, seed):
        self.matrix = np.asarray(data.matrix.todense(), dtype=np.float32)
        return self

    def score(self, users):
        return self.matrix[users]

    def score_new(self, profile):
        return self.matrix[0]


class OptionBlind(HashingEncoder):
    @property
    def fingerprint(self):
        return "always-the-same"


class Dropping:
    def __init__(self, **options):
        pass

    def prepare(self, data):
        return self

    def rerank(self, lists):
        return np.full(lists.items.shape, -1, dtype=np.int64)


class Stripping:
    def claims(self, path):
        return path.suffix == ".pipe"

    def read(self, path, reading=None):
        rows = [[cell.strip() for cell in line.split("|")] for line in path.read_text().splitlines()]
        table = pl.DataFrame(rows[1:], schema=dict.fromkeys(rows[0], pl.String), orient="row")
        return table.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.UInt32).alias("__line__"))


class Model:
    name = "toy-1"

    def __init__(self, answer):
        self.answer = answer

    def complete(self, prompts, *, max_new_tokens, seed, schema=None):
        return [self.answer(prompt) for prompt in prompts]


class Generator:
    def __init__(self, say):
        self.say = say

    def write(self, requests, *, model, seed):
        return [self.say(request) for request in requests]


def pipe(table, path):
    lines = ["|".join(table.columns), *("|".join(row) for row in table.rows())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def contract(base, part, **more):
    return type("Broken", (base,), {"make": lambda self, **_: part() if callable(part) else part, **more})()


def plugin(**hooks):
    return types.SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


DOMAIN = Domain("toys", "toys", item_noun={"en": "toy", "zh": "玩具"})
MADE = RelationType("made_by", inverse="maker_of", tail="person", reason="also by {entity}")
title = {"en": "Comet Letters", "zh": "银河来信"}

BROKEN = [
    (ScorerContract, NoScores, "test_scores_somebody", "every score is NaN: .*unusable"),
    (ScorerContract, Peeking, "test_validation_is_not_fitted_on", "held-out likes stand above 9\\d%.*only to stop"),
    (ScorerContract, Misspelt, "test_settings_to_try_are_options", "tries 'dampign', which is no option"),
    (ScorerContract, MisspeltSpace, "test_settings_to_try_are_options", "tries 'dampign', which is no option"),
    (ScorerContract, Printing, "test_prints_nothing", "prints 'epoch 1.*self.progress"),
    (ScorerContract, Looping, "test_fit_takes_no_user_or_item_by_itself", "ran 2[0-9] times on 20.*all users at once"),
    (ScorerContract, SameForNewcomers, "test_new_users_differ_as_users_do", "same of everybody.*profile.items"),
    (TextEncoderContract, OptionBlind, "test_fingerprint_tells_options", "changes the vectors and not the fingerprint"),
    (RerankerContract, Dropping, "test_keeps_something", "drops every candidate"),
    (LanguageModelContract, lambda: Model(lambda _: "one two three four"), "test_answers_are_as_short_as_asked",
     "at most 2 tokens.*heed max_new_tokens"),
    (LanguageModelContract, lambda: Model(lambda prompt: prompt.replace("\n", " ")), "test_prompts_are_not_echoed",
     "begins with the prompt"),
    (GeneratorContract, lambda: Generator(lambda r: f"{title[r.language]} stars Zelda Fitzgerald."),
     "test_says_only_what_it_was_given", "guard 'entities' rejects"),
    (GeneratorContract, lambda: Generator(lambda r: "Das ist ein Film, den man gesehen haben muss, und er ist gut."),
     "test_says_only_what_it_was_given", "guard 'language' rejects"),
    (GeneratorContract, lambda: Generator(lambda r: f"{title[r.language]}, {r.private[0]}."),
     "test_says_only_what_it_was_given", "guard '.*' rejects"),
    (DomainContract, replace(DOMAIN, columns={"items": {"id": ("key", "Name"), "title": ("name",)}}),
     "test_columns_can_be_told_apart", "'name' cannot be both id and title"),
    (DomainContract, replace(DOMAIN, columns={"items": {"id": ("--",)}}), "test_columns_can_be_told_apart",
     "'--' is no name of a column"),
    (DomainContract, replace(DOMAIN, relation_types=(MADE,)), "test_reasons_are_in_all_its_languages",
     "made_by has no reason in zh"),
    (PluginContract, plugin(kgrec_schema_mapping=lambda domian: None), "test_hooks_take_what_they_are_given",
     "kgrec_schema_mapping has no argument 'domian'.*domain"),
    (PluginContract, plugin(kgrec_schema_mapping=lambda domain: {"role": "items"}),
     "test_questions_are_answered_rightly", "return a Mapping, or None"),
    (PluginContract, plugin(kgrec_relation_types=lambda domain: None), "test_questions_are_answered_rightly",
     "return a list of RelationType, empty for nothing"),
    (PluginContract, plugin(kgrec_prompt_template=lambda domain, task: "{facts}"),
     "test_questions_are_answered_rightly", "return a PromptTemplate, or None"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "part", "promise", "told"), BROKEN, ids=[f"{b[2]}-{k}" for k, b in enumerate(BROKEN)])
def test_a_broken_promise_is_named(base, part, promise, told):
    with pytest.raises(AssertionError, match=f"(?s){told}"):
        getattr(contract(base, part), promise)()


def test_the_broken_newcomer_scorer_is_one():
    assert isinstance(SameForNewcomers(), NewUserScorer)


def test_a_source_that_strips_cells_is_found_out(tmp_path):
    source = contract(DataSourceContract, Stripping, file_name="t.pipe", write=lambda self, t, p: pipe(t, p))
    with pytest.raises(AssertionError, match=r"cells of user_id, .* were changed on the way"):
        source.test_cells_are_not_stripped(tmp_path)


def test_a_runaway_pattern_is_found_out(monkeypatch):
    monkeypatch.setattr("subprocess.run", _hurried)
    domain = replace(DOMAIN, relation_types=(MADE,), patterns=(TextPattern("made_by", r"(?P<entity>(a+)+)$", "en"),))
    with pytest.raises(AssertionError, match=r"pattern .*runs away on a long text"):
        contract(DomainContract, domain).test_patterns_are_fast()


def test_vectors_by_hash_are_found_out(tmp_path, monkeypatch):
    (tmp_path / "hashed_words.py").write_text(
        "import numpy as np\n\nclass Hashed:\n    dim, fingerprint = 64, 'hashed-1'\n\n    def encode(self, texts):\n"
        "        found = np.zeros((len(texts), 64), dtype=np.float32)\n        for row, text in zip(found, texts):\n"
        "            for word in text.split():\n                row[hash(word) % 64] = 1\n        return found\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import hashed_words

    with pytest.raises(AssertionError, match=r"another process gives other vectors.*hashlib"):
        contract(TextEncoderContract, hashed_words.Hashed).test_another_process_gives_the_same()
    sys.modules.pop("hashed_words")


def _hurried(*args, _run=__import__("subprocess").run, **options):
    return _run(*args, **{**options, "timeout": 1})
