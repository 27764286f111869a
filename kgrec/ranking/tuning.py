"""Search for better options of the scorers by Optuna, as long as there is time; what was tried is kept for later."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.errors import CorruptArtifactError, MissingExtraError, UserError
from kgrec.plugin.options import option_defaults
from kgrec.plugin.protocols import TunableScorer
from kgrec.plugin.space import Choice, Range, Real, Space
from kgrec.progress import Progress, StopTraining, Task
from kgrec.ranking import tuned
from kgrec.ranking.fitting import Fitter, unusable
from kgrec.ranking.tuned import Tuned, TunedConfig
from kgrec.workspace import storage_errors

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import JournalStorage

    from kgrec.config import Config
    from kgrec.plugin.manager import Registry
    from kgrec.plugin.spec import Spec
    from kgrec.ranking.training_inputs import TrainingInputs, TrainOptions
    from kgrec.workspace import Workspace

FAILURES = (ArithmeticError, ValueError, RuntimeError, MemoryError)
"""What a solver raises that cannot cope with the options drawn for it."""

JOURNAL = "trials.jsonl"
"""Everything that was tried, in the format of Optuna's journal, one JSON value a line."""


def search(
    inputs: TrainingInputs,
    registry: Registry,
    fitter: Fitter,
    order: TrainOptions,
    workspace: Workspace,
    *,
    made_from: str,
) -> TunedConfig:
    """Search as long as asked and return the settings with everything that was ever found.

    Args:
        inputs: the data.
        registry: the scorers on offer.
        fitter: fits them; its settings are laid over what is found.
        order: what is asked of the training: how long to search, for which scorers.
        workspace: keeps what is found.
        made_from: hash of data and settings.

    Raises:
        MissingExtraError: a search is asked for and Optuna is not installed.
    """
    folder, config, progress = tuned.folder_of(workspace), fitter.config, fitter.progress
    listed = order.only or config.train.scorers
    if order.reset_tuning:
        shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    results: tuple[Tuned, ...] = ()
    seconds: dict[str, float] = {}
    if order.tune is not None:
        options: dict[str, Any] = {"names": listed or list(registry), "minutes": order.tune}
        results = tuple(tune(inputs, registry, fitter, **options, folder=folder, made_from=made_from))
        seconds = {"tuning": round(time.perf_counter() - started, 2)}
    found = tuned.load(folder)
    if listed is not None:
        found = {name: one for name, one in found.items() if name in listed}
    if any(one.made_from != made_from for one in found.values()):
        progress.log("options were tuned on other data or settings: --tune MINUTES again, or --reset-tuning")
    return TunedConfig(tuned.laid_under(config, found, registry, progress), tuple(sorted(found)), results, seconds)


def tune(
    inputs: TrainingInputs,
    registry: Registry,
    fitter: Fitter,
    *,
    names: Sequence[str],
    minutes: float,
    folder: Path,
    made_from: str,
    clock: Callable[[], float] = time.monotonic,
) -> list[Tuned]:
    """Try options of the scorers for ``minutes``, keep the best of each in ``folder`` and return them.

    Each scorer that states a space (:mod:`kgrec.plugin.space`) has a study of its own: first its own settings, then
    what a tree-structured Parzen estimator suggests (Bergstra et al., Algorithms for hyper-parameter optimization, NIPS
    2011). The one that had the least time is next. Scorers that train by epochs are cut off when they are worse than
    the median of the others was at the same epoch. Judged by NDCG on the held-out likes of validation.

    No fit begins that would outlast the time if it took as long as the longest of its scorer; others are let finish.

    Args:
        inputs: the data.
        registry: the scorers on offer.
        fitter: fits them and is told of every trial; what its settings give for ``scorers`` is not tuned.
        names: scorers to tune; those without a space, and those that the data cannot feed, are left out.
        minutes: how long.
        folder: keeps the trials and what was found; another call continues.
        made_from: hash of data and settings: trials of another one are not comparable.
        clock: seconds, for tests.

    Raises:
        MissingExtraError: Optuna is not installed.
        UserError: nothing can be tuned, or there are no held-out likes.
        CorruptArtifactError: the record of the trials is damaged.
    """
    if not len(inputs.held_out.users):
        raise UserError("there are no held-out likes to tune on", hint="users need at least two likes")
    deadline = clock() + 60 * minutes
    with quiet_optuna():
        record = storage(folder)
        studies = [
            _Search(registry[name], inputs, fitter, record, made_from)
            for name in dict.fromkeys(names)
            if _space(registry[name], inputs, fitter.config)
        ]
        if not studies:
            raise UserError("none of the scorers has options to tune", hint="kgrec.toml may have fixed all of them")
        found = tuned.load(folder)
        with fitter.progress.task("tuning", total=60 * minutes) as task:
            while ready := [s for s in studies if s.longest <= deadline - clock()]:
                started = clock()
                search = min(ready, key=lambda s: s.spent)
                search.step(_Listener(fitter.progress, deadline, clock), task)
                task.advance(clock() - started)
                if best := search.best():
                    found[best.name] = best
                    tuned.save(folder, found.values())
        if late := [s.name for s in studies if s.best() is None]:
            fitter.progress.log(
                f"too little time to get past the own settings of {', '.join(late)}: --tune again goes on there"
            )
        return [best for s in studies if (best := s.best())]


