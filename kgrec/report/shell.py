"""The page around the sections: head, style, table of contents."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from kgrec.artifacts import storage_errors
from kgrec.errors import UserError
from kgrec.report.blocks import joined
from kgrec.report.text import escaped

# Style is all that the page may use: a browser refuses scripts, pictures and requests even if one had slipped in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5a6472;--paper:#fff;--panel:#f5f7fa;--line:#d9dee6;--link:#0a5fa5;
--c0:#0b6bb0;--c1:#c2500c;--c2:#0a7a57;--c3:#9a3f96;--c4:#806600;--c5:#566172}
@media (prefers-color-scheme:dark){:root{--ink:#e7eaf0;--soft:#a3acba;--paper:#14181f;--panel:#1c222c;--line:#363e4b;
--link:#7cc0f7;--c0:#62b5f3;--c1:#ff9a5e;--c2:#4bd1a2;--c3:#e39bdc;--c4:#dcc04f;--c5:#adb7c6}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans",
"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
header,main,footer{max-width:1180px;margin:0 auto;padding:0 16px}
header{padding-top:28px}h1{font-size:1.75rem;line-height:1.2;margin:0 0 6px}h2{font-size:1.3rem;margin:0 0 8px}
h3{font-size:1.05rem;margin:22px 0 6px}a{color:var(--link)}p{margin:8px 0;max-width:75ch}
h1,h2,h3,p,li,dd,summary{overflow-wrap:anywhere}
.lead,.quiet,footer,.caption,figcaption small{color:var(--soft)}.quiet{font-size:.875rem}
nav{margin:14px 0 0;display:flex;flex-wrap:wrap;gap:2px 16px;font-size:.9375rem}nav a{padding:5px 0}
section{margin:30px 0 0;padding-top:18px;border-top:1px solid var(--line)}
footer{padding-top:24px;padding-bottom:32px;font-size:.875rem}
.table{overflow-x:auto;margin:12px 0;max-width:100%}.table:focus-visible{outline:2px solid var(--link)}
table{border-collapse:collapse;font-size:.9375rem;font-variant-numeric:tabular-nums}
.caption{margin:14px 0 0;font-size:.9375rem}.caption+.table{margin-top:2px}
th,td{padding:5px 14px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:2px}td{min-width:3.5em;max-width:36em}.short{white-space:nowrap}.long{min-width:17em}
th{font-weight:600;white-space:nowrap}td.right,th.right{text-align:right;white-space:nowrap}
tr.strong td{font-weight:650}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,150px),1fr));gap:8px 22px;margin:12px 0}
.facts div{border-left:3px solid var(--line);padding-left:10px}.facts dt{color:var(--soft);font-size:.875rem}
.facts dd{margin:0;font-variant-numeric:tabular-nums}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr));gap:14px;
align-items:start;margin:12px 0}
.grid>*{margin:0}details{margin:10px 0}summary{cursor:pointer;padding:4px 0}
pre{overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
pre{background:var(--panel);padding:10px 12px;border-radius:6px;font-size:.8125rem;max-width:100%}
figure{margin:12px 0;padding:12px;background:var(--panel);border-radius:8px;max-width:560px;min-width:0}
figcaption{font-weight:600;margin-bottom:4px;overflow-wrap:anywhere}
figcaption small{font-weight:400;display:block}svg.chart{display:block;width:100%;height:auto}
.chart text{fill:var(--ink);font-size:12.5px}.chart .axis text,.chart text.axis{fill:var(--soft)}
.chart .rule{stroke:var(--line);stroke-width:1}.chart .base{stroke:var(--soft);stroke-width:1}
.chart .line{fill:none;stroke-width:2}.chart .whisker{stroke:var(--ink);stroke-width:1.25;fill:none}
.chart .band{opacity:.16}.chart .tag{paint-order:stroke;stroke:var(--panel);stroke-width:4px;stroke-linejoin:round}
.s0{--c:var(--c0)}.s1{--c:var(--c1)}.s2{--c:var(--c2)}.s3{--c:var(--c3)}.s4{--c:var(--c4)}.s5{--c:var(--c5)}
.chart .mark,.chart .band,.legend svg .mark{fill:var(--c)}.chart .line,.legend svg .line{stroke:var(--c)}
.chart .mark:hover{stroke:var(--ink);stroke-width:1.5}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:6px 0 0;padding:0;font-size:.875rem}
.legend svg{width:30px;height:12px;vertical-align:-1px;margin-right:6px}.legend .line{fill:none;stroke-width:2}
@media print{.table{overflow:visible}section,figure{break-inside:avoid}nav{display:none}}
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page with a title that the table of contents names.

    Attributes:
        title: stands above it; its letters and digits make the anchor.
        blocks: what stands in it, in order; text that is no Markup is escaped.
    """

    title: str
    blocks: Sequence[object] = field(default_factory=tuple)


def page(title: str, sections: Sequence[Section], *, lead: str = "", footer: str = "", language: str = "en") -> str:
    """Return a whole page.

    Args:
        title: of the page and of the browser's tab.
        sections: its parts.
        lead: one sentence under the title.
        footer: small print at the end.
        language: code of the language of the text.
    """
    anchors = _anchors([section.title for section in sections])
    contents = joined(
        (Markup('<a href="#{}">{}</a>').format(a, escaped(s.title)) for a, s in zip(anchors, sections, strict=True)),
        "\n",
    )
    body = joined(
        Markup('<section id="{0}" aria-labelledby="{0}-title"><h2 id="{0}-title">{1}</h2>\n{2}</section>\n').format(
            anchor, escaped(section.title), joined(section.blocks)
        )
        for anchor, section in zip(anchors, sections, strict=True)
    )
    return str(
        Markup(
            '<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">\n'
            '<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">\n'
            "<title>{title}</title>\n<style>{style}</style></head>\n"
            "<body><header><h1>{title}</h1>{lead}{contents}</header>\n"
            "<main>{body}</main>\n<footer>{footer}</footer></body></html>\n"
        ).format(
            language=language,
            policy=Markup(_POLICY),
            title=escaped(title),
            style=Markup(_STYLE),
            lead=Markup('<p class="lead">{}</p>').format(escaped(lead)) if lead else "",
            contents=Markup('\n<nav aria-label="Contents">{}</nav>').format(contents) if len(sections) > 1 else "",
            body=body,
            footer=escaped(footer),
        )
    )


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
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    with storage_errors(file):
        try:
            aside.write_text(html, encoding="utf-8")
            aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)


def _anchors(titles: Sequence[str]) -> list[str]:
    found: list[str] = []
    for place, title in enumerate(titles):
        name = re.sub(r"[^0-9a-z]+", "-", title.lower()).strip("-")
        found.append(name if name and name not in found else f"part-{place + 1}")
    return found
