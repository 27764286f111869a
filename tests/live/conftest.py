"""A trained toy workspace that is served."""

import shutil

import pytest

import kgrec
from kgrec.testing import toy_workspace

HASHING = ["text.encoder=hashing"]
SCORERS = ["popularity", "item-knn", "ease", "content"]

SETTINGS = """
[placements.drawn]
n = 4
explore = 0.5

[placements.pinned]
n = 3
pin = ["{first}", "no such item"]
boost = [{{ where = ["genre=\\"{genre}\\""], by = 5.0 }}]

[experiments.trial]
placement = "default"
variants = {{ usual = "default", other = "pinned" }}
share = 0.8
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("live") / "workspace")
    project = kgrec.open(folder, overrides=HASHING)
    project.build_graph()
    project.train(only=SCORERS)
    items = project.dataset.items
    lists = [name for name, info in project.dataset.item_attributes.items() if info.multi]
    genre = items[lists[0]].explode().drop_nulls()[0]
    text = SETTINGS.format(first=items["item_id"][0], genre=genre).replace("genre=", f"{lists[0]}=")
    with (folder / "kgrec.toml").open("a") as file:
        file.write(text)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "workspace")


@pytest.fixture
def project(folder):
    found = kgrec.open(folder, overrides=HASHING)
    yield found
    found.live.log.close()


@pytest.fixture
def live(project):
    return project.live
