"""What a part of kgrec must be able to do to be used as one. All structural: nothing needs to be inherited.

Every class named by a Spec is built as ``Class(**options)``, where the options come from the part's own table in
kgrec.toml (``[scorers.als]``, ``[encoders.transformers]``...); an option that the class does not know is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from kgrec.config import ReadConfig
    from kgrec.plugin.generation import Fact, TextRequest, Violation
    from kgrec.plugin.manager import PluginManager
    from kgrec.plugin.reranking import CandidateLists, RerankData
    from kgrec.plugin.space import Space
    from kgrec.progress import Progress
    from kgrec.types import Compact, ItemIndices, Profile, Scores, TrainingData, UserIndices, Vectors


@runtime_checkable
class DataSource(Protocol):
    """Reads one kind of file into a table."""

    def claims(self, path: Path) -> bool:
        """Say whether this source reads files named like ``path`` (looks at the name only)."""
        ...

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:
        """Read the whole file, every column as it stands.

        Text formats give strings; nothing is interpreted here. Adds the column ``__line__`` (u32): the 1-based line
        or row of the file, header included, so that a rejected row can be found again. A row that is none (a title
        above the table, a line with a cell too many) may come with its reason in the column ``__problem__``.

        Args:
            path: the file.
            reading: how its text is cut into cells, as far as kgrec.toml says; None: nothing is said.

        Raises:
            DataError: the file is not what its name says; the message names the file and the line where known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Link:
    """A mention of an entity in a text.

    Attributes:
        text: position of the text among those given.
        start, end: the mention is ``texts[text][start:end]``.
        entity: position of the entity in the gazetteer.
        score: confidence in (0, 1].
    """

    text: int
    start: int
    end: int
    entity: int
    score: float


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Names by which entities are known.

    Attributes:
        names: label or alias, one entry a name.
        entities: position of the entity each name belongs to, same length as ``names``.
        types: entity type, by position of the entity.
        labels: preferred label, by position of the entity.
        descriptions: what an entity is, in words, by position of the entity; empty where nobody compares meanings.
    """

    names: tuple[str, ...]
    entities: tuple[int, ...]
    types: tuple[str, ...]
    labels: tuple[str, ...]
    descriptions: tuple[str, ...] = ()


@runtime_checkable
class EntityLinker(Protocol):
    """Finds mentions of known entities in texts."""

    def prepare(self, gazetteer: Gazetteer, encoder: TextEncoder | None = None) -> Self:
        """Build the index; ``encoder`` settles ambiguous names by similarity where it is given."""
        ...

    def link(self, texts: Sequence[str]) -> list[Link]:
        """Return all links, ordered by text and start; spans of one text do not overlap."""
        ...


@runtime_checkable
class IncrementalLinker(Protocol):
    """A linker whose links of a text depend on nothing but the names that stand in it."""

    @property
    def fingerprint(self) -> str:
        """Names version and options."""
        ...

    def containing(self, texts: Sequence[str], names: Iterable[str]) -> list[bool]:
        """Say which texts contain one of ``names``."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Turns texts into vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Names model and version; vectors of equal fingerprint may be cached and mixed."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode ``texts`` -> float32 of shape ``(n, dim)``, unit rows; an empty text gives the zero row."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Gives every item a score for a user."""

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Learn from ``data``; the same data and seed give the same scores, global random state is untouched."""
        ...

    def score(self, users: UserIndices) -> Scores:
        """Score all items for ``users`` of shape ``(u,)`` -> float32 ``(u, n_items)``, NaN where it cannot."""
        ...

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return all that ``score`` needs, as arrays."""
        ...

    def load_state(self, state: AbstractMapping[str, NDArray[np.generic]]) -> Self:
        """Become the scorer whose ``state`` this is."""
        ...


