"""kgrec: a knowledge-graph hybrid recommender. Start with :func:`kgrec.open`.

>>> import kgrec
>>> project = kgrec.open("my-workspace")            # doctest: +SKIP
>>> project.build_graph(); project.train()          # doctest: +SKIP
>>> project.recommend("user 42", n=5)               # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgrec.errors import KgrecError
    from kgrec.frames import open  # noqa: A004
    from kgrec.project import Project
    from kgrec.types import ItemList, Profile, Request


__all__ = ["ItemList", "KgrecError", "Profile", "Project", "Request", "open"]

_HOMES = {
    "Project": ("kgrec.project", "Project"),
    "open": ("kgrec.frames", "open"),
    "KgrecError": ("kgrec.errors", "KgrecError"),
    "ItemList": ("kgrec.types", "ItemList"),
    "Profile": ("kgrec.types", "Profile"),
    "Request": ("kgrec.types", "Request"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import kgrec`` stays instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kgrec' has no attribute {name!r}")
    import importlib

    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
