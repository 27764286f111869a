"""Talking about a list: wishes that are understood, shown and taken off, in three languages; questions that help."""

import numpy as np
import polars as pl
import pytest

from kgrec.live.dialogue import Talk, Wish


@pytest.fixture
def names(project):
    """Return a director and a genre of the graph, and the items that each is joined to."""
    items = project.dataset.items
    director = items["director"].drop_nulls().mode().sort()[0]
    genre = items["genres"].explode().drop_nulls().mode().sort()[0]
    by = set(items.filter(pl.col("director") == director)["item_id"])
    of = set(items.filter(pl.col("genres").list.contains(genre))["item_id"])
    return director, genre, by, of


def ids(made):
    return [item.item_id for item in made.items]


@pytest.mark.parametrize(
    ("language", "less", "only"),
    [
        ("en", "nothing by {}", "something by {} please"),
        ("de", "nichts von {}", "etwas von {}"),
        ("zh", "不要{}的", "来点{}的"),
    ],
)
def test_names_are_wanted_or_not(live, names, language, less, only):
    director, _, by, _ = names
    talk, made = live.talks.answer("u00", less.format(director), Talk(), language=language, n=20)
    assert [wish.where for wish in talk.wishes] == [f'not directed_by="{director}"']
    assert director in talk.say
    assert made.items
    assert not by & set(ids(made))
    talk, made = live.talks.answer("u00", only.format(director), talk, language=language, n=20)
    assert [wish.where for wish in talk.wishes] == [f'directed_by="{director}"']
    assert set(ids(made)) <= by


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "more like the second"), ("de", "mehr von der zweite"), ("zh", "像第二部")],
)
def test_a_place_of_the_list_stands_for_its_item(live, language, text):
    talk, made = live.talks.answer("u00", "", Talk(), language=language)
    second = made.items[1]
    talk, made = live.talks.answer("u00", text, talk, ids(made), language=language)
    assert [wish.like for wish in talk.wishes] == [second.item_id]
    assert second.title in talk.say
    assert second.item_id not in ids(made)


@pytest.mark.parametrize(
    ("language", "decade", "newer"),
    [("en", "from the 1990s", "newer"), ("de", "aus den 1990ern", "neuer"), ("zh", "1990年代的", "新一点")],
)
def test_times_are_bounds_and_a_new_bound_takes_the_old_ones_place(live, language, decade, newer):
    talk, _ = live.talks.answer("u00", decade, Talk(), language=language)
    assert [wish.where for wish in talk.wishes] == ["(year>=1990 and year<=1999)"]
    talk, made = live.talks.answer("u00", newer, talk, language=language)
    assert len(talk.wishes) == 1
    assert talk.wishes[0].where.startswith("year>")
    assert made.items


def test_what_is_not_understood_is_said_and_changes_nothing(live):
    before = Talk((Wish(where="year>1", label="x"),))
    talk, made = live.talks.answer("u00", "qwertz asdf", before, language="en")
    assert "did not understand" in talk.say
    assert talk.wishes == before.wishes
    assert made.items


def test_a_wish_that_leaves_nothing_is_taken_back_and_said(live, names):
    director, *_ = names
    before = Talk((Wish(where=f'not directed_by="{director}"', label="x"),))
    talk, made = live.talks.answer("u00", "from the 1500s", before, language="en")
    assert talk.wishes == before.wishes
    assert "left out" in talk.say
    assert made.items


def test_start_over_forgets_all(live):
    talk, _ = live.talks.answer(
        "u00", "start over", Talk((Wish(where="year>1", label="x"),), refused=("y",)), language="en"
    )
    assert talk.wishes == ()
    assert talk.refused == ()


def test_questions_bring_a_hidden_item_up(live, project):
    """A simulated person answers by what she has in mind; after three answers it stands higher than before."""
    rows = project.dataset.items.select("item_id", "genres", "director").drop_nulls().head(16)
    gain = []
    for item_id, genres, director in rows.iter_rows():
        talk, made = live.talks.answer("u00", "", Talk(), language="en", n=60)
        first = ids(made)
        if item_id not in first[1:]:
            continue
        for _ in range(3):
            if talk.asked is None:
                break
            fits = any(name in talk.asked.where for name in [*genres, director])
            talk, made = live.talks.answer("u00", "yes" if fits else "no", talk, ids(made), language="en", n=60)
        last = ids(made)
        gain.append(first.index(item_id) - (last.index(item_id) if item_id in last else 60))
    assert len(gain) > 5
    assert np.mean(gain) > 0
