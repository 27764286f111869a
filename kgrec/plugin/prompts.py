"""Reads prompts that come with a package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from kgrec.plugin.generation import PromptTemplate


@cache
def read_prompt(package: str, path: str, name: str) -> PromptTemplate | None:
    """Return the prompt in a file of ``package``, or None where there is no such file.

    Lines that begin with ``#!`` are remarks for authors. Placeholders are checked when the prompt is used.

    Args:
        package: ``kgrec_video``.
        path: inside it: ``prompts/blurb.en.txt``.
        name: stands in the record of what was written: ``video/blurb.en``.
    """
    file = files(package).joinpath(*path.split("/"))
    if not file.is_file():
        return None
    lines = file.read_text(encoding="utf-8").splitlines()
    return PromptTemplate(name, "\n".join(line for line in lines if not line.startswith("#!")))


@cache
def prompt_variants(package: str, folder: str, task: str) -> tuple[str, ...]:
    """Return the names of the files ``blurb.en@NAME.txt`` that come with a package, for the task ``blurb.en``.

    Args:
        package: ``kgrec_video``.
        folder: inside it: ``prompts``.
        task: kind of text and language.
    """
    place = files(package).joinpath(*folder.split("/"))
    if not place.is_dir():
        return ()
    names = [file.name for file in place.iterdir()]
    start = f"{task}@"
    return tuple(sorted(n[len(start) : -len(".txt")] for n in names if n.startswith(start) and n.endswith(".txt")))


def default_prompt(task: str) -> PromptTemplate | None:
    """Return kgrec's own prompt for ``blurb.en``, ``repair.zh``..., or None for a language that it has none for."""
    kind, _, language = task.rpartition(".")
    name = kind if kind in ("repair", "personal") else "default"
    return read_prompt("kgrec.generate", f"prompts/{name}.{language}.txt", f"{name}.{language}")
