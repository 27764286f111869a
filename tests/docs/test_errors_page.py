"""The page of errors shows sentences that kgrec says."""

import ast
import re

from tests.docs.running import ROOT


def sentences():
    """Return every string of the code, with … where a value stands."""
    found = set()
    for path in (ROOT / "kgrec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.add("".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values))
    return found


def test_the_page_shows_what_kgrec_says():
    shown = re.findall(r"^### `(.+)`$", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(shown) > 20
    said = sentences()
    assert not [sentence for sentence in shown if sentence not in said]
