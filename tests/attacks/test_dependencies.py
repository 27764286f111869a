"""What kgrec depends on: no copyleft, and every package kept by one person with its hash and what takes its place."""

import importlib.util
import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("audit", ROOT / "tools" / "audit.py")
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)


def test_nothing_installed_is_copyleft():
    assert list(audit.wrong_licences((d.metadata["Name"], audit.licence_of(d.metadata)) for d in distributions())) == []


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-3.0-or-later",
        "GNU General Public License v3",
        "AGPL-3.0",
        "LGPLv2+",
        "EUPL-1.2",
        "",
        "Proprietary",
        "CC-BY-SA-4.0",
    ],
)
def test_what_cannot_be_shipped_is_named(licence):
    (told,) = audit.wrong_licences([("some-package", licence)])
    assert told.startswith("some-package: ")


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0", "BSD-3-Clause", "GPL-2.0 OR MIT", "MPL-2.0"])
def test_what_can_be_shipped_is_not(licence):
    assert list(audit.wrong_licences([("some-package", licence)])) == []


def test_pinned_packages_have_hash_and_fallback():
    pinned = tomllib.loads(audit.PINNED.read_text(encoding="utf-8"))
    stated = (ROOT / "pyproject.toml").read_text(encoding="utf-8") + (ROOT / "constraints.txt").read_text(
        encoding="utf-8"
    )
    stated += (ROOT / "Makefile").read_text(encoding="utf-8")
    for name, known in pinned.items():
        assert f"{name}=={known['version']}" in stated
        assert re.fullmatch("[0-9a-f]{64}", known["sha256"])
        assert known["fallback"]
    exact = re.findall(r'"([\w-]+)==[\d.]+"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(exact) <= set(pinned), "a package that is pinned to one version belongs into tools/pinned_packages.toml"
