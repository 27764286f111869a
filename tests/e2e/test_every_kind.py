"""Every kind of text of every domain, in every language, by template and by an endpoint, as a user types it."""

import importlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.generate.kinds import kinds_of
from kgrec.generate.writer import Writer
from kgrec.languages import languages
from kgrec.languages.language import get_language
from kgrec.plugin.manager import load_plugins

MANAGER = load_plugins()
DOMAINS = ("video", "news", "ecommerce")
CASES = [(name, kind) for name in DOMAINS for kind in kinds_of(MANAGER.domain(name)).values()]
LIGHT = ["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
IDS = [f"{name}-{kind.name}" for name, kind in CASES]


class _Chinese(BaseHTTPRequestHandler):
    """An endpoint that writes a Chinese sentence around the titles of the last facts it is shown."""

    def log_message(self, *_):
        """Stay silent."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        titles = re.findall(r"标题: <<<(.*?)>>>", prompt)
        text = "为您推荐" + "，".join(f"《{title}》" for title in titles) + "。"
        answer = json.dumps({"text": text}, ensure_ascii=False) if "response_format" in body else text
        message = {"role": "assistant", "content": answer}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        data = json.dumps({"id": "x", "object": "chat.completion", "choices": choices}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Chinese)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = {}

    def of(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            importlib.import_module(f"kgrec_{name}.sample").write(folder, 0)
            with (folder / "kgrec.toml").open("a", encoding="utf-8") as stream:
                files = ("films.csv", "news.jsonl", "products.csv")
                stream.write("\n[generate.approved]\n" + "".join(f'"{file}" = "City Clinic"\n' for file in files))
            project = kgrec.open(folder, overrides=LIGHT)
            project.build_graph()
            project.train(only=["item-knn"])
            made[name] = folder
        return made[name]

    return of


def generated(folder, kind, capfd, *options):
    project = kgrec.open(folder)
    whom = [str(project.dataset.users["user_id"][0])] if kind.personal else ["--item", str(project.ranker.item_ids[0])]
    capfd.readouterr()
    code = main(["generate", *whom, "--kind", kind.name, "-w", str(folder), "-q", "--format", "json", *options])
    said = capfd.readouterr()
    assert code == 0, said.err
    (record,) = json.loads(said.out)
    return record


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("name", "kind"), CASES, ids=IDS)
def test_by_template_from_the_command_line_and_from_python(name, kind, language, workspace, capfd):
    folder = workspace(name)
    record = generated(folder, kind, capfd, "--lang", language)
    assert (record["kind"], record["lang"], record["model"], record["fallback"]) == (
        kind.name,
        language,
        "template",
        False,
    )
    han = re.findall("[\u4e00-\u9fff]", record["text"])
    project = kgrec.open(folder)
    if kind.approved:  # a sentence of the source, so only where that is in the language
        own = project.dataset.language == language
        assert ("City Clinic" in record["text"]) == own
        told = [fact["value"] for fact in record["facts"] if fact["type"] == "text"]
        said = [one for value in told for one in re.split(r"(?<=[.。])\s*", value) if len(one) > 5]
        assert not own or any(one in record["text"] for one in said)
        return
    assert record["text"].strip()
    user, items = record["user_id"], record["item_ids"]
    (text,) = project.generate(user, item=items, kind=kind.name, language=language)
    assert text.text == record["text"]
    request_facts = {fact["value"] for fact in record["facts"] if fact["type"] == "title"}
    assert not kind.requires or "…" in record["text"] or any(title in record["text"] for title in request_facts)
    if language == "zh" and kind.name != "headline":  # a headline may be the title alone
        assert han


@pytest.mark.parametrize("name", DOMAINS)
def test_reasons_from_the_command_line_are_in_the_language_asked_for(name, workspace, capfd):
    folder = workspace(name)
    user = str(kgrec.open(folder).dataset.users["user_id"][0])
    begun = {"de": "Sie haben „", "en": "You ", "zh": "您"}
    for language in languages():
        capfd.readouterr()
        wanted = ["--explain", "--set", f"recommend.language={language}", "--format", "json"]
        assert main(["recommend", user, "-w", str(folder), "-q", *wanted]) == 0
        reasons = [row["reason"] for row in json.loads(capfd.readouterr().out)]
        assert reasons
        others = [get_language(language).reasons[name].split("{")[0] for name in ("popular", "new", "unknown")]
        assert all(reason.startswith((begun[language], *others)) for reason in reasons), reasons


@pytest.mark.parametrize(("name", "kind"), CASES, ids=IDS)
def test_chinese_by_an_endpoint(name, kind, workspace, endpoint, capfd, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key")
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint)
    if kind.approved:
        assert generated(workspace(name), kind, capfd, "--model", "openai:tiny")["model"] == "template"
        return
    options = ["--lang", "zh", "--model", "openai:tiny"]
    record = generated(workspace(name), kind, capfd, *options)
    assert record["text"].startswith("为您推荐《"), record
    assert (record["lang"], record["model"], record["fallback"]) == ("zh", "tiny", False)
    assert "sk-not" not in json.dumps(record)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("name", "kind"), CASES, ids=IDS)
def test_for_several_readers_every_guard_lets_the_template_pass(name, kind, language, workspace):
    if not kind.personal:
        pytest.skip("it has no readers")
    from kgrec.generate.service import GenerateOptions

    project = kgrec.open(workspace(name))
    text_service = project.texts
    writer = Writer(text_service.parts.guards())
    asked = text_service.resolved(GenerateOptions(kind.name, language, model="recorded", variant="main"))
    for user in project.dataset.users["user_id"][:6].to_list():
        found = project.recommend(user, kind.max_items)
        items = [int(p) for p in project.dataset.item_positions(list(found.item_ids))]
        request = text_service.request(kind, items, asked, user_id=user, reasons=text_service.reasons(found, language))
        (text,) = writer.template.write([request], model=None, seed=3)
        if "…" in text:
            continue  # a name that a channel has no room for is no name that guards know
        quoted = [fact.value for fact in request.facts if fact.type == "text"]
        found = [one for one in writer.check(request, text) if one.guard != "copying"]
        # Sentences of the item's own description are quoted by plan, with what they deny.
        assert [one for one in found if not any(one.text and one.text in value for value in quoted)] == [], text
