"""A workspace's own plugin: one file, ``kgrec_plugins.py``, run only after the user allowed just this text of it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from kgrec.artifacts import scratch_folder, storage_errors
from kgrec.consent import Consent, ask_on_terminal
from kgrec.errors import PluginError, UserError
from kgrec.plugin.manager import LOCAL, PluginManager

FILE = f"{LOCAL}.py"
LONGEST = 1_000_000
"""Bytes of the file at most."""


def with_own_plugin(manager: PluginManager, root: Path) -> PluginManager:
    """Return the plugins with that of a workspace, where it has one; errors as of :func:`local_plugin`."""
    own = local_plugin(root)
    return manager if own is None else manager.with_plugin(own)


def local_plugin(root: Path) -> ModuleType | None:
    """Return the module of a workspace's own plugin, or None where it has none or ``KGREC_DISABLE`` leaves it out.

    The text that was allowed is the text that runs: it is read once. A workspace that was handed over, moved, or whose
    file was changed has to be allowed anew.

    Args:
        root: the workspace's folder.

    Raises:
        ConsentError: nobody allowed it, and nobody could be asked.
        PluginError: it cannot be read or run.
    """
    text = source(root)
    if text is None or LOCAL in (name.strip() for name in os.environ.get("KGREC_DISABLE", "").split(",")):
        return None
    home, digest = root.resolve(), hashlib.sha256(text).hexdigest()
    Consent.load(ask_on_terminal).code(home, digest)
    name = f"{LOCAL}_{hashlib.sha256(str(home).encode()).hexdigest()[:8]}_{digest[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    loader = _Kept(text, str(home / FILE))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # Specs name their classes by it
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        hint = f"fix it, or set KGREC_DISABLE={LOCAL}"
        raise PluginError(f"{home / FILE} cannot be run: {type(error).__name__}: {error}", hint=hint) from error
    return module


class _Kept(SourceLoader):
    """Runs a text that was read already: what was allowed, and nothing of a cache."""

    def __init__(self, text: bytes, place: str) -> None:
        self._text, self._place = text, place

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        return self._place

    def get_data(self, path: str) -> bytes:  # noqa: ARG002  # type: ignore[override]
        return self._text


def start(root: Path, kinds: Sequence[str], name: str) -> Path:
    """Write a workspace's own plugin and keep that it may run; returns its file.

    The text is allowed before it is there: killed between the two, no command stops at code that nobody allowed.

    Raises:
        UserError: there is one, or see :func:`kgrec.plugin.scaffolding.new_plugin`.
    """
    from kgrec.plugin.scaffolding import new_plugin

    file = root / FILE
    if file.is_symlink() or file.exists():
        raise UserError(f"{file} is there already", hint="move it away, or add to it")
    with storage_errors(file), scratch_folder(root, "plugin") as folder:
        (made,) = new_plugin(kinds, name, folder, local=True)
        _allow(root, made.read_bytes())
        made.replace(file)
    return file


def allow(root: Path) -> str:
    """Keep that the workspace's own plugin may run as it stands, and return its digest.

    Raises:
        PluginError: there is none.
    """
    text = source(root)
    if text is None:
        raise PluginError(f"{root} has no {FILE}", hint="kgrec plugins new KIND NAME --local starts one")
    return _allow(root, text)


def _allow(root: Path, text: bytes) -> str:
    digest = hashlib.sha256(text).hexdigest()
    Consent.load().allow(code=[(str(root.resolve()), digest)])
    return digest


def source(root: Path) -> bytes | None:
    """Return the text of the file, or None where there is none.

    Raises:
        PluginError: it is no plain file of this folder, or too long.
    """
    file = root / FILE
    if not file.is_symlink() and not file.exists():
        return None
    if file.is_symlink() or not file.is_file() or file.stat().st_size > LONGEST:
        raise PluginError(
            f"{file} is no plain file of at most {LONGEST:,} bytes", hint=f"remove it, or set KGREC_DISABLE={LOCAL}"
        )
    return file.read_bytes()