@dataclass(frozen=True, slots=True)
class Traits:
    """What training must know of a scorer's class before it is built; a class states it as ``traits``.

    Attributes:
        content_based: it can score an item without interactions, from text or graph; evaluation compares the hybrid
            with these scorers alone.
        cold_items: whether it scores the items without likes, which are placed beside the others: ``"never"``;
            ``"fused"``: where it has a weight and it is not known what users were shown and left; ``"always"``;
            ``"only"``: it serves nothing else, has no weight, and its attribute ``items`` holds their positions.
        kept: fitted and saved also without a weight, since it is of use beyond its scores.
        private: where there is ``TrainingData.private``, it learns from that, public data and the history that is
            scored, and from nothing else.
        dated: what it says of items depends on what happened lately, and it is fitted in a moment: a list as of an
            earlier moment fits it again on what had happened by then.
        by_blocks: it has ``TrainingData.workers`` do its work by blocks, so it is not fitted by one of them.
    """

    content_based: bool = False
    cold_items: Literal["never", "fused", "always", "only"] = "never"
    kept: bool = False
    private: bool = False
    dated: bool = False
    by_blocks: bool = False


@runtime_checkable
class WithTraits(Protocol):
    """A scorer's class that states what is special about it."""

    traits: ClassVar[Traits]


def traits_of(scorer: type[Any] | Scorer) -> Traits:
    """Return what a scorer, or its class, says of itself; a class that says nothing has the defaults."""
    return scorer.traits if isinstance(scorer, WithTraits) else Traits()


@runtime_checkable
class ConditionalScorer(Protocol):
    """A scorer that not all data can feed."""

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Return why it cannot be fitted on ``data``, for people to read; the empty string where it can."""
        ...


@runtime_checkable
class GridScorer(Protocol):
    """A scorer that is tried with several settings; the one that ranks the held-out likes best is used."""

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Return the settings worth trying on ``data``, at least one."""
        ...


@runtime_checkable
class TunableScorer(Protocol):
    """A scorer whose options can be searched for."""

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Return the range of each option that may be tuned; see :mod:`kgrec.plugin.space`."""
        ...


@runtime_checkable
class PricedScorer(Protocol):
    """A scorer that says what a fit costs, so that ``kgrec train`` knows how many settings it may try."""

    @classmethod
    def price(cls, options: dict[str, Any], data: TrainingData) -> float:
        """Return about how many seconds of a core a fit takes, by shapes alone: the same on any machine, busy or not.

        Args:
            options: all of them, defaults too.
            data: what it is to be fitted on.
        """
        ...


@runtime_checkable
class TrialScorer(Protocol):
    """A scorer whose settings can be compared by cheaper fits than those that are used."""

    @classmethod
    def trial(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Return ``options`` with what makes the fit cheaper, such as fewer rounds, and leaves the order as it is."""
        ...


@runtime_checkable
class RefittableScorer(Protocol):
    """A scorer that finds out while it is fitted how it should be fitted on all data."""

    def refit_options(self) -> dict[str, Any]:
        """Return options found by the fit, such as the number of epochs, which replace those it was built with."""
        ...


@runtime_checkable
class ResumableScorer(Protocol):
    """A scorer that trains by epochs and resumes a training that was interrupted.

    Attributes:
        checkpoint: file where the state of a training is kept, and which a training resumes from; None: nowhere.
    """

    checkpoint: Path | None


@runtime_checkable
class WatchedScorer(Protocol):
    """A scorer that tells how its training goes.

    Attributes:
        progress: told of the epochs, and of the figure after each, which may end the training.
    """

    progress: Progress


@runtime_checkable
class MomentScorer(Scorer, Protocol):
    """A scorer whose scores depend on the moment that a list is made for: as fitted, each user's last event."""

    def at_end(self) -> Self:
        """Return the same scorer for lists made at the end of the data, for everybody; the fitted state is shared."""
        ...


@runtime_checkable
class NewUserScorer(Scorer, Protocol):
    """A scorer that also serves somebody who was not there at training."""

    def score_new(self, profile: Profile) -> NDArray[np.float32]:
        """Score all items for ``profile`` -> float32 ``(n_items,)``, NaN where it cannot."""
        ...


