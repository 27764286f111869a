import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kgrec.artifacts import load_arrays, save_arrays
from kgrec.errors import CorruptArtifactError
from kgrec.packing import pack, unpack

SHAPES = [(5000,), (70, 71), (3, 40, 50)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("precision", "steps", "bytes_each"), [("float16", 2048, 2.01), ("int8", 127, 1.08)])
def test_weights_keep_their_shape_and_most_of_their_digits(shape, precision, steps, bytes_each):
    rng = np.random.default_rng(3)
    weights = (rng.standard_normal(shape) * rng.lognormal(size=shape)).astype(np.float32)
    packed = pack("w", weights, precision)
    assert sum(array.nbytes for array in packed.values()) < bytes_each * weights.size
    found = unpack(packed)["w"]
    assert found.dtype == np.float32
    assert found.shape == shape
    assert np.abs(found - weights).max() <= np.abs(weights).max() / steps


def test_positions_lose_nothing():
    for values in (np.arange(5000), np.array([2**31, 0] * 3000), np.array([-(2**31)] * 5000)):
        packed = pack("p", values, "int8")
        assert np.array_equal(unpack(packed)["p"], values)
        assert unpack(packed)["p"].dtype == np.int64
    assert next(iter(pack("p", np.arange(5000), "float32").values())).dtype == np.int32


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_what_has_no_shorter_form_stays(bad):
    weights = np.full(5000, bad, dtype=np.float32)
    assert list(pack("w", weights, "int8")) == ["w"]
    assert np.array_equal(unpack(pack("w", weights, "float16"))["w"], weights, equal_nan=True)


@given(
    st.sampled_from(["float32", "float16", "int8"]),
    st.dictionaries(
        st.text("a~b.scale", min_size=1, max_size=6),
        arrays.arrays(
            np.float32, st.tuples(st.integers(0, 90), st.integers(1, 90)), elements=st.floats(-9, 9, width=16)
        ),
        max_size=3,
    ),
)
def test_names_of_any_kind_come_back(precision, given_arrays):
    packed = {key: part for name, array in given_arrays.items() for key, part in pack(name, array, precision).items()}
    found = unpack(packed)
    assert set(found) == set(given_arrays)
    for name, array in given_arrays.items():
        assert np.abs(found[name] - array).max(initial=0) <= np.abs(array).max(initial=0) / 127


def test_a_packed_file_that_lacks_a_part_is_damaged(tmp_path):
    packed = pack("w", np.ones(5000, dtype=np.float32), "int8")
    for missing in ("w~scales", "w~shape"):
        save_arrays(tmp_path / "a.safetensors", {key: part for key, part in packed.items() if key != missing})
        with pytest.raises(CorruptArtifactError):
            load_arrays(tmp_path / "a.safetensors")
