"""The folder of a model may come from a stranger: none of its Python is run, no pickle is read, nobody is asked."""

import json

import pytest

from kgrec.errors import KgrecError

RUNS = "import pathlib; pathlib.Path({!r}).write_text('ran')\n"


@pytest.fixture
def hostile(tmp_path):
    """A model of an unknown type that brings its own code."""
    folder, ran = tmp_path / "enc", tmp_path / "ran"
    folder.mkdir()
    names = {"AutoConfig": "code.Config", "AutoModel": "code.Model", "AutoModelForCausalLM": "code.Model"}
    config = {"model_type": "strange", "hidden_size": 8, "auto_map": names, "architectures": ["Model"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "Tok", "auto_map": {"AutoTokenizer": ["code.Tok", None]}})
    )
    (folder / "code.py").write_text(RUNS.format(str(ran)) + "class Config: ...\nclass Model: ...\nclass Tok: ...\n")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    return folder, ran


def answer_yes(monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: "y")


def test_an_encoder_runs_no_code_of_its_folder(hostile, monkeypatch):
    from kgrec.text.encoders.pretrained import TransformerEncoder

    answer_yes(monkeypatch)
    folder, ran = hostile
    with pytest.raises(KgrecError):
        TransformerEncoder(model=str(folder)).encode(["a text"])
    assert not ran.exists()


def test_a_language_model_runs_no_code_of_its_folder(hostile, monkeypatch):
    from kgrec.generate.models.transformer import TransformersModel

    answer_yes(monkeypatch)
    folder, ran = hostile
    with pytest.raises(KgrecError):
        TransformersModel(model=str(folder)).complete(["a prompt"], max_new_tokens=2, seed=1)
    assert not ran.exists()