@runtime_checkable
class CompactScorer(Scorer, Protocol):
    """A scorer that can hand over its scores in the form they are computed from.

    Lists for many users are then found without writing down every score of every scorer: products are fused into one.
    """

    def compact(self, users: UserIndices) -> Compact | None:
        """Return what ``score(users)`` returns, compactly; None where this model has no such form (then always)."""
        ...

    def compact_new(self, profiles: Sequence[Profile]) -> Compact | None:
        """Return the same for people who were not there at training, one row a profile."""
        ...


@runtime_checkable
class AdditiveScorer(Scorer, Protocol):
    """A scorer whose scores split into what caused them."""

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:
        """Split ``score([user])[0, items]``; over all parts the values of an item sum to its score within 1e-4."""
        ...


@dataclass(frozen=True, slots=True)
class Contribution:
    """Parts of the scores of items that come from sources of one kind.

    Attributes:
        kind: ``"item"`` (items of the history), ``"entity"``, ``"text"``, ``"popularity"`` or ``"bias"``.
        sources: positions of the items or entities that caused them, -1 where there is none, shape ``(k,)``.
        values: shares of the scores, shape ``(i, k)``.
    """

    kind: str
    sources: NDArray[np.integer[Any]]
    values: NDArray[np.floating[Any]]


@runtime_checkable
class PartlySplitScorer(AdditiveScorer, Protocol):
    """An additive scorer whose scores cannot always be split in every way that explanations look for."""

    def not_told(self) -> str:
        """Say in a sentence what of a score is not told, for whoever reads an explanation; empty: nothing is left out.

        The sentence follows the scorer's name and a colon.
        """
        ...


@runtime_checkable
class Reranker(Protocol):
    """Reorders candidates, or drops some; never adds one.

    The first option stands behind the colon of ``--rerank mmr:0.3``. Where there is a ``strength``, 0 changes nothing.
    """

    def prepare(self, data: RerankData) -> Self:
        """Look once at what is known of items and users.

        Raises:
            KgrecError: an attribute that an option names is unknown, or the data lacks what is needed.
        """
        ...

    def rerank(self, lists: CandidateLists) -> NDArray[np.int64]:
        """Return the new order as columns of the candidates, shape ``(u, c)``, -1 after what is kept.

        What stands in a row depends on that row alone, so a user alone gets the same list as among others.
        """
        ...


@runtime_checkable
class ReservingReranker(Reranker, Protocol):
    """A re-ranker that needs certain items among the candidates, wherever the scorers rank them."""

    def reserved(self) -> ItemIndices:
        """Return items that must be among the candidates of all users who may get them, shape ``(k,)``."""
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """Continues texts."""

    @property
    def name(self) -> str:
        """Names model and version in the record of what it wrote: ``smollm2-135m-instruct-q4_1``."""
        ...

    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int, seed: int, schema: AbstractMapping[str, Any] | None = None
    ) -> list[str]:
        """Return what follows each prompt, in their order; the same prompt and seed give the same text.

        Args:
            prompts: instruction, facts and examples, ready to be answered.
            max_new_tokens: length of an answer at most.
            seed: another seed gives another candidate.
            schema: JSON schema that an answer must meet, or None for plain text.

        Returns:
            One text a prompt; empty where the model had nothing usable to say.

        Raises:
            ModelError: none of the prompts could be answered: no connection, no key, no memory.
        """
        ...


@runtime_checkable
class StreamingModel(LanguageModel, Protocol):
    """A language model that can be watched."""

    def stream(self, prompt: str, *, max_new_tokens: int, seed: int) -> Iterator[str]:
        """Yield the pieces of what ``complete([prompt])`` returns, as they are made."""
        ...


