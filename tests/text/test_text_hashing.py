import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.testing import TextEncoderContract
from kgrec.text.encoders.hashing import HashingEncoder


class TestHashingEncoder(TextEncoderContract):
    languages = ("en", "zh")

    def make(self):
        return HashingEncoder()


def test_the_same_in_every_process():
    script = (
        "from kgrec.text.encoders.hashing import HashingEncoder as H;"
        "print(H(dim=8).encode(['bread 面包']).tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert done.stdout.strip() == HashingEncoder(dim=8).encode(["bread 面包"]).tobytes().hex()


def test_case_width_and_punctuation_do_not_matter():
    vectors = HashingEncoder().encode(["The Matrix", "ＴＨＥ  matrix!"])
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_punctuation_alone_says_nothing():
    assert not HashingEncoder().encode(["？！... --- _"]).any()


def test_seeds_and_order_of_words_matter():
    texts = ["dog bites man", "man bites dog"]
    first, second = HashingEncoder().encode(texts)
    assert 0.5 < first @ second < 0.999
    other = HashingEncoder(seed=1).encode(texts)
    assert abs(first @ other[0]) < 0.3


@pytest.mark.parametrize("options", [{"dim": 0}, {"ngrams": (0,)}, {"word_weight": -1.0}, {"seed": -1}])
def test_unusable_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        HashingEncoder(**options)


@given(st.lists(st.text(max_size=30), max_size=8))
def test_rows_are_unit_or_zero_and_independent(texts):
    encoder = HashingEncoder(dim=64)
    vectors = encoder.encode(texts)
    norms = np.linalg.norm(vectors, axis=1)
    assert np.all((norms == 0) | (np.abs(norms - 1) < 1e-5))
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_array_equal(encoder.encode([text])[0], vector)
