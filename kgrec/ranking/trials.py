"""Optuna as tuning uses it: imported late, quiet, its record a file of the workspace."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.errors import CorruptArtifactError, MissingExtraError
from kgrec.plugin.space import Choice, Range, Real
from kgrec.workspace import storage_errors

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

JOURNAL = "trials.jsonl"
"""Everything that was tried, in the format of Optuna's journal, one JSON value a line."""


def distribution(span: Range) -> Any:
    """Return a range in Optuna's words."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(span, Choice):
        return CategoricalDistribution(span.values)
    if isinstance(span, Real):
        return FloatDistribution(span.low, span.high, log=span.log)
    return IntDistribution(span.low, span.high, log=span.log)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Import Optuna and keep it from writing a line a trial to stderr.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtraError.of("--tune", "tune") from None
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def storage(folder: Path) -> JournalStorage:
    """Open the record of the trials; a last line that a dying process left unfinished is dropped.

    Raises:
        CorruptArtifactError: it is damaged.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    class Unlocked(JournalFileOpenLock):
        """The workspace's lock is held, and a lock of a process that was killed would stay."""

        def acquire(self) -> bool:
            return True

        def release(self) -> None:
            return None

    file = folder / JOURNAL
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if file.exists():
            content = file.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                file.write_bytes(whole)
    try:
        return JournalStorage(JournalFileBackend(str(file), lock_obj=Unlocked(str(file))))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptArtifactError(f"{file} is damaged: {error}", hint="`kgrec train --reset-tuning`") from None
