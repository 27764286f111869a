"""What is asked for where texts are written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What texts are asked for.

    Attributes:
        kind: name of the kind, or None for the domain's usual one.
        language: ``en`` or ``zh``; None: as in kgrec.toml.
        tone: None: as in kgrec.toml.
        model: ``template``, or a language model with an optional ``:MODEL``; None: as in kgrec.toml.
        candidates: drafts a text; None: as in kgrec.toml.
        seed: None: as in kgrec.toml.
        allow_fallback: let the template step in where a model fails.
        variant: name of the prompt (or of the phrases, for the template); None: as in kgrec.toml.
        steer: ``profile`` or ``latent``: what chooses the topics; None: as in kgrec.toml.
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
