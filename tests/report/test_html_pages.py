"""Pages stand alone, stay valid with hostile text, and charts put things where they belong."""

import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.errors import UserError
from kgrec.report import (
    Bar,
    Point,
    Section,
    Series,
    bar_plot,
    details,
    facts,
    grid,
    histogram,
    line_plot,
    listing,
    number,
    page,
    paragraph,
    scatter_plot,
    table,
    write_page,
)

HOSTILE = "</title></style><script>alert('x')</script><img src=http://evil.example/a.png onerror=alert(1)>&\"\x00\ud800"
VOID = {"meta", "link", "br", "img"}


class Checker(HTMLParser):
    """Notes tags, attributes, and whether every tag is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(html):
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def everything(text):
    """Return a page on which ``text`` stands wherever text can stand."""
    nan = float("nan")
    blocks = [
        paragraph(text),
        text,
        table([text, "n"], [[text, 1], [None, nan]], caption=text),
        facts({text: text}),
        listing([text], ordered=True),
        details(text, text),
        grid(
            bar_plot([Bar(text, 1, 0.5, 1.5, kind=text), Bar("b", 2)], title=text, x_label=text, note=text),
            line_plot([Series(text, [1, 2], [1, None]), Series("b", [1], [2])], title=text, x_label=text, y_label=text),
            scatter_plot([Point(text, 1, 1, kind=text), Point("b", 2, 2)], title=text, x_label=text, y_label=text),
            histogram([0, 1, 2], [3, 4], title=text, x_label=text, y_label=text),
        ),
    ]
    return page(text, [Section(text, blocks), Section(text, [])], lead=text, footer=text)


def test_hostile_text_stays_text():
    html = everything(HOSTILE)
    checker = checked(html)
    assert not {"script", "img", "iframe", "object"} & set(checker.tags)
    assert not [name for name, _ in checker.attributes if name.startswith("on")]
    html.encode("utf-8")
    assert "\x00" not in html


@settings(max_examples=6)
@given(st.text(max_size=30))
def test_any_text_leaves_the_page_in_one_piece(text):
    html = everything(text)
    allowed = {*checked(everything("plain")).tags, "nav"}
    assert set(checked(html).tags) <= allowed
    html.encode("utf-8")


def test_a_page_asks_for_nothing_from_elsewhere():
    html = everything("plain")
    assert "http:" not in html
    assert "https:" not in html
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    checker = checked(html)
    assert [value for name, value in checker.attributes if name in ("src", "href") and value[0] != "#"] == ["data:,"]
    assert "default-src 'none'" in html


def test_sections_have_anchors_of_their_own():
    html = page("t", [Section("Same", []), Section("Same", []), Section("数据", []), Section("", [])])
    anchors = re.findall(r'<section id="([^"]*)"', html)
    assert anchors == ["same", "part-2", "part-3", "part-4"]
    assert re.findall(r'href="#([^"]*)"', html) == anchors


def test_numbers_of_a_table_stand_at_the_right():
    html = table(["name", "value", "range"], [["a", 0.5, "1 to 2"], ["b", None, "–"]], right=["range"])
    assert [len(re.findall('class="right"', row)) for row in html.split("<tr")[1:]] == [2, 2, 2]
    assert "0.5000" in html
    assert "–" in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (12345, "12,345"),
        (0.30084, "0.3008"),
        (123.456, "123.5"),
        (12345.6, "12,346"),
        (1e-7, "1.00e-07"),
        (0.0, "0.0000"),
        (float("nan"), "–"),
        (None, "–"),
        (True, "yes"),
        ("as it is", "as it is"),
    ],
)
def test_numbers_are_written_for_people(value, shown):
    assert number(value) == shown


def svg(figure):
    return ElementTree.fromstring(re.search(r'<svg class="chart".*?</svg>', figure, re.S)[0])


def told(drawn):
    """Return what the marks of a chart say when pointed at, with the element that says it."""
    return [(element.find("title").text, element) for element in drawn.iter("g") if element.find("title") is not None]


def length(bar):
    numbers = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", bar.find("path").get("d"))]
    return max(numbers) - min(numbers)


def test_bars_are_as_long_as_their_values():
    bars = told(svg(bar_plot([Bar("a", 1), Bar("b", 2), Bar("c", 4)], title="t")))
    assert [text for text, _ in bars] == ["a: 1", "b: 2", "c: 4"]
    widths = [length(bar) for _, bar in bars]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.3)
    assert widths[2] == pytest.approx(4 * widths[0], abs=0.5)


def test_a_chart_says_in_words_what_it_shows():
    drawn = svg(line_plot([Series("ndcg", [1, 2, 3], [0.1, 0.4, 0.3])], title="Learning curve"))
    assert drawn.find("title").text == "Learning curve"
    assert "highest 0.4000 at 2" in drawn.find("desc").text


def test_a_gap_breaks_the_line():
    drawn = svg(line_plot([Series("a", range(5), [1, 2, None, 2, 1])], title="t"))
    lines = [path.get("d") for path in drawn.iter("path") if "fill: none" in (path.get("style") or "")]
    assert max(line.count("M ") for line in lines) == 2


def test_charts_of_nothing_are_drawn():
    for made in (
        line_plot([], title="t"),
        line_plot([Series("a", [], [])], title="t", log_x=True, log_y=True),
        bar_plot([], title="t"),
        scatter_plot([Point("a", float("nan"), 1)], title="t"),
        histogram([], [], title="t"),
    ):
        svg(made)


@pytest.mark.parametrize("log", [False, True])
@settings(max_examples=5)
@given(st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=1, max_size=8))
def test_charts_of_any_values_are_drawn(log, values):
    xs = [abs(value) + 1e-6 for value in values] if log else values
    drawn = svg(scatter_plot([Point("", x, 1.0) for x in xs], title="t", log_x=log))
    assert len(told(drawn)) == len(xs)
    drawn = svg(bar_plot([Bar("a", x, x, x) for x in xs], title="t", zero=not log, log=log))
    assert len(told(drawn)) == len(xs)


def test_colours_are_those_of_the_page():
    made = everything("plain")
    charts = "".join(re.findall(r"<svg class=\"chart\".*?</svg>", made, re.S))
    assert "var(--c0)" in charts
    assert not re.search(r"(?:fill|stroke): ?#", charts)


def test_ids_of_charts_are_their_own():
    one, other = (bar_plot([Bar("a", value)], title="t") for value in (1, 2))
    ids = [set(re.findall(r'\bid="([^"]+)"', made)) for made in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for made, own in zip((one, other), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", made)) <= own
        assert set(re.findall(r'href="#([^"]+)"', made)) <= own


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    file = tmp_path / "a.html"
    write_page(file, "one")
    with pytest.raises(UnicodeEncodeError):
        write_page(file, "\ud800")
    assert file.read_text(encoding="utf-8") == "one"
    assert [f.name for f in tmp_path.iterdir()] == ["a.html"]
    with pytest.raises(UserError, match="does not exist"):
        write_page(tmp_path / "no" / "a.html", "x")
    with pytest.raises(UserError, match="is a folder"):
        write_page(tmp_path, "x")
    assert math.isfinite(file.stat().st_size)
