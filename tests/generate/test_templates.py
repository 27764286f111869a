"""The template generator: whatever the facts are, its texts pass every guard."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgrec.errors import PluginError
from kgrec.generate.kinds import GENERIC, cues_of, kinds_of
from kgrec.generate.template import FREE, PERSONAL, TOLD, TemplateGenerator, kind_phrases, load_phrases, parse_phrases
from kgrec.generate.writer import Writer
from kgrec.languages import languages
from kgrec.languages.language import get_language
from kgrec.plugin.domain import Domain
from kgrec.plugin.generation import Fact, TextRequest
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_request
from kgrec.text.tokens import sentences

MANAGER = load_plugins()
# Sentences of a description are quoted by plan, not copied by mistake.
GUARDS = [spec.build() for name, spec in MANAGER.registry("guard").items() if name != "copying"]
DOMAINS = [MANAGER.domain(name) for name in MANAGER.registry("domain")]
CASES = [(domain, language) for domain in DOMAINS for language in languages()]

_WORDS = ["Orla", "Venn", "Tarsk", "Ibru", "Quell", "Maro", "Sundt", "Pelia"]
LATIN = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=3, unique=True)
DESCRIPTIONS = {
    "en": "A keeper of the light finds a box.",
    "zh": "一位守灯人找到了一个盒子。",
    "de": "Ein Hüter des Lichts findet eine Kiste.",
}
WATCHED = {"en": "watched", "zh": "看过", "de": "gesehen"}
CHINESE = st.lists(st.sampled_from(list("澜舟栖拓岩霁溪鹿鸣墨")), min_size=2, max_size=4, unique=True)
NAMES = LATIN.map(" ".join) | CHINESE.map("".join)
TITLES = NAMES | st.sampled_from(
    [
        "What Now?",
        "Never Say Never Again...",
        "Not a Film",
        "12 Monkeys",
        "非诚勿扰",
        "Kill Bill",
        "E.T.",
        "a",
        "1984",
        "No",
    ]
)


@st.composite
def facts(draw, domain, language):
    """Draw facts of one or more items, and personal ones."""
    drawn = []
    for subject in ("i1", "i2")[: draw(st.integers(1, 2))]:
        drawn.append(Fact("", "title", "title", draw(TITLES), subject=subject))
        for relation in domain.relation_types:
            label = relation.label_in(language)
            values = draw(st.lists(NAMES, max_size=3, unique=True)) if draw(st.booleans()) else []
            drawn += [Fact("", "entity", relation.name, value, label, subject=subject) for value in values]
        if draw(st.booleans()):
            drawn.append(Fact("", "number", "year", str(draw(st.integers(1930, 2030))), subject=subject))
        if draw(st.booleans()):
            minutes = draw(st.integers(1, 400))
            unit = get_language(language).units["minute"][0]
            drawn.append(Fact("", "number", "minutes", str(minutes), "", unit, float(minutes), subject=subject))
        if draw(st.booleans()):
            price = draw(st.integers(1, 99999)) / 100
            drawn.append(Fact("", "number", "price", f"{price:.10g}", number=price, subject=subject))
        if draw(st.booleans()):
            drawn.append(Fact("", "text", "description", DESCRIPTIONS[language], subject=subject))
    if draw(st.booleans()):
        drawn.append(Fact("", "history", "history", draw(TITLES), WATCHED[language]))
        shared = [r for r in domain.relation_types if r.reason_in(language)]
        if shared and draw(st.booleans()):
            relation = draw(st.sampled_from(shared))
            worded = relation.reason_in(language).format(entity=draw(NAMES))
            drawn.append(Fact("", "reason", "because", worded))
    if draw(st.booleans()):
        count = draw(st.integers(2, 60))
        drawn.append(Fact("", "interest", "interest", draw(NAMES), number=float(count)))
        examples = draw(st.lists(TITLES, max_size=2, unique=True))
        drawn += [Fact("", "history", "examples", title, WATCHED[language]) for title in examples]
    return tuple(replace(fact, id=f"f{k}", number=_number(fact)) for k, fact in enumerate(drawn))


def variants(kind, language):
    """Return the names of the files of phrases of a kind in a language."""
    return [name.partition("@")[2] or "main" for name in kind.phrases if name.partition("@")[0] == language]


def _number(fact):
    return float(fact.value) if fact.name == "year" else fact.number


@pytest.mark.parametrize(("domain", "language"), CASES, ids=lambda value: getattr(value, "name", value))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_the_template_writes_passes_every_guard(domain, language, data):
    kind = data.draw(st.sampled_from(sorted(kinds_of(domain).values(), key=lambda kind: kind.name)))
    held = data.draw(facts(domain, language))
    tone = data.draw(st.sampled_from(["neutral", "warm", "playful", "formal"]))
    ids = tuple(dict.fromkeys(fact.subject for fact in held if fact.subject))[: kind.max_items]
    held = tuple(fact for fact in held if fact.subject in (*ids, ""))
    request = TextRequest(
        kind,
        held,
        language,
        tone,
        noun=domain.noun(language),
        item_ids=ids,
        key=data.draw(st.text(max_size=3)),
        cues=cues_of(domain, language),
        variant=data.draw(st.sampled_from(variants(kind, language))),
    )
    (text,) = TemplateGenerator().write([request], seed=data.draw(st.integers(0, 99)))
    assert text.strip() or kind.approved
    assert not text or Writer(GUARDS).check(request, text) == [], text
    assert "{" not in text
    assert "  " not in text
    assert not text.endswith((" ", ",", ":"))


@pytest.mark.parametrize(("domain", "language"), CASES, ids=lambda value: getattr(value, "name", value))
def test_phrases_name_facts_that_a_domain_has(domain, language):
    known = PERSONAL | TOLD | FREE | {relation.name for relation in domain.relation_types} | set(domain.attributes)
    for kind in kinds_of(domain).values():
        for variant in variants(kind, language):
            phrases = kind_phrases(kind, language, variant)
            assert phrases.slots <= known | {"source"}, phrases.slots - known
            always = [section for section in phrases.sections if not (section.mark or kind.approved)]
            free = any(needs <= FREE for section in always for needs in section.needs)
            assert free or kind.approved, (kind.name, variant)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("kind", GENERIC, ids=lambda kind: kind.name)
def test_a_tone_is_heard_in_every_kind(kind, language):
    def texts(tone):
        return TemplateGenerator().write(
            [toy_request(language, kind=kind, tone=tone, key=f"r{k}") for k in range(5)], seed=1
        )

    told = [texts(tone) for tone in ("neutral", "warm", "playful", "formal")]
    if kind.name in ("summary", "tip", "social"):  # they say what the source says
        return
    for a, b in itertools.combinations(told, 2):
        assert not set(a) & set(b)


def test_a_text_does_not_begin_as_the_one_before():
    requests = [toy_request(item_ids=(f"i{k}",), place=k) for k in range(4)]
    texts = TemplateGenerator().write(requests, seed=1)
    openings = [text.split(".")[0].split("?")[0] for text in texts]
    assert all(a != b for a, b in itertools.pairwise(openings[:3])), openings


def test_no_text_is_empty_however_long_its_names():
    long = Fact("f1", "title", "title", "The Quite Remarkable " * 12, subject="i1")
    for kind in GENERIC:
        if kind.approved:  # where nothing may be quoted nothing is said
            continue
        (text,) = TemplateGenerator().write([TextRequest(kind, (long,), item_ids=("i1",))], seed=1)
        assert text
        assert not kind.characters or len(text) <= kind.characters
        (nameless,) = TemplateGenerator().write([TextRequest(kind, (), item_ids=("i1",), noun="film")], seed=1)
        assert nameless


@pytest.mark.parametrize("title", ["Never Say Never Again...", "What Now?!", "E.T. ..."])
def test_a_headline_of_a_name_alone_is_in_any_language(title):
    domain = MANAGER.domain("news")
    kind = kinds_of(domain)["headline"]
    request = TextRequest(
        kind,
        (Fact("f0", "title", "title", title, subject="i1"),),
        "zh",
        noun="文章",
        item_ids=("i1",),
        cues=cues_of(domain, "zh"),
    )
    assert Writer(GUARDS).check(request, title) == []


def test_texts_vary_with_reader_and_seed():
    requests = [toy_request(key=f"reader-{k}") for k in range(40)]
    first = TemplateGenerator().write(requests, seed=1)
    assert len(set(first)) > 3
    assert TemplateGenerator().write(requests, seed=2) != first


def test_a_full_stop_is_not_doubled_and_lists_are_joined():
    phrases = parse_phrases("== a\n{title}. Next.", "x")
    line = phrases.sections[0].lines[0]
    assert line.fill({"title": ["What Now?"]}, "en") == "What Now? Next."
    assert [get_language("en").listed("abcd"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert sentences("One. Two! Three. 三。四") == ["One.", "Two!", "Three. 三。", "四"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{title}", "before the first section"),
        ("== a", "is empty"),
        ("", "no section"),
        ("== a\n{title|loud}", "no slot"),
        ("== a\n{}", "no slot"),
        ("== a\n{title", "a brace"),
        ("== a\n[angry] {title}", "unknown tone"),
    ],
)
def test_a_fault_in_a_file_of_phrases_is_named(text, told):
    with pytest.raises(PluginError, match=told):
        parse_phrases(text, "blurb.en.txt")


def test_phrases_that_are_not_there():
    with pytest.raises(PluginError, match="cannot be read"):
        load_phrases("kgrec.generate:phrases/none.txt")


def test_a_domain_without_kinds_has_the_generic_ones():
    assert tuple(kinds_of(Domain("x", "y")).values()) == GENERIC
    assert all(set(kind.phrases) == set(languages()) for kind in GENERIC)
