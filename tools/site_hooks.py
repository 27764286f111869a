"""What `make docs` adds to MkDocs: pages from outside docs/, links to files of the repository, formulas as MathML."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {
    "benchmarks/README.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""File of the repository -> page of the site."""

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
CODE = re.compile(r"(^ *(?:```|~~~).*?^ *(?:```|~~~) *$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<![\w$])\$(?=\S)([^$\n]+)(?<=\S)\$(?!\w)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Have blocks marked ``math`` written as MathML, without a script, and ``folder/*.md`` of the navigation filled."""
    config.nav = _filled(config.nav)
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [
        {"name": "math", "class": "math", "format": formula}
    ]
    return config


def _filled(nav: Any) -> Any:
    if isinstance(nav, str) and nav.endswith("*.md"):
        return sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob(nav))
    if isinstance(nav, dict):
        return {name: _filled(below) for name, below in nav.items()}
    return [_filled(below) for below in nav] if isinstance(nav, list) else nav


def formula(source: str, *_: Any, **__: Any) -> str:
    """Return a formula of LaTeX, one a line, as MathML."""
    lines = source.replace("\\\\\n", "\n").splitlines()
    return "".join(f'<p class="formula">{convert(line, display="block")}</p>' for line in lines if line.strip())


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for source, target in OUTSIDE.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links at pages where the site has one (other files are named only), and write ``$formulas$`` as MathML."""
    home = {site: source for source, site in OUTSIDE.items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pieces = CODE.split(markdown)
    for i in range(0, len(pieces), 2):
        prose = LINK.sub(_pointed(home, page.file.src_uri), pieces[i])
        pieces[i] = INLINE.sub(lambda found: f"<span>{convert(found[1])}</span>", prose)
    return "".join(pieces)


def _pointed(home: str, page: str) -> Callable[[re.Match[str]], str]:
    def link(found: re.Match[str]) -> str:
        target = found["target"]
        if re.match(r"[a-z]+:", target):
            return found[0]
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
        if wanted in OUTSIDE or wanted.startswith("docs/"):
            site = OUTSIDE.get(wanted, wanted.removeprefix("docs/"))
            return f"[{found['text']}]({posixpath.relpath(site, posixpath.dirname(page))}{found['anchor'] or ''})"
        return found["text"] if (ROOT / wanted).exists() else found[0]

    return link
