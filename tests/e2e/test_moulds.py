"""A linter of what the template writes: varied, about the item, personal, in one language; by domain and language."""

import importlib
import re
from itertools import pairwise

import pytest

import kgrec
from kgrec.generate.gist import gist
from kgrec.generate.kinds import kinds_of
from kgrec.languages import languages
from kgrec.languages.language import get_language, pieces
from kgrec.plugin.manager import load_plugins

LIGHT = ["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
DOMAINS = ("video", "news", "ecommerce")
OPENING = {True: 24, False: 12}
"""Characters that are an opening, in languages with spaces and without."""
DATABASE = re.compile(
    r"comes up in \d|of your history|Ihres Verlaufs|您的记录中|is from the category|None|null|\bNaN\b|_",
)


@pytest.fixture(scope="module", params=DOMAINS)
def project(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    importlib.import_module(f"kgrec_{request.param}.sample").write(folder, 0)
    project = kgrec.open(folder, overrides=LIGHT)
    project.build_graph()
    project.train(only=["item-knn"])
    return project


def written(project, kind, language):
    """Return about a hundred texts of a kind with what they were made of."""
    if not kind.personal:
        ids = [str(item) for item in project.dataset.items["item_id"][:100]]
        return [text for item in ids for text in project.generate(None, item=item, kind=kind.name, language=language)]
    users = project.dataset.users["user_id"][:34].to_list()
    return [text for user in users for text in project.generate(user, n=3, kind=kind.name, language=language)]


def opening(text, language):
    return text[: OPENING[get_language(language).spaced]]


@pytest.mark.parametrize("language", languages())
def test_texts_read_as_a_person_would_write_them(project, language):
    domain = load_plugins().domain(project.config.domain)
    own = project.dataset.language == language
    for kind in list(kinds_of(domain).values())[:4]:
        texts = written(project, kind, language)
        said = [text.text for text in texts]
        assert all(said), kind.name
        assert not [text for text in said if DATABASE.search(text)], kind.name
        assert not [text for text in said if re.search(r"\b(\w{3,}) \1\b|([。，.,])\2(?!\2)", text)], kind.name
        assert not kind.characters or max(map(len, said)) <= kind.characters
        if kind.max_items > 1:
            continue
        distinct = len({opening(text, language) for text in said}) * 100 / len(said)
        assert distinct >= (40 if own else 25), (kind.name, distinct)  # less is known in another language
        by_user = {}
        for text in texts:
            by_user.setdefault(text.user_id or text.item_ids, []).append(opening(text.text, language))
        pairs = [a != b for one in by_user.values() for a, b in pairwise(one)]
        assert not own or sum(pairs) >= 0.7 * len(pairs), (kind.name, sum(pairs), len(pairs))
        names = {fact.value for text in texts for fact in text.facts}
        if kind.personal:
            personal = [
                t for t in texts if any(f.type in ("history", "interest") and f.value in t.text for f in t.facts)
            ]
            assert len(personal) >= 0.95 * len([t for t in texts if any(f.type == "history" for f in t.facts)])
        if not own:
            assert names
            continue
        told = [text for text in texts if tells(text)]
        due = [text for text in texts if any(gist(f.value, language) for f in text.facts if f.type == "text")]
        if "what" in " ".join(kind.plan) or "about" in " ".join(kind.plan):
            assert len(told) >= 0.8 * len(due), (kind.name, len(told), len(due))


def tells(text):
    """Say whether a text tells a clause of the item's description."""
    words = [fact.value for fact in text.facts if fact.type == "text"]
    runs = ["".join(pieces(value.lower())[k : k + 4]) for value in words for k in range(len(pieces(value)) - 3)]
    flat = "".join(pieces(text.text.lower()))
    return any(run in flat for run in runs)
