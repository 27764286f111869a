"""Model weights that come inside Python packages: found without importing the package, checked before use."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from kgrec.errors import CorruptArtifactError, MissingExtraError


def package_folder(module: str, feature: str) -> Path:
    """Return the folder of the installed package ``module`` without importing it.

    Raises:
        MissingExtraError: it is not installed; ``feature`` says what needs it.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError.of(feature, "models")
    return Path(spec.submodule_search_locations[0])


def check_sha256(file: Path, prefix: str, distribution: str) -> None:
    """Check that ``file`` holds the weights that kgrec was tested with.

    Args:
        file: the weights.
        prefix: start of their sha256, in hex.
        distribution: name and version of the package that brings them, for the hint.

    Raises:
        CorruptArtifactError: the file is missing or another one.
    """
    hint = f"pip install --force-reinstall '{distribution}'"
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CorruptArtifactError(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    if not found.startswith(prefix):
        raise CorruptArtifactError(f"{file} is not the file that kgrec knows (sha256 {found[:12]})", hint=hint)
