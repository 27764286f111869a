"""The documentation as a site: built strictly, no link leads nowhere, and a reader's browser asks nobody else."""

import importlib.util
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for name in ("mkdocs", "material", "latex2mathml"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install 'kgrec[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    around = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class Page(HTMLParser):
    """What a page loads, where it leads, and the anchors that it has."""

    def __init__(self, path):
        super().__init__()
        self.loads, self.leads, self.anchors, self.tags = set(), set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.tags.add(tag)
        self.anchors |= {about.get("id"), about.get("name")} - {None}
        if tag in ("script", "img", "iframe") and "src" in about:
            self.loads.add(about["src"])
        if tag == "link" and about.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loads.add(about["href"])
        if tag == "a" and "href" in about:
            self.leads.add(about["href"])


def test_no_link_leads_nowhere_and_nothing_comes_from_elsewhere(site):
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 20
    for path, page in pages.items():
        for target in page.loads | page.leads:
            if target.startswith(("https://", "http://", "mailto:")):
                assert target not in page.loads, f"{path.name} loads {target}"
                continue
            file, anchor = urldefrag(unquote(target))
            found = (path.parent / file).resolve() if file else path
            assert found.exists(), f"{path.name} leads to {target}"
            if anchor and found in pages:
                assert anchor in pages[found].anchors | {"__comments"}, f"{path.name} leads to {target}"


def test_search_needs_no_server(site):
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert "kgrec build-graph" in index
    assert "iframe-worker" in (site / "index.html").read_text(encoding="utf-8")
