"""The pages in a real browser: they work by keyboard, fit a phone, ask nobody else, and lists change after a like."""

import re
import shutil
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("playwright")

import uvicorn
from playwright.sync_api import sync_playwright

import kgrec
from kgrec.serve.app import create_app
from kgrec.serve.keys import Keys
from kgrec.serve.pages import PAGES, TOUR
from kgrec.serve.serving import Metrics, Serving
from kgrec.testing import toy_workspace

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LANGUAGES = ("en", "zh", "de")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("browser") / "workspace")
    project = kgrec.open(folder, overrides=["text.encoder=hashing", "generate.record=true"])
    project.build_graph()
    project.train(only=["popularity", "item-knn", "ease", "content"])
    keys = Keys(folder.parent / "keys.toml")
    app = create_app(Serving(project.live, project, keys, Metrics()))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(200):
        if server.started:
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    project.live.log.close()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, address):
    """Open a page of the server; what it complains about, and whom it asks, must be nothing and nobody."""
    contexts, complaints = [], []

    def opened(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith((address, "data:")) or complaints.append(asked.url))
        page.goto(address + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_fits_a_phone_and_a_wide_screen(open_page, lang):
    for width, scheme in ((390, "light"), (1440, "dark")):
        page = open_page(f"/?user=u00&lang={lang}", viewport={"width": width, "height": 900}, color_scheme=scheme)
        links = page.locator("nav a")
        addresses = [links.nth(k).get_attribute("href") for k in range(links.count())]
        assert len(addresses) == len(PAGES)
        backgrounds = set()
        for href in addresses:
            page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + href)
            assert page.locator("html").get_attribute("lang") == lang
            assert page.locator("h1").inner_text().strip()
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (href, width)
            backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(backgrounds) == 1


def test_the_list_and_what_is_known_change_after_a_like(open_page):
    page = open_page("/?user=u03&lang=en")
    titles = page.locator("ol.list").first.locator(".title")
    before = [titles.nth(k).inner_text().split(". ", 1)[1] for k in range(titles.count())]
    assert page.locator("ol.list .why").first.inner_text().strip()
    with page.expect_navigation():
        page.locator("ol.list").first.get_by_role("button", name="Like").first.click()
    after = [titles.nth(k).inner_text().split(". ", 1)[1] for k in range(titles.count())]
    assert before[0] not in after
    assert page.locator(".new").count() >= 1
    page.locator("summary").click()
    assert before[0] in page.locator("details").inner_text()


def test_why_is_found_and_changed_by_keyboard_alone(open_page):
    page = open_page("/?user=u04&lang=en")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href') || ''").startswith("/why?user="):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/why?user=*")
    shown = page.locator(".bar b")
    print(page.url, page.locator("main").inner_text())
    values = [float(shown.nth(k).inner_text()) for k in range(shown.count())]
    assert abs(sum(values[:-1]) - values[-1]) < 0.01 * len(values)  # the bars sum to what stands below
    fewer = page.locator("button[name=weight][value='0']").first
    fewer.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("button[name=which][value='']").count() == 1  # it can be undone


def test_the_tour_goes_through_its_pages_by_its_links(open_page):
    page = open_page("/?lang=en")
    for place, name in enumerate(TOUR, 1):
        with page.expect_navigation():
            page.locator(".tour .button").click()
        told = page.locator(".tour").inner_text()
        assert told.startswith(f"{place}/{len(TOUR)} ")
        assert page.url.split("?")[0].endswith(PAGES[name])
        assert "tour-" not in told
    assert page.locator(".tour .button").count() == 0


def test_less_of_a_kind_makes_the_list_another_and_can_be_undone(open_page, address):
    page = open_page("/why?user=u06&item=i03&lang=en")
    asked = {"user_id": "u06", "n": 8}

    def listed():
        made = page.request.post(f"{address}/v1/recommend", data=asked).json()
        return [item["item_id"] for item in made["items"]]

    before = listed()
    kinds = page.locator("form[action='/page/lean']")
    for _ in range(2):
        with page.expect_navigation():
            kinds.first.get_by_role("button", name="Less of this").click()
    assert "-2" in kinds.first.inner_text()
    assert listed() != before
    slider = page.locator("input[type=range]").first
    slider.fill("7")
    with page.expect_navigation():
        page.locator("form.slider button").first.click()
    assert float(page.locator("input[type=range]").first.input_value()) == pytest.approx(7)
    for _ in range(3):
        with page.expect_navigation():
            page.locator("button[name=which][value='']").click()
    assert listed() == before


def test_a_text_shows_its_facts_and_is_accepted_or_edited(open_page):
    page = open_page("/texts?user=u07&lang=en")
    assert page.locator(".told mark").count() >= 3
    assert page.locator(".told mark").first.get_attribute("title")
    with page.expect_navigation():
        page.get_by_role("button", name="Accept").first.click()
    assert page.locator("[role=status]").inner_text() == "Accepted."
    page.get_by_text("Edit", exact=True).first.click()
    page.locator("textarea").first.fill("A film by Ben Comet.")
    with page.expect_navigation():
        page.get_by_role("button", name="Keep the edited text").first.click()
    assert page.locator("[role=status]").inner_text() == "Your text is kept."


def test_what_people_type_is_shown_as_text(open_page):
    words = "<img src=x onerror=alert(1)>"
    page = open_page("/")
    page.locator("input[name=user]").first.fill(words)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("img").count() == 0
    assert page.locator("input[name=user]").first.input_value() == words


def test_the_script_for_a_shops_page_shows_a_list_and_tells_what_was_seen_and_clicked(open_page, address):
    docs = Path(__file__).parents[2] / "docs" / "serving.md"
    script = re.search(r"```javascript\n(.*?)```", docs.read_text(encoding="utf-8"), re.DOTALL)[1]
    page = open_page("/?lang=en")
    shop = (
        f"<!doctype html><link rel=icon href=data:,><ol id=list></ol><script>{script}showList(list, 'u05', '')</script>"
    )
    page.route("**/shop", lambda route: route.fulfill(content_type="text/html", body=shop))
    page.route("**/item/*", lambda route: route.fulfill(content_type="text/html", body="an item"))
    with page.expect_response("**/v1/impressions") as seen:
        page.goto(f"{address}/shop")
    assert seen.value.status == 200
    entries = page.locator("#list li")
    assert entries.count() == 5
    assert entries.first.locator("small").inner_text()
    entries.first.locator("a").click()
    page.wait_for_url("**/item/*")
    for _ in range(50):  # the browser sends it while it leaves the page
        events = page.request.get(f"{address}/v1/users/u05/profile").json()["events"]
        if events[0]["action"] == "click":
            break
        time.sleep(0.1)
    assert events[0]["action"] == "click"
