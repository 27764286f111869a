"""The epoch loop: keeps the best, stops early, continues to the same result, refuses what is no checkpoint."""

import numpy as np
import pytest

from kgrec.errors import CorruptArtifactError
from kgrec.models.training_loop import Schedule, run
from kgrec.progress import SILENT, StopTraining


class Walk:
    """Adds a random step an epoch; the metric is prescribed."""

    def __init__(self, metrics=None, *, seed=0, fail_at=None):
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.value, self.epoch, self.metrics, self.fail_at = np.zeros(2), 0, metrics, fail_at
        self.looks = []

    def train_epoch(self):
        if self.fail_at == self.epoch:
            raise KeyboardInterrupt
        self.value = self.value * 0.9 + self.rng.standard_normal(2)
        self.epoch += 1
        return float(self.value.sum())

    def validate(self):
        if self.metrics is None:
            return None
        self.looks.append(self.epoch)
        return self.metrics[self.epoch]

    def weights(self):
        return {"value": self.value.copy()}

    def load_weights(self, weights):
        self.value = weights["value"].copy()

    def state(self):
        state = self.rng.bit_generator.state["state"]
        words = [state[name] >> shift & 0xFFFFFFFF for name in ("state", "inc") for shift in (96, 64, 32, 0)]
        return {**self.weights(), "epoch": np.array([self.epoch]), "words": np.array(words, dtype=np.int64)}

    def load_state(self, state):
        self.value, self.epoch = state["value"].copy(), int(state["epoch"][0])
        words = [int(word) for word in state["words"]]
        whole = [
            sum(word << shift for word, shift in zip(part, (96, 64, 32, 0), strict=True))
            for part in (words[:4], words[4:])
        ]
        full = self.rng.bit_generator.state
        full["state"] = {"state": whole[0], "inc": whole[1]}
        self.rng.bit_generator.state = full


def test_keeps_the_best_epoch_and_stops():
    walk = Walk([0.0, 0.1, 0.5, 0.4, 0.3, 0.9])
    course = run(walk, Schedule(epochs=5, patience=2))
    assert (course.best_epoch, course.best_metric, course.epoch) == (2, 0.5, 4)
    replay = Walk()
    replay.train_epoch()
    replay.train_epoch()
    np.testing.assert_array_equal(walk.value, replay.value)


def test_a_start_that_training_only_worsens_is_kept():
    walk = Walk([0.5, 0.1, 0.1, 0.1])
    course = run(walk, Schedule(epochs=3, patience=9))
    assert course.best_epoch == 0
    np.testing.assert_array_equal(walk.value, [0, 0])


def test_who_listens_hears_every_look_and_may_end_the_training():
    heard = []

    class Listener:
        task, log = staticmethod(SILENT.task), staticmethod(SILENT.log)

        def measured(self, step, value):
            heard.append((step, value))
            if step == 2:
                raise StopTraining

    with pytest.raises(StopTraining):
        run(Walk([0.0, 0.1, 0.2, 0.3]), Schedule(epochs=3), progress=Listener())
    assert heard == [(0, 0.0), (1, 0.1), (2, 0.2)]


def test_without_validation_all_epochs_are_trained():
    walk = Walk()
    course = run(walk, Schedule(epochs=4, patience=1))
    assert (course.best_epoch, walk.epoch) == (4, 4)
    assert np.isnan(course.best_metric)


def test_looks_only_every_so_many_epochs_and_at_the_end():
    walk = Walk([0.0] * 9)
    run(walk, Schedule(epochs=8, patience=9, validate_every=3))
    assert walk.looks == [0, 3, 6, 8]


@pytest.mark.parametrize("metrics", [None, [0.0, 0.3, 0.2, 0.9, 0.1, 0.2, 0.3, 0.8, 0.7, 0.6]])
@pytest.mark.parametrize("cut", [1, 3, 5, 8])
def test_a_cut_run_ends_as_an_uncut_one(tmp_path, metrics, cut):
    whole = Walk(metrics)
    expected = run(whole, Schedule(epochs=9, patience=9))
    schedule = Schedule(epochs=9, patience=9, checkpoint=tmp_path / "runs" / "walk", checkpoint_every=2)
    with pytest.raises(KeyboardInterrupt):
        run(Walk(metrics, fail_at=cut), schedule)
    continued = Walk(metrics, seed=99)
    if cut == 1:  # nothing was kept yet
        continued = Walk(metrics)
    course = run(continued, schedule)
    np.testing.assert_array_equal(continued.value, whole.value)
    assert course.metrics == expected.metrics
    assert course.best_epoch == expected.best_epoch


def test_a_checkpoint_of_another_training_is_not_continued(tmp_path):
    file = tmp_path / "walk"
    run(Walk(), Schedule(epochs=4, checkpoint=file, checkpoint_every=2, fingerprint="a"))
    walk, said = Walk(), []

    class Listener:
        def task(self, description, total=None):
            from kgrec.progress import SILENT

            return SILENT.task(description, total)

        def log(self, message):
            said.append(message)

        def measured(self, step, value):
            said.append(step)

    run(walk, Schedule(epochs=2, checkpoint=file, checkpoint_every=2, fingerprint="b"), progress=Listener())
    assert walk.epoch == 2
    assert "another training" in said[0]


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_checkpoint_is_a_clear_error(tmp_path, content):
    file = tmp_path / "walk"
    file.write_bytes(content)
    with pytest.raises(CorruptArtifactError, match="no checkpoint") as caught:
        run(Walk(), Schedule(epochs=2, checkpoint=file))
    assert str(file) in caught.value.hint


def test_no_leftovers_beside_the_checkpoint(tmp_path):
    run(Walk(), Schedule(epochs=4, checkpoint=tmp_path / "walk", checkpoint_every=1))
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]
