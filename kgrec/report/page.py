"""The page around the sections: ``templates/page.html``, one file that stands alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kgrec.artifacts import replacing
from kgrec.errors import UserError
from kgrec.languages import DEFAULT
from kgrec.report.blocks import templates


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page with a title that the table of contents names.

    Attributes:
        title: stands above it; its letters and digits make the anchor.
        blocks: what stands in it, in order; text that is no Markup is escaped.
    """

    title: str
    blocks: Sequence[object] = field(default_factory=tuple)


def page(title: str, sections: Sequence[Section], *, lead: str = "", footer: str = "", language: str = DEFAULT) -> str:
    """Return a whole page.

    Args:
        title: of the page and of the browser's tab.
        sections: its parts.
        lead: one sentence under the title.
        footer: small print at the end.
        language: code of the language of the text.
    """
    named = list(zip(_anchors([section.title for section in sections]), sections, strict=True))
    template = templates().get_template("page.html")
    return template.render(title=title, sections=named, lead=lead, footer=footer, language=language)


def write_page(file: Path, html: str) -> None:
    """Write a page; the file is replaced only when it is complete.

    Raises:
        UserError: the folder does not exist, or the name is a folder's.
        StorageError: the disk is full or read-only.
    """
    if not file.parent.is_dir():
        raise UserError(f"the folder {file.parent} does not exist", hint=f"mkdir -p {file.parent}")
    if file.is_dir():
        raise UserError(f"{file} is a folder", hint="name a file in it")
    with replacing(file) as aside:
        aside.write_text(html, encoding="utf-8")


def _anchors(titles: Sequence[str]) -> list[str]:
    found: list[str] = []
    for place, title in enumerate(titles):
        name = re.sub(r"[^0-9a-z]+", "-", title.lower()).strip("-")
        found.append(name if name and name not in found else f"part-{place + 1}")
    return found
