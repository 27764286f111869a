from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("KGREC_DATA", ROOT.parent / "shared" / "data"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "ml-100k").is_dir(), reason="ml-100k is not there; set KGREC_DATA to its folder"),
]


@pytest.fixture(scope="module")
def benchmark_module():
    folder = ROOT / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("linking_precision", folder / "linking_precision.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))


def test_links_of_real_plots_are_mostly_right(benchmark_module):
    dataset, vocabulary = benchmark_module.load()
    films = dataset.items.drop_nulls("description").head(300).rows(named=True)
    texts = [f"{benchmark_module.introduce(film)} {film['description']}" for film in films]
    linker = benchmark_module.GazetteerLinker().prepare(vocabulary.gazetteer)
    links = linker.link(texts)
    figures, _ = benchmark_module.judge(texts, films, vocabulary, links, 0.6)
    assert figures["links_to_people"] > 1000
    assert figures["interval"][0] > 0.97
    assert benchmark_module.recall(films, vocabulary, links, 0.6)["recall"] > 0.97
