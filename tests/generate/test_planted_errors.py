"""Guards against 400 texts with planted errors, and 400 without, about the items of the bundled samples."""

import importlib
from pathlib import Path

import pytest

import kgrec
from kgrec.generate.kinds import kinds_of
from kgrec.generate.service import GenerateOptions
from kgrec.generate.writer import Writer
from kgrec.testing.planted import ERRORS, judge, lines_of, planted
from kgrec.types import Reason


@pytest.fixture(scope="module", params=[("video", "en"), ("ecommerce", "zh")], ids=lambda p: "-".join(p))
def material(request, tmp_path_factory):
    domain, language = request.param
    folder = Path(tmp_path_factory.mktemp(domain))
    importlib.import_module(f"kgrec_{domain}.sample").write(folder, 0)
    project = kgrec.open(folder, overrides=["linking.compare_meaning=false", "graph.store=false"])
    project.build_graph()
    text_service = project.texts
    kind = next(iter(kinds_of(project.domain).values()))
    requests = []
    for item in range(0, project.dataset.n_items, 2):
        user = str(project.dataset.users["user_id"][item % project.dataset.n_users])
        touched = next(iter(text_service.profile(user).history))
        reasons = (Reason("", "similar", (str(project.dataset.items["item_id"][touched]),)),)
        asked = text_service.resolved(GenerateOptions(language=language, model="recorded"))
        requests.append(text_service.request(kind, [item], asked, user_id=user, reasons=reasons))
    return requests, lines_of(domain, language), Writer(text_service.parts.guards())


def test_recall_and_precision(material):
    requests, lines, writer = material
    texts = planted(requests, lines, 200, seed=11)
    assert sum(bool(text.error) for text in texts) == 200
    # What the story says of somebody can be put on a name only where there are stories, in English.
    assert {text.error for text in texts} | {"role"} == {*ERRORS, ""}
    found = judge(texts, writer.check)
    assert found["recall"] >= 0.95, found
    assert found["precision"] >= 0.90, found


def test_planting_is_seeded(material):
    requests, lines, _ = material
    assert planted(requests, lines, 20, seed=3) == planted(requests, lines, 20, seed=3)
