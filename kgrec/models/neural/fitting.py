"""Runs a training with the options of its scorer."""

from __future__ import annotations

from threadpoolctl import threadpool_info

from kgrec.models.adam import AdamTraining
from kgrec.models.fingerprint import fingerprint
from kgrec.models.neural.scorer import NeuralScorer
from kgrec.models.threads import limited_threads
from kgrec.models.training_loop import Schedule, TrainingState, run
from kgrec.types import TrainingData


def train(scorer: NeuralScorer, training: AdamTraining, data: TrainingData, seed: int) -> TrainingState:
    """Train until the validation metric no longer grows; the network then holds the best weights.

    Args:
        scorer: its options say how long, its attributes where checkpoints go and who is told.
        training: of its network.
        data: what it is fitted on.
        seed: of the fit.
    """
    if not training.n_rows:
        return TrainingState()
    schedule = Schedule(
        epochs=scorer.epochs,
        patience=scorer.patience,
        checkpoint=scorer.checkpoint,
        checkpoint_every=scorer.checkpoint_every,
        fingerprint=fingerprint(scorer, data, seed),
    )
    # torch may just have been imported, and then does not yet know of the threads that the others keep to.
    threads = scorer.threads or min((pool["num_threads"] for pool in threadpool_info()), default=1)
    with limited_threads(threads):
        return run(training, schedule, progress=scorer.progress)
