"""Draw a list with its reasons, as README shows it: ``python tools/picture.py WORKSPACE USER``."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

import kgrec

OUT = Path(__file__).resolve().parent.parent / "docs" / "assets" / "list.svg"
WIDTH, ROW, HEAD, BAR = 760, 54, 44, 110
STYLE = """
  text { font: 15px system-ui, sans-serif; fill: #1f2328 }
  .head { font: 13px ui-monospace, monospace } .why, .head, .place { fill: #59636e } .why { font-size: 13.5px }
  .title { font-weight: 600 } .frame { fill: #ffffff; stroke: #d1d9e0 } .bar { fill: #0f8577 } .rest { fill: #e6eaee }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .why, .head, .place { fill: #9198a1 } .frame { fill: #0d1117; stroke: #3d444d }
    .bar { fill: #3fb6a8 } .rest { fill: #2a313c }
  }"""


def draw(workspace: str, user: str, n: int = 5) -> str:
    """Return the first ``n`` places of a user's list as SVG: title, score and reason of each."""
    project = kgrec.open(workspace)
    found = project.recommend(user, n=n, explain=True)
    rows = []
    for place, (item, title) in enumerate(zip(found, project.titles(found.item_ids), strict=True)):
        y = HEAD + place * ROW
        share = item.score / found[0].score
        rows.append(f"""
  <text class="place" x="24" y="{y + 24}">{place + 1}</text>
  <text class="title" x="52" y="{y + 24}">{escape(title)}</text>
  <text class="why" x="52" y="{y + 43}">{escape(item.reason)}</text>
  <rect class="rest" x="{WIDTH - BAR - 24}" y="{y + 13}" width="{BAR}" height="8" rx="4"/>
  <rect class="bar" x="{WIDTH - BAR - 24}" y="{y + 13}" width="{BAR * share:.0f}" height="8" rx="4"/>""")
    height = HEAD + n * ROW + 14
    command = escape(f"$ kgrec recommend {user} -n {n} --explain")
    about = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="A list with reasons"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {about}>
  <style>{STYLE}
  </style>
  <rect class="frame" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>
  <text class="head" x="24" y="29">{command}</text>{"".join(rows)}
</svg>
"""


if __name__ == "__main__":
    OUT.write_text(draw(*sys.argv[1:3]), encoding="utf-8")
