"""A trained toy workspace, and two local workers that all tests share."""

import warnings
from importlib.util import find_spec

import pytest

from kgrec.config import ClusterConfig
from kgrec.project import open_project
from kgrec.testing.toys import toy_workspace

SETTINGS = [
    "train.search=quick",
    "train.threads=1",
    "linking.compare_meaning=false",
    "text.encoder=hashing",
    "recommend.block_size=1",
    "generate.batch_size=4",
]


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("cluster") / "toy")
    project = open_project(folder, overrides=SETTINGS)
    project.build_graph()
    project.train(only=("popularity", "ease", "item-knn"))
    return folder


@pytest.fixture
def project(workspace):
    return open_project(workspace, overrides=SETTINGS)


@pytest.fixture(scope="session")
def workers():
    if find_spec("ray") is None:
        pytest.skip("the extra ray is not installed")
    from kgrec.cluster.connection import connect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        with connect("local", ClusterConfig(workers=2, memory_gib=0.2)) as found:
            yield found