@runtime_checkable
class ScoringModel(LanguageModel, Protocol):
    """A language model that tells how likely it finds a text."""

    def log_likelihood(self, prompts: Sequence[str], texts: Sequence[str]) -> list[float]:
        """Return the mean log probability of a token of each text after its prompt, natural logarithm."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Writes texts from facts."""

    def write(self, requests: Sequence[TextRequest], *, model: LanguageModel | None, seed: int) -> list[str]:
        """Return a text for each request, in their order; the same request and seed give the same text.

        Args:
            requests: facts, interests and kind.
            model: the language model in use, or None; a generator that needs none ignores it.
            seed: another seed gives another wording.

        Returns:
            One text a request, empty where it could not write any.
        """
        ...


@runtime_checkable
class Guard(Protocol):
    """Rejects texts."""

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """Return what is wrong with ``text``; nothing when it may be shown.

        Args:
            request: what was to be written.
            facts: all that may be said; ``request.facts``, unless somebody checks against others.
            text: what was written.
        """
        ...


BEYOND = -1
"""Source of what training learned of the user beyond the history: contributions of kind ``"bias"``."""

WORDS = -2
"""Source of what the user's own words add: contributions of kind ``"text"``."""


@dataclass(frozen=True, slots=True)
class EntityContribution:
    """What an item of the history gives to an item by way of an entity; a part of that item's contribution.

    Attributes:
        source: position of the item of the history, or :data:`BEYOND`, or :data:`WORDS`.
        entity: node of the graph at training, see :class:`kgrec.types.Triples`.
        value: share of the score.
    """

    source: int
    entity: int
    value: float


@runtime_checkable
class NewUserAdditiveScorer(AdditiveScorer, NewUserScorer, Protocol):
    """An additive scorer whose scores for somebody who was not there at training split, too."""

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Split ``score_new(profile)[items]``; over all parts the values of an item sum to its score within 1e-4."""
        ...


@runtime_checkable
class EntityScorer(AdditiveScorer, Protocol):
    """An additive scorer that can tell what of its contributions comes through entities."""

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Return it for the entities that matter most; empty where the model cannot tell exactly."""
        ...


@dataclass(frozen=True, slots=True)
class TextShare:
    """How a contribution depends on the text of the scored item: a part of it is the product with the text's vector.

    Attributes:
        source: as in :class:`EntityContribution`.
        weights: shape ``(dim,)``; times the item's vector as the encoder gives it, before anything is subtracted.
    """

    source: int
    weights: NDArray[np.floating]


@runtime_checkable
class TextScorer(AdditiveScorer, Protocol):
    """An additive scorer that can tell how its contributions depend on the text of the scored item."""

    def by_text(self, user: int, item: int) -> list[TextShare]:
        """Return it for everything that contributes; empty where the text has no say."""
        ...


@runtime_checkable
class LinearEncoder(Protocol):
    """A text encoder whose vectors are sums over the terms of a text; asked of the class, before a model is loaded."""

    def terms(self, text: str) -> tuple[Sequence[str], Vectors]:
        """Return the terms of a text, each once, and vectors of shape ``(t, dim)`` that sum to its vector."""
        ...


class CommandRun(Protocol):
    """One run of a command, as :func:`kgrec.plugin.workspace_command` hands it over.

    Attributes:
        quiet: whether progress and timings are off.
    """

    quiet: bool

    @property
    def manager(self) -> PluginManager:
        """The plugins."""
        ...

    @property
    def project(self) -> Any:
        """The open workspace, a :class:`kgrec.project.Project`; an error where there is none."""
        ...

    @property
    def for_people(self) -> bool:
        """Whether a table is wanted, rather than a format for programs."""
        ...

    def progress(self) -> AbstractContextManager[Progress]:
        """Open what shows progress on stderr."""
        ...

    def say(self, message: str) -> None:
        """Write a line for people on stderr, unless ``--quiet``."""
        ...

    def timings(self, seconds: AbstractMapping[str, float]) -> None:
        """Write how long each step took on stderr."""
        ...

    def data(
        self, records: Sequence[AbstractMapping[str, Any]], show: Callable[[], None], out: Path | None = None
    ) -> None:
        """Print records in the format asked for or into ``out``, or call ``show`` when people are to read them."""
        ...
