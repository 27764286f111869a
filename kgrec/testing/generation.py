"""The contracts of language models, generators and guards; requests to try them on, and a tiny model."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from kgrec.generate.kinds import BLURB
from kgrec.languages import DEFAULT
from kgrec.plugin.generation import Evidence, Fact, Interest, TextRequest, Violation
from kgrec.plugin.manager import load_plugins
from kgrec.plugin.protocols import Generator, Guard, LanguageModel, ScoringModel, StreamingModel
from kgrec.testing.plugins import Contract, untouched_random_state

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 40}},
    "required": ["text"],
    "additionalProperties": False,
}
ODD_TEXTS = ("", " ", "\x00\n\t", "🎬🍿", "？！", "word " * 400, "电影 movie кино فيلم", "{facts} {0} %s", "<<<>>>")


TOYS: Mapping[str, str] = {
    "en": "Comet Letters|Ada Orbit|Space|watched|The Planet|Ada Orbit directed this one too|minutes|film"
    "|directed by|has genre|runtime",
    "zh": "银河来信|王星河|太空|看过|行星传奇|这部也是王星河执导的|分钟|影片|导演|类型|片长",
    "de": "Kometenpost|Ada Orbit|Weltraum|gesehen|Der Planet|auch hier führt Ada Orbit Regie|Minuten|Film"
    "|Regie|Genre|Laufzeit",
}
"""What is said of an invented film, by language."""


def toy_request(language: str = DEFAULT, **changes: Any) -> TextRequest:
    """Return a request about an invented film, in a language of :data:`TOYS`; ``changes`` replace its attributes."""
    title, person, genre, verb, history, because, unit, noun, *labels = TOYS[language].split("|")
    facts = (
        Fact("f1", "title", "title", title, source="items.csv:2", subject="i1"),
        Fact("f2", "entity", "directed_by", person, labels[0], source="items.csv:2", subject="i1"),
        Fact("f3", "entity", "has_genre", genre, labels[1], source="items.csv:2", subject="i1"),
        Fact("f4", "number", "minutes", "95", labels[2], unit, 95.0, source="items.csv:2", subject="i1"),
        Fact("f5", "history", "history", history, verb, source="interactions", subject="i1"),
        Fact("f6", "reason", "because", because, source="explanation", subject="i1"),
        Fact("f7", "interest", "interest", person, labels[0], number=3.0, source="interactions", subject="i1"),
    )
    told = (Evidence(history, "view", 1.0, 1_700_000_000),)
    interests = (Interest("entity", person, "directed_by", 0.5, 3, told, f"person:{person}"),)
    request = TextRequest(BLURB, facts, language, interests=interests, noun=noun, item_ids=("i1",), key="reader-1")
    return replace(request, **changes)


class LanguageModelContract(Contract):
    """What every language model must keep.

    Attributes:
        prompts: some that it can answer.
        max_new_tokens: of an answer in these tests.
        bounded: False where answers are somebody else's, such as recorded ones, and as long as they are.
    """

    prompts: ClassVar[tuple[str, ...]] = ("Facts: a film by Ada\nText:", "Facts: a book by Ben\nText:")
    max_new_tokens: ClassVar[int] = 8
    bounded: ClassVar[bool] = True
    _made: ClassVar[dict[type, LanguageModel]] = {}

    @abstractmethod
    def make(self) -> LanguageModel:
        """Return a new model."""

    def model(self) -> LanguageModel:
        """Return a model, made once a class: loading takes time."""
        if type(self) not in self._made:
            self._made[type(self)] = self.make()
        return self._made[type(self)]

    def ask(self, prompts: Sequence[str], seed: int = 1, schema: Mapping[str, Any] | None = None) -> list[str]:
        """Complete ``prompts``."""
        return self.model().complete(list(prompts), max_new_tokens=self.max_new_tokens, seed=seed, schema=schema)

    def test_is_a_language_model(self) -> None:
        """It has the members of the protocol; its name can stand in a record."""
        model = self.model()
        assert isinstance(model, LanguageModel)
        assert model.name.isprintable()
        assert 0 < len(model.name) <= 100

    def test_one_answer_a_prompt(self) -> None:
        """Answers are strings, as many as there are prompts, in one line."""
        answers = self.ask(self.prompts)
        assert len(answers) == len(self.prompts)
        assert all(isinstance(answer, str) and "\n" not in answer for answer in answers)
        assert self.ask([]) == []

    def test_answers_are_as_short_as_asked(self) -> None:
        """``max_new_tokens`` bounds an answer: it is what a text may cost."""
        if not self.bounded:
            return
        asked = self.model().complete(list(self.prompts), max_new_tokens=2, seed=1, schema=None)
        assert all(len(answer.split()) <= 2 for answer in asked), (
            f"answers of at most 2 tokens were asked for, and came {asked}: heed max_new_tokens"
        )

    def test_prompts_are_not_echoed(self) -> None:
        """An answer is what follows the prompt, without the prompt."""
        for prompt, answer in zip(self.prompts, self.ask(self.prompts), strict=True):
            assert not answer.startswith(prompt.splitlines()[0]), (
                f"the answer begins with the prompt: {answer[:60]!r}; return only what comes behind it"
            )

    def test_same_seed_same_text(self) -> None:
        """The same prompt and seed give the same text, whichever others are asked with it."""
        answers = self.ask(self.prompts)
        assert self.ask(self.prompts) == answers
        assert [self.ask([prompt])[0] for prompt in self.prompts] == answers

    def test_schema(self) -> None:
        """With a schema the answer is JSON that meets it, or empty."""
        for answer in self.ask(self.prompts, schema=SCHEMA):
            found = json.loads(answer) if answer else {"text": ""}
            assert set(found) == {"text"}
            assert isinstance(found["text"], str)

    def test_any_characters(self) -> None:
        """No prompt makes it fail."""
        assert len(self.ask([text or "." for text in ODD_TEXTS[1:5]])) == 4

    def test_random_state_untouched(self) -> None:
        """It draws from nothing global."""
        self.ask(self.prompts[:1])  # imports what it needs, so that torch's state can be looked at
        with untouched_random_state():
            self.ask(self.prompts[:1], seed=5)

    def test_stream(self) -> None:
        """A streamed answer is the answer, in pieces."""
        model = self.model()
        if not isinstance(model, StreamingModel):
            return
        pieces = list(model.stream(self.prompts[0], max_new_tokens=self.max_new_tokens, seed=1))
        assert all(isinstance(piece, str) for piece in pieces)
        assert "".join("".join(pieces).split("\n")[0]).strip(' "') == self.ask(self.prompts[:1])[0].strip(' "')

    def test_log_likelihood(self) -> None:
        """Likelihoods are of one text each, negative and the same every time."""
        model = self.model()
        if not isinstance(model, ScoringModel):
            return
        texts = ["A film by Ada.", "A book by Ben."]
        found = model.log_likelihood(self.prompts[:2], texts)
        assert len(found) == 2
        assert all(math.isfinite(value) and value <= 0 for value in found)
        again = model.log_likelihood(self.prompts[:2], texts)
        assert all(math.isclose(a, b, abs_tol=0.02) for a, b in zip(found, again, strict=True))


class GeneratorContract(Contract):
    """What every generator must keep.

    Attributes:
        languages: in which it must write something.
    """

    languages: ClassVar[tuple[str, ...]] = ("en", "zh")

    @abstractmethod
    def make(self) -> Generator:
        """Return a new generator."""

    def model(self) -> LanguageModel | None:
        """Return the language model it is tried with, or None."""
        return None

    def requests(self) -> list[TextRequest]:
        """Return requests in its languages."""
        made = [toy_request(language) for language in self.languages]
        return [*made, *(replace(request, key="reader-2") for request in made)]

    def write(self, requests: Sequence[TextRequest], seed: int = 1) -> list[str]:
        """Write."""
        return self.make().write(list(requests), model=self.model(), seed=seed)

    def test_is_a_generator(self) -> None:
        """It has the members of the protocol."""
        assert isinstance(self.make(), Generator)

    def test_one_text_a_request(self) -> None:
        """Texts are as many as requests, and something is written."""
        texts = self.write(self.requests())
        assert len(texts) == len(self.requests())
        assert all(isinstance(text, str) and text.strip() for text in texts)
        assert self.write([]) == []

    def test_same_seed_same_text(self) -> None:
        """The same request and seed give the same text, whichever others are asked with it."""
        texts = self.write(self.requests())
        assert self.write(self.requests()) == texts
        assert [self.write([request])[0] for request in self.requests()] == texts

    def test_says_only_what_it_was_given(self) -> None:
        """No name that no fact names, no word of the reader, in the language asked for: by kgrec's own guards.

        What a language model writes is judged when it is written.
        """
        if self.model() is not None:
            return
        requests = [replace(request, private=("reader-1 Quux", "Zanzibar")) for request in self.requests()]
        offered = load_plugins([]).registry("guard")
        for request, text in zip(requests, self.write(requests), strict=True):
            for name in ("language", "entities", "privacy"):
                found = offered[name].build().check(request, request.facts, text)
                assert not found, f"guard {name!r} rejects what it writes, {text!r}: {found[0].message}"

    def test_few_facts(self) -> None:
        """A request without facts is no error."""
        bare = [replace(request, facts=(), interests=()) for request in self.requests()]
        assert len(self.write(bare)) == len(bare)

    def test_random_state_untouched(self) -> None:
        """It draws from nothing global."""
        self.write(self.requests())
        with untouched_random_state():
            self.write(self.requests(), seed=7)


class GuardContract(Contract):
    """What every guard must keep."""

    @abstractmethod
    def make(self) -> Guard:
        """Return a new guard."""

    @abstractmethod
    def accepted(self) -> list[tuple[TextRequest, str]]:
        """Return texts that it must let pass."""

    @abstractmethod
    def rejected(self) -> list[tuple[TextRequest, str]]:
        """Return texts that it must reject."""

    def test_is_a_guard(self) -> None:
        """It has the members of the protocol."""
        assert isinstance(self.make(), Guard)

    def test_accepts_what_is_right(self) -> None:
        """It has nothing against texts that are as they should be."""
        guard = self.make()
        assert self.accepted()
        for request, text in self.accepted():
            assert guard.check(request, request.facts, text) == [], text

    def test_rejects_what_is_wrong(self) -> None:
        """It says what is wrong, in words that a writer can act on."""
        guard = self.make()
        assert self.rejected()
        for request, text in self.rejected():
            found = guard.check(request, request.facts, text)
            assert found, text
            assert all(isinstance(v, Violation) and v.guard and v.message.strip() for v in found)
            assert all("\n" not in v.message for v in found)

    def test_facts_may_be_any_sequence(self) -> None:
        """A list of facts is as good as a tuple, and is left alone."""
        guard = self.make()
        for request, text in [*self.accepted(), *self.rejected()]:
            facts = list(request.facts)
            assert guard.check(request, facts, text) == guard.check(request, request.facts, text)
            assert facts == list(request.facts)

    def test_any_text(self) -> None:
        """No text makes it fail, in any language, with and without facts."""
        guard = self.make()
        for language in TOYS:
            request = toy_request(language)
            for text in ODD_TEXTS:
                assert isinstance(guard.check(request, request.facts, text), list)
                assert isinstance(guard.check(request, (), text), list)

    def test_random_state_untouched(self) -> None:
        """It draws from nothing global."""
        guard = self.make()
        request, text = self.accepted()[0]
        guard.check(request, request.facts, text)
        with untouched_random_state():
            guard.check(request, request.facts, text)


def tiny_model(folder: Path, kind: Literal["causal", "seq2seq"] = "causal", *, spread: float = 0.02) -> str:
    """Write a model with a tokenizer of its own into ``folder`` and return the folder's name.

    Args:
        folder: exists.
        kind: a Llama or a T5.
        spread: standard deviation of a Llama's weights. With the usual one it finds all tokens alike, whatever it is
            taught by adapters; with 0.3 it can learn.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    words = [
        "Facts: a film by Ada\nText: A film by Ada.",
        "Facts: a book by Ben\nText: A book by Ben.",
        "电影 кино ？！",
    ]
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(words, trainer)
    made.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.pad_token = "</s>"
    tokenizer.save_pretrained(folder)
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": 2, "eos_token_id": 2}
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        if kind == "causal":
            shape: dict[str, Any] = {
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
            }
            shape["initializer_range"] = spread
            model: Any = LlamaForCausalLM(LlamaConfig(**sizes, **shape, num_key_value_heads=2, bos_token_id=1))
        else:
            shape = {
                "d_model": 32,
                "d_ff": 64,
                "d_kv": 16,
                "num_layers": 2,
                "num_heads": 2,
                "decoder_start_token_id": 2,
            }
            model = T5ForConditionalGeneration(T5Config(**sizes, **shape))
    model.save_pretrained(folder)
    return str(folder)
