"""The part of a project that writes: profiles of users, and texts about items."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kgrec.progress import SILENT, Progress

if TYPE_CHECKING:
    from kgrec.api.adapting import Adapted, TuneOrder
    from kgrec.api.judging.plan import TextPlan
    from kgrec.api.judging.run import TextQualityRun
    from kgrec.api.project import Project
    from kgrec.api.studio import Studio
    from kgrec.api.wish import Wish
    from kgrec.generate.lora.settings import LoraSettings
    from kgrec.generate.pipeline import Watch
    from kgrec.generate.profile import InterestProfile
    from kgrec.plugin.generation import GeneratedText


class Writing:
    """Methods of :class:`kgrec.api.Project`; generation is imported when it is asked for."""

    @cached_property
    def studio(self) -> Studio:
        """What writing needs; kept from one text to the next."""
        from kgrec.api.studio import Studio

        return Studio(cast("Project", self))

    def interests(self, user_id: str, *, limit: int = 12) -> InterestProfile:
        """Return what a user is interested in, with the events that say so.

        Args:
            user_id: the user's id.
            limit: interests at most.

        Raises:
            NotFoundError: the user is unknown.
        """
        from kgrec.api.profiling import interests

        return interests(cast("Project", self), user_id, limit)

    def generate(
        self,
        user: str | None = None,
        *,
        item: str | Sequence[str] = (),
        kind: str | None = None,
        n: int = 1,
        language: str | None = None,
        tone: str | None = None,
        model: str | None = None,
        candidates: int | None = None,
        seed: int | None = None,
        allow_fallback: bool = True,
        variant: str | None = None,
        steer: str | None = None,
        watch: Watch | None = None,
    ) -> list[GeneratedText]:
        """Write texts about items, for a user or for nobody in particular.

        Args:
            user: the user's id; None for kinds that are not personal.
            item: id or ids of the items; none: what is recommended to the user.
            kind: ``blurb``, ``summary``...; None: the domain's usual one.
            n: how many recommended items are written about; of a digest, how many digests.
            language: ``en`` or ``zh``; None: as in kgrec.toml.
            tone: ``neutral``, ``warm``, ``playful``, ``formal``; None: as in kgrec.toml.
            model: ``template``, ``smollm2``, ``transformers:FOLDER``, ``openai:NAME``; None: as in kgrec.toml.
            candidates: drafts a text; None: as in kgrec.toml.
            seed: None: as in kgrec.toml.
            allow_fallback: let the template step in where a model fails; otherwise that is an error.
            variant: name of the prompt (of the phrases, for the template); None: as in kgrec.toml.
            steer: ``profile`` or ``latent``: what chooses the topics that a text dwells on; None: as in kgrec.toml.
            watch: told the pieces of a draft as a model makes them.

        Returns:
            One text an item (or group of items), in their order. What a guard refused is never returned.

        Raises:
            NotFoundError: user, item, kind or model is unknown.
            GuardRefusedError: nothing passed, and ``allow_fallback`` is False.
        """
        from kgrec.api.generating import generate
        from kgrec.api.wish import Wish

        items = [item] if isinstance(item, str) else list(item)
        wish = Wish(kind, language, tone, model, candidates, seed, allow_fallback, variant, steer)
        return generate(cast("Project", self), user, items, n, wish, watch)

    def enrich(self, out: str | Path, *, thin: int = 20, limit: int = 8) -> int:
        """Write keywords of items with thin texts: words that items near them in graph and training likes agree on.

        Training reads the file where ``text.keywords`` names it. Keywords are no facts and never stated.

        Args:
            out: the file, .csv with the columns ``item_id`` and ``keywords``.
            thin: texts of fewer words get keywords.
            limit: keywords an item.

        Returns:
            How many items got some.
        """
        from kgrec.api.enriching import enrich

        return enrich(cast("Project", self), Path(out), thin=thin, limit=limit)

    def generate_all(
        self,
        out: str | Path,
        *,
        kind: str | None = None,
        n: int = 1,
        users: Sequence[str] | None = None,
        wish: Wish | None = None,
        progress: Progress = SILENT,
    ) -> int:
        """Write texts for all users, or about all items where the kind is not personal, into a file of JSON lines.

        What the file already holds of the same kind and language is not written again.

        Args:
            out: the file, ``.jsonl``; it grows batch by batch.
            kind: None: the domain's usual one.
            n: recommended items a user.
            users: ids; None for all.
            wish: language, tone, model, seed; ``kind`` is taken from there where it is not given.
            progress: told where it is.

        Returns:
            How many texts were written now.
        """
        from kgrec.api.batches import generate_all
        from kgrec.api.wish import Wish

        wish = wish or Wish(kind)
        return generate_all(cast("Project", self), Path(out), n, users, wish, progress)

    def evaluate_texts(
        self, plan: TextPlan | None = None, *, fluency: str | None = None, progress: Progress = SILENT
    ) -> TextQualityRun:
        """Write texts for some users by each variant, and measure truth, personality, variety, fluency and speed.

        Texts of a model are kept as they are written: an interrupted run goes on where it stopped.

        Args:
            plan: what is written; None: 300 users, by the template.
            fluency: language model that tells how likely texts are; None: the one that writes, where it can.
            progress: told where it is.

        Returns:
            The figures, and where they are kept.

        Raises:
            MissingExtraError: a language model is missing.
            UserError: no item is recommended to two users.
        """
        from kgrec.api.judging.plan import TextPlan
        from kgrec.api.judging.run import evaluate_texts

        return evaluate_texts(cast("Project", self), plan or TextPlan(), fluency, progress)

    def tune_writer(
        self, order: TuneOrder | None = None, settings: LoraSettings | None = None, *, progress: Progress = SILENT
    ) -> Adapted:
        """Adapt a language model to the catalogue's texts and to accepted ones; ``--model tuned`` then writes with it.

        Items are drawn for three parts that share no item and no text: the first is learned from, the second decides
        which step is kept and when to stop, the third is only judged.

        Args:
            order: base model, kinds and sources of texts, folder; None: all texts, on the packaged model.
            settings: of the tuning; None: the usual ones with the seed of kgrec.toml.
            progress: told where it is.

        Raises:
            MissingExtraError: peft, or what the base model needs, is not installed.
            DataError: there are too few items or texts.
            UsageError: the folder holds another tuning.
        """
        from kgrec.api.adapting import TuneOrder, adapt
        from kgrec.generate.lora.settings import LoraSettings

        project = cast("Project", self)
        return adapt(project, order or TuneOrder(), settings or LoraSettings(seed=project.config.seed), progress)
