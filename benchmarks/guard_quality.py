"""How well guards tell what may be said from what may not.

    python benchmarks/guard_quality.py [--language en zh de] [--apart] [--round 3] [--strict] [--show 5]
    python benchmarks/guard_quality.py --endpoint 60 [--language en zh de] [--seed 7] [--show 5]
    python benchmarks/guard_quality.py --workspace FOLDER [--language en] [--count 400] [--seed 7] [--show 5]

Without a workspace: natural true texts delivered as written, false sentences caught by kind, harmless twins let pass,
time for 1,000 characters, all on the hand-written prose of ``prose/``. ``--apart`` judges the half that rules were not
written on, otherwise the other half is judged; ``--round`` those written in one round. ``--endpoint`` sends natural
texts of both halves through a server on this machine that speaks OpenAI's protocol, as the answers of a strong model:
how many arrive as they were written.
With a workspace: errors planted in sentences about its catalogue.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prose import KINDS, LANGUAGES, Sentence, false_sentences, natural, request_of, twins
from pydantic import SecretStr

import kgrec
from kgrec.generate.kinds import kinds_of
from kgrec.generate.models.endpoint import EndpointModel
from kgrec.generate.service import GenerateOptions
from kgrec.generate.writer import Writer
from kgrec.plugin.domain import PromptTemplate
from kgrec.plugin.generation import TextRequest
from kgrec.plugin.manager import load_plugins
from kgrec.plugin.protocols import Guard
from kgrec.testing.planted import judge, lines_of, planted
from kgrec.types import Reason


def on_prose(writer: Writer, language: str, *, apart: bool, rounds: Collection[int], strict: bool, show: int) -> None:
    """Print the figures of a language."""

    def chosen(rows: Sequence[Sentence]) -> list[Sentence]:
        return [one for one in rows if one.apart == apart and one.round in rounds]

    def refused(rows: Sequence[Sentence]) -> list[tuple[Sentence, str]]:
        found = [(one, writer.check(request_of(one.subject, language, strict), one.whole)) for one in rows]
        return [(one, "; ".join(v.message for v in objections)) for one, objections in found if objections]

    texts = chosen(natural(language))
    bad = refused(texts)
    print(f"{language}: natural texts delivered as written {len(texts) - len(bad)}/{len(texts)}", end="")
    print(f" = {1 - len(bad) / len(texts):.1%}; 1,000 characters in {1000 * _seconds(writer, language):.1f} ms")
    for one, why in bad[:show]:
        print(f"  refused: {one.text}\n    {why}")
    caught = total = 0
    for kind in KINDS:
        rows, harmless = chosen(false_sentences(kind, language)), twins(kind, language)
        if not rows:
            continue
        found = {one for one, _ in refused(rows)}
        passed, wrong = [one for one in rows if one not in found], refused(harmless)
        caught, total = caught + len(rows) - len(passed), total + len(rows)
        mark = "harmful" if any(one.harmful for one in rows) else ""
        share = f"{len(rows) - len(passed)}/{len(rows)}"
        print(f"  {kind:12} caught {share:>8}  twins passed {len(harmless) - len(wrong)}/{len(harmless)} {mark}")
        for one in passed[:show]:
            print(f"    passed: {one.text}")
        for one, why in wrong[:show]:
            print(f"    twin refused: {one.text} ({why})")
    print(f"  all kinds: {caught}/{total} = {caught / total:.1%}")


def _seconds(writer: Writer, language: str) -> float:
    """Return processor time for 1,000 characters of natural text, the least of several tries."""
    text = " ".join(one.text for one in natural(language) if one.subject == "V2")
    request, times = request_of("V2", language), []
    for k in range(8):
        written = f"{k} {text} {text}"[:1000]
        started = time.process_time()
        writer.check(request, written)
        times.append(time.process_time() - started)
    return min(times)


class _Answering(BaseHTTPRequestHandler):
    """Answers a chat completion with what the server is to say."""

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_POST(self) -> None:
        """Answer as an endpoint does that honours a JSON schema."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = self.server.says  # type: ignore[attr-defined]
        said = json.dumps({"text": text}, ensure_ascii=False) if asked.get("response_format") else text
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        body = json.dumps({"id": "1", "object": "chat.completion", "choices": [message]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def through_endpoint(guards: Sequence[Guard], language: str, count: int, seed: int, show: int) -> None:
    """Print how many natural texts arrive as an endpoint's model wrote them."""
    rows = random.Random(seed).sample(natural(language), count)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/v1"
    model = EndpointModel(model="strong", base_url=address, api_key=SecretStr("none"))
    writer, changed = Writer(guards, model=model), []
    for one in rows:
        server.says = one.text  # type: ignore[attr-defined]
        request = replace(request_of(one.subject, language), prompt=PromptTemplate("benchmark", "{facts}"))
        (text,) = writer.write([request], seed=seed)
        if text.text != one.text or text.changes or text.fallback:
            changed.append((one.text, "; ".join(v.message for v in text.violations)))
    server.shutdown()
    share = 1 - len(changed) / count
    print(f"{language}: delivered as the endpoint wrote it {count - len(changed)}/{count} = {share:.1%}")
    for said, why in changed[:show]:
        print(f"  changed: {said}\n    {why}")


def requests_of(project: kgrec.Project, language: str, n: int) -> list[TextRequest]:
    """Return requests about ``n`` items, each for a user, with the first touched item as the reason."""
    text_service = project.texts
    asked = text_service.resolved(GenerateOptions(language=language, model="recorded"))
    kind = next(iter(kinds_of(project.domain).values()))
    dataset = project.dataset
    step = max(dataset.n_items // n, 1)
    made = []
    text_service.book(language).items(list(range(0, min(dataset.n_items, n * step), step)))
    for k, item in enumerate(range(0, min(dataset.n_items, n * step), step)):
        user = str(dataset.users["user_id"][k % dataset.n_users])
        profile = text_service.profile(user)
        touched = next((i for i in profile.history if i != item), None)
        reasons = ()
        if touched is not None:
            reasons = (Reason("", "similar", (str(dataset.items["item_id"][touched]),)),)
        made.append(text_service.request(kind, [item], asked, user_id=user, reasons=reasons))
    return made


def on_workspace(asked: argparse.Namespace, language: str) -> None:
    """Print recall and precision on errors planted in sentences about a catalogue."""
    project = kgrec.open(asked.workspace)
    requests = requests_of(project, language, asked.items)
    texts = planted(requests, lines_of(project.domain.name, language), asked.count, seed=asked.seed)
    writer = Writer(project.texts.parts.guards())
    print(f"{sum(bool(t.error) for t in texts)} texts with an error, {sum(not t.error for t in texts)} without")
    for name, value in judge(texts, writer.check).items():
        print(f"{name:22} {value:.3f}")
    wrong = [t for t in texts if bool(t.error) != bool(writer.check(t.request, t.text))]
    for row in wrong[: asked.show]:
        print(f"- {row.error or 'no error'}: {row.text}\n  {[v.message for v in writer.check(row.request, row.text)]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace")
    parser.add_argument("--language", nargs="+", default=list(LANGUAGES), choices=LANGUAGES)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--round", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--endpoint", type=int, default=0, metavar="N")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--show", type=int, default=0)
    asked = parser.parse_args()
    writer = Writer([spec.build() for _, spec in load_plugins().registry("guard").items()])
    for language in asked.language:
        if asked.workspace:
            on_workspace(asked, language)
        elif asked.endpoint:
            through_endpoint(writer.guards, language, asked.endpoint, asked.seed, asked.show)
        else:
            on_prose(writer, language, apart=asked.apart, rounds=asked.round, strict=asked.strict, show=asked.show)


if __name__ == "__main__":
    main()
