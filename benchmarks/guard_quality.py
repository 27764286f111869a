"""How well guards tell texts with planted errors from texts without: recall and precision.

    python benchmarks/guard_quality.py WORKSPACE [--language en] [--count 400] [--seed 7] [--show 5]

The workspace needs a built graph; nothing is trained. Facts are of the catalogue's items, each for another user.
"""

from __future__ import annotations

import argparse

import kgrec
from kgrec.generate.kinds import kinds_of
from kgrec.generate.service import GenerateOptions
from kgrec.generate.writer import Writer
from kgrec.plugin.generation import TextRequest
from kgrec.testing.planted import judge, lines_of, planted
from kgrec.types import Reason


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace")
    parser.add_argument("--language", default="en", choices=("en", "zh"))
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--show", type=int, default=0)
    asked = parser.parse_args()
    project = kgrec.open(asked.workspace)
    requests = requests_of(project, asked.language, asked.items)
    texts = planted(requests, lines_of(project.domain.name, asked.language), asked.count, seed=asked.seed)
    writer = Writer(project.texts.guards())
    print(f"{sum(bool(t.error) for t in texts)} texts with an error, {sum(not t.error for t in texts)} without")
    for name, value in judge(texts, writer.check).items():
        print(f"{name:22} {value:.3f}")
    wrong = [t for t in texts if bool(t.error) != bool(writer.check(t.request, t.text))]
    for row in wrong[: asked.show]:
        print(f"- {row.error or 'no error'}: {row.text}\n  {[v.message for v in writer.check(row.request, row.text)]}")


if __name__ == "__main__":
    main()
