"""Fixtures of the data tests: a folder of files, and ingest on it."""

import gzip
import os
from pathlib import Path

import pytest

from kgrec.config import Config
from kgrec.data.ingest import ingest
from kgrec.plugin.domain import Attribute, Domain
from kgrec.plugin.manager import load_plugins
from kgrec.plugin.spec import hookimpl

NOW = 1_700_000_000.0
FILMS = Domain(
    name="films",
    summary="films of a test",
    action_weights={"purchase": 3.0},
    attributes={"genres": Attribute("genres", "|", "has_genre", ("kinds",))},
    columns={"interactions": {"user": ("spectator",)}, "items": {"id": ("reel",)}},
)


class Films:
    """A plugin of the domain."""

    @hookimpl
    def kgrec_domains(self):
        return [FILMS]


@pytest.fixture(scope="session")
def plugins():
    return load_plugins([], also=[Films()])


@pytest.fixture
def write(tmp_path):
    """Write files: name -> text, bytes, or a table for parquet; .gz names are compressed."""

    def _write(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            if hasattr(content, "write_parquet"):
                content.write_parquet(path)
                continue
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return tmp_path

    return _write


@pytest.fixture
def build(tmp_path, plugins):
    """Ingest files of tmp_path; takes the [data] table as keywords."""

    def _build(*, domain=FILMS, previous=None, seed=1, **data):
        data["cleaning"] = {"max_loss": 1.0, **data.get("cleaning", {})}  # tests are small, and lose much
        config = Config.model_validate({"data": data, "seed": seed})
        return ingest(config, domain, plugins, tmp_path, previous=previous, now=NOW)

    return _build


@pytest.fixture(scope="session")
def real_data():
    place = Path(os.environ.get("KGREC_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip("real data is not here (set KGREC_DATA)")
    return place