def _space(spec: Spec, inputs: TrainingInputs, config: Config) -> Space:
    """Return what may be tuned of a scorer; nothing where it cannot be used."""
    try:
        cls = spec.load()
    except MissingExtraError:
        return {}
    if not issubclass(cls, TunableScorer) or unusable(spec, inputs.fit):
        return {}
    given = config.scorers.get(spec.name, {})
    return {name: span for name, span in cls.space(inputs.fit).items() if name not in given}


class _Search:
    """The study of one scorer."""

    def __init__(
        self, spec: Spec, inputs: TrainingInputs, fitter: Fitter, record: JournalStorage, made_from: str
    ) -> None:
        self.name = spec.name
        self._spec, self._inputs, self._config, self._made_from = spec, inputs, fitter.config, made_from
        self._space = _space(spec, inputs, fitter.config)
        self._own = fitter.option_sets(spec, inputs.fit)
        self._base = {name: value for name, value in self._own[0].items() if name not in self._space}
        self._study = self._open(record)
        done = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.is_finished()]
        seconds = [trial.user_attrs.get("seconds", 0.0) for trial in done]
        self.spent, self.longest = sum(seconds), max(seconds, default=0.0)

    def _open(self, record: JournalStorage) -> Study:
        import optuna

        space = {name: repr(span) for name, span in self._space.items()}
        document = json.dumps([self._made_from, space, self._base, self._own], sort_keys=True, default=str)
        key = hashlib.blake2b(document.encode(), digest_size=8).hexdigest()
        name = f"{self._spec.name}-{key}"
        study = optuna.create_study(storage=record, study_name=name, direction="maximize", load_if_exists=True)
        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # its process ended in the midst of it
        # A continued study must not draw again what it drew before.
        seed = int.from_bytes(hashlib.blake2b(f"{self._config.seed} {name} {len(study.trials)}".encode()).digest()[:4])
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2)
        return study

    def step(self, listener: _Listener, task: Task) -> None:
        """Try one more set of options."""
        started = listener.clock()
        waiting = next((own for own in self._own if not self._tried(own)), None)
        if waiting is None:
            self._draw(listener)
        else:
            self._own_setting(waiting, listener)
        seconds = listener.clock() - started
        self.spent += seconds
        self.longest = max(self.longest, seconds)
        best = self.best()
        task.note(f"{self._spec.name} {len(self._study.trials)}" + (f", best {best.ndcg:.4f}" if best else ""))

    def _own_setting(self, options: dict[str, Any], listener: _Listener) -> None:
        """Try one of the scorer's own settings; options that the study draws tell it about their values."""
        import optuna

        try:
            figures = self._figures(options, listener)
        except StopTraining:
            return
        standing = {**option_defaults(self._spec.load()), **options}
        params = {name: standing[name] for name, span in self._space.items() if span.holds(standing.get(name))}
        distributions = {name: distribution(self._space[name]) for name in params}
        attributes = {"options": options, "own": True, "seconds": figures["seconds"]}
        self._study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=distributions, value=figures["ndcg"], user_attrs=attributes
            )
        )

    def _draw(self, listener: _Listener) -> None:
        import optuna

        state = optuna.trial.TrialState
        trial = self._study.ask({name: distribution(span) for name, span in self._space.items()})
        listener.trial = trial
        options = {**self._base, **trial.params}
        trial.set_user_attr("options", options)
        started = listener.clock()
        try:
            figures = self._figures(options, listener)
            ended, value = state.COMPLETE, figures["ndcg"]
        except StopTraining:  # by the clock, it says nothing about the options
            ended, value = state.FAIL if listener.late() else state.PRUNED, None
        except FAILURES as error:
            listener.log(f"{self._spec.name} failed with {options}: {error}")
            ended, value = state.FAIL, None
        trial.set_user_attr("seconds", listener.clock() - started)
        self._study.tell(trial, value, state=ended)

    def _figures(self, options: dict[str, Any], listener: _Listener) -> dict[str, Any]:
        fitter = Fitter(self._config, listener)  # keeps nothing: what is tried is judged once
        return fitter.judged(self._spec, options, self._inputs.fit, self._inputs.held_out)[1]

    def _finished(self) -> list[Any]:
        import optuna

        return self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))

    def _tried(self, own: Mapping[str, Any]) -> bool:
        return any(trial.user_attrs.get("own") and trial.user_attrs["options"] == own for trial in self._finished())

    def best(self) -> Tuned | None:
        """Return the best so far, or None as long as the scorer's own settings were not all tried."""
        if not all(self._tried(own) for own in self._own):
            return None
        finished = self._finished()
        best = max(finished, key=lambda trial: trial.value)
        own = max(trial.value for trial in finished if trial.user_attrs.get("own"))
        cut = len(self._study.trials) - len(finished)
        options = dict(best.user_attrs["options"])
        return Tuned(self._spec.name, options, best.value, own, len(finished), cut, self._made_from)


@dataclass
class _Listener:
    """Passes on what a fit says, and ends it when it is not worth going on or the time is over."""

    progress: Progress
    deadline: float
    clock: Callable[[], float]
    trial: Trial | None = field(default=None)

    def task(self, description: str, total: float | None = None) -> AbstractContextManager[Task]:
        """Open a piece of work."""
        return self.progress.task(description, total)

    def log(self, message: str) -> None:
        """Say something worth a line."""
        self.progress.log(message)

    def late(self) -> bool:
        """Say whether the time is over."""
        return self.clock() >= self.deadline

    def measured(self, step: int, value: float) -> None:
        """Compare with the other trials."""
        if self.late():
            raise StopTraining
        if self.trial is not None:
            self.trial.report(value, step)
            if self.trial.should_prune():
                raise StopTraining


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
