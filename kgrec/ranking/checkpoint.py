"""Fits that are done are kept until training ends, so an interrupted training goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.errors import CorruptArtifactError
from kgrec.plugin.protocols import ResumableScorer, Scorer, WatchedScorer
from kgrec.plugin.spec import Spec
from kgrec.progress import Progress
from kgrec.workspace import load_arrays, read_json, save_arrays, storage_errors, write_json

if TYPE_CHECKING:
    from kgrec.plugin.protocols import Scorer

Figures = dict[str, Any]
"""What is kept beside a fitted scorer: JSON values."""


@dataclass(frozen=True, slots=True)
class FitStore:
    """Fitted scorers on disk.

    Attributes:
        folder: where; None keeps nothing.
        run: hash of everything that a fit depends on besides scorer and options: data, split, seed, versions.
    """

    folder: Path | None
    run: str = ""

    def fitted(
        self, spec: Spec, options: Mapping[str, Any], part: str, fit: Callable[[], tuple[Scorer, Figures]]
    ) -> tuple[Scorer, Figures]:
        """Return the kept scorer and figures of an earlier, interrupted run, or those of ``fit()``, which are kept.

        Args:
            spec: the scorer.
            options: it is built with.
            part: what it is fitted on: ``"fit"`` or ``"everything"``.
            fit: fits it.
        """
        if self.folder is None:
            return fit()
        document = json.dumps([self.run, spec.target, dict(options), part], sort_keys=True, default=str)
        base = self.folder / hashlib.blake2b(document.encode(), digest_size=12).hexdigest()
        arrays, figures = base.with_suffix(".safetensors"), base.with_suffix(".json")
        if figures.exists():
            try:
                return spec.build(dict(options)).load_state(load_arrays(arrays)), read_json(figures)
            except CorruptArtifactError:  # written by a process that died; the fit is simply done again
                figures.unlink(missing_ok=True)
        scorer, found = fit()
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        save_arrays(arrays, scorer.state())
        write_json(figures, found)  # last: its presence says that the arrays are whole
        return scorer, found

    def equip(self, scorer: Scorer, name: str, part: str, progress: Progress) -> Scorer:
        """Tell a scorer that trains by epochs where to keep its state and whom to tell of them."""
        if self.folder is not None and isinstance(scorer, ResumableScorer):
            self.folder.mkdir(parents=True, exist_ok=True)
            scorer.checkpoint = self.folder / f"{name}-{part}-epochs.safetensors"
        if isinstance(scorer, WatchedScorer):
            scorer.progress = progress
        return scorer

    def clear(self) -> None:
        """Forget everything; for when the training is done."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
