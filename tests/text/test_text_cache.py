import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.text import cache
from kgrec.text.cache import EncodingEffort, encode_cached, folder_name, hash_texts
from kgrec.text.encoders.hashing import HashingEncoder


class Counting(HashingEncoder):
    """Remembers what it was asked for; fails at a text named ``stop``."""

    def __init__(self, name="counting", dim=16):
        super().__init__(dim=dim)
        self.name = name
        self.asked = []

    @property
    def fingerprint(self):
        return self.name

    def encode(self, texts):
        if "stop" in texts:
            raise KeyboardInterrupt
        self.asked += texts
        return super().encode(texts)


class Log:
    def __init__(self):
        self.lines = []

    def task(self, description, total=None):
        from kgrec.progress import SILENT

        return SILENT.task(description, total)

    def log(self, message):
        self.lines.append(message)


TEXTS = ["bread", "", "butter", "bread", "  ", "面包"]


def test_only_new_texts_are_encoded(tmp_path):
    encoder = Counting()
    first = encode_cached(TEXTS, encoder, EncodingEffort(tmp_path))
    assert sorted(encoder.asked) == ["bread", "butter", "面包"]
    np.testing.assert_array_equal(first, HashingEncoder(dim=16).encode(TEXTS))
    encoder.asked.clear()
    again = encode_cached([*reversed(TEXTS), "jam"], encoder, EncodingEffort(tmp_path))
    assert encoder.asked == ["jam"]
    np.testing.assert_array_equal(again[:-1], first[::-1])


def test_another_encoder_has_its_own_vectors(tmp_path):
    encode_cached(TEXTS, Counting("one"), EncodingEffort(tmp_path))
    other = Counting("two", dim=8)
    assert encode_cached(TEXTS, other, EncodingEffort(tmp_path)).shape == (6, 8)
    assert len(other.asked) == 3


def test_without_a_cache_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert encode_cached(TEXTS, Counting(), EncodingEffort()).shape == (6, 16)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_encode(tmp_path):
    assert encode_cached([], Counting(), EncodingEffort(tmp_path)).shape == (0, 16)
    assert not encode_cached(["", " "], Counting(), EncodingEffort(tmp_path)).any()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "SHARD_ROWS", 4)
    texts = [f"text {k}" for k in range(10)]
    with pytest.raises(KeyboardInterrupt):
        encode_cached([*(t[:6] for t in texts), "stop"], Counting("a"), EncodingEffort(tmp_path), batch_size=2)
    texts = ["aa", "bb", "cc", "dd", "eee1", "stop", "fff12"]
    with pytest.raises(KeyboardInterrupt):
        encode_cached(texts, Counting(), EncodingEffort(tmp_path), batch_size=2)
    encoder = Counting()
    vectors = encode_cached([t for t in texts if t != "stop"], encoder, EncodingEffort(tmp_path), batch_size=2)
    assert encoder.asked == ["eee1", "fff12"]
    np.testing.assert_array_equal(vectors, HashingEncoder(dim=16).encode([t for t in texts if t != "stop"]))


def test_damaged_shards_are_ignored(tmp_path):
    encode_cached(TEXTS, Counting(), EncodingEffort(tmp_path))
    (shard,) = (tmp_path / "counting").iterdir()
    content = shard.read_bytes()
    for damage in (b"", content[:-10], b"\xff" * 40):
        shard.write_bytes(damage)
        log, encoder = Log(), Counting()
        vectors = encode_cached(TEXTS, encoder, EncodingEffort(tmp_path, log))
        assert len(encoder.asked) == 3
        assert "damaged shard" in log.lines[0]
        np.testing.assert_array_equal(vectors, HashingEncoder(dim=16).encode(TEXTS))


def test_shards_of_another_size_are_ignored(tmp_path):
    encode_cached(TEXTS, Counting(dim=8), EncodingEffort(tmp_path))
    log = Log()
    assert encode_cached(TEXTS, Counting(dim=16), EncodingEffort(tmp_path, log)).shape == (6, 16)
    assert "other shapes" in log.lines[0]


def test_no_leftovers_of_writers(tmp_path):
    encode_cached(TEXTS, Counting(), EncodingEffort(tmp_path))
    encode_cached([*TEXTS, "jam"], Counting(), EncodingEffort(tmp_path))
    names = [file.name for file in (tmp_path / "counting").iterdir()]
    assert len(names) == 2
    assert all(name.endswith(".safetensors") and not name.startswith(".") for name in names)


@given(st.text(max_size=150))
def test_folder_names_are_safe(fingerprint):
    name = folder_name(fingerprint)
    assert name
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name) < 120


def test_fingerprints_do_not_share_a_folder():
    assert len({folder_name(f) for f in ("a/b", "a-b", "a b", "a" * 100, "a" * 101, "", "..")}) == 7


@given(st.lists(st.text(max_size=20), unique=True, max_size=20))
def test_hashes_tell_texts_apart(texts):
    hashes = hash_texts(texts)
    assert hashes.shape == (len(texts), 16)
    assert len({row.tobytes() for row in hashes}) == len(texts)
