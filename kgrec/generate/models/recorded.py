"""A language model that says what it was told to say: for tests, and to repeat a run without the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from kgrec.errors import DataError, ModelError
from kgrec.generate.prompts import valid_json
from kgrec.plugin.options import Configured, Options


def prompt_key(prompt: str, seed: int | None = None) -> str:
    """Return under which name an answer is recorded: hash of the prompt, with the seed where the answer depends on it.

    >>> prompt_key("Facts: none")
    'a3724afa81dd47a0'
    """
    digest = hashlib.sha256(prompt.encode("utf-8")).hexdigest()[:16]
    return digest if seed is None else f"{digest}-{seed}"


class RecordedOptions(Options):
    """Options of ``[language_models.recorded]``."""

    file: str | None = Field(
        None,
        description="JSON lines with prompt (the text) or key (its hash), text, and seed where the answer holds for "
        "that seed only",
    )
    answers: dict[str, str] = Field(
        {}, description='the same as a mapping of prompts, keys, or "*" for all others; laid over file'
    )
    fails: str = Field("", description="every call fails with this message, as a dead endpoint would")


class RecordedModel(Configured):
    """Answers from a record.

    Raises:
        DataError: the file cannot be read.
    """

    Options = RecordedOptions
    options: RecordedOptions

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._answers: dict[str, str] = _read(Path(self.options.file)) if self.options.file else {}
        for prompt, text in self.options.answers.items():
            self._answers[prompt] = text
            self._answers[prompt_key(prompt)] = text

    @property
    def name(self) -> str:
        """Always ``recorded``."""
        return "recorded"

    def complete(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,  # noqa: ARG002
        seed: int,
        schema: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Return the recorded answers, empty where there is none."""
        if self.options.fails:
            raise ModelError(self.options.fails)
        answers = [self._answer(prompt, seed) for prompt in prompts]
        return answers if schema is None else [valid_json(answer, schema) for answer in answers]

    def _answer(self, prompt: str, seed: int) -> str:
        for key in (prompt_key(prompt, seed), prompt_key(prompt), "*"):
            if key in self._answers:
                return self._answers[key]
        return ""


def _read(file: Path) -> dict[str, str]:
    answers: dict[str, str] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}", hint="a record is JSON lines in UTF-8") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            seed = None if row.get("seed") is None else int(row["seed"])
            key = row["key"] if "key" in row else prompt_key(row["prompt"])
            answers[key if seed is None else f"{key}-{seed}"] = str(row["text"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{file}:{number}: no recorded answer: {error}", hint="prompt (or key) and text") from None
    return answers
