"""Items, users and sessions that come while serving."""

import pytest

import kgrec
from kgrec.errors import NotFoundError, UserError
from kgrec.live.events import Event
from kgrec.live.exports import export_items
from kgrec.live.lists import Boost, ListRequest
from kgrec.live.records import Described


def ids(found):
    return [item.item_id for item in found.items]


def twin(live, item_id):
    """Return an item of the same content as another, as it is put."""
    return live.now.catalogue.described(item_id).model_copy(update={"title": "A new one"})


def test_a_new_item_is_in_the_lists_of_those_who_like_its_like_at_once(live):
    n_items = len(live.models.recommender.ranker.item_ids)
    favourite = {user: ids(live.recommend(ListRequest(user_id=user, n=n_items)))[0] for user in ("u00", "u01", "u02")}
    for user, item in favourite.items():
        live.put_items([(f"like-{item}", twin(live, item))])
        made = ids(live.recommend(ListRequest(user_id=user, n=n_items)))
        assert made.index(f"like-{item}") < n_items / 3
    made = live.recommend(ListRequest(user_id="u00", n=n_items, explain=True))
    new = next(item for item in made.items if item.item_id == f"like-{favourite['u00']}")
    assert new.title == "A new one"
    assert new.reason
    assert live.replay(made.rec_id)[1]


def test_a_new_item_is_ranked_searched_for_and_left_out_once_touched(live):
    live.put_items([("fresh", twin(live, live.models.recommender.ranker.item_ids[0]))])
    ranked, unknown = live.rank("u00", ["fresh", "i00", "none"])
    assert {item.item_id for item in ranked} == {"fresh", "i00"}
    assert unknown == ["none"]
    assert live.similar("fresh", 3).items
    assert "fresh" in ids(live.recommend(ListRequest(user_id="u00", n=1_000)))
    live.append([Event(user_id="u00", item_id="fresh", action="view")] * 1)
    assert "fresh" not in ids(live.recommend(ListRequest(user_id="u00", n=1_000)))
    assert [item.item_id for item in live.trending(1, minutes=5)] == ["fresh"]


def test_a_deleted_item_is_in_no_list_and_lists_from_before_are_made_again(live):
    before = live.recommend(ListRequest(user_id="u00"))
    live.put_items([(ids(before)[0], None)])
    assert ids(before)[0] not in ids(live.recommend(ListRequest(user_id="u00")))
    assert live.replay(before.rec_id)[1]
    with pytest.raises(NotFoundError):
        live.now.catalogue.shown(ids(before)[0])


def test_conditions_see_what_was_changed(live, project):
    name = next(key for key, info in project.dataset.item_attributes.items() if info.multi)
    item = live.recommend(ListRequest(user_id="u00")).items[0].item_id
    changed = live.now.catalogue.with_fact(item, name, "Never Seen Before", added=True)
    live.put_items([(item, changed)])
    assert ids(live.recommend(ListRequest(user_id="u00", where=(f'{name}="Never Seen Before"',)))) == [item]
    live.put_items([(item, live.now.catalogue.with_fact(item, name, "Never Seen Before", added=False))])
    with pytest.raises(NotFoundError):
        live.recommend(ListRequest(user_id="u00", where=(f'{name}="Never Seen Before"',)))
    with pytest.raises(NotFoundError, match="no attribute"):
        live.put_items([("x", Described(attributes={"flavour": "sweet"}))])


def test_less_of_a_kind_sinks_it_and_is_undone(live, project):
    name = next(key for key, info in project.dataset.item_attributes.items() if info.multi)
    before = live.recommend(ListRequest(user_id="u00", n=1_000))
    positions = live.now.catalogue.positions
    value = project.dataset.items[name].explode().drop_nulls()[0]
    where = f'{name}="{value}"'
    meets = live.now.catalogue.allowed((where,))

    def mean_place(made):
        places = [place for place, key in enumerate(ids(made)) if meets[positions[key]]]
        return sum(places) / len(places)

    assert live.lean("u00", where, more=False).leanings == {where: -1.0}
    less = live.recommend(ListRequest(user_id="u00", n=1_000))
    assert mean_place(less) > mean_place(before)
    assert live.replay(less.rec_id)[1]
    assert live.profile("u00")["leanings"] == {where: -1.0}
    live.undo("u00")
    assert ids(live.recommend(ListRequest(user_id="u00", n=1_000))) == ids(before)
    boosted = live.recommend(ListRequest(user_id="u00", n=1_000, boosts=(Boost(where=(where,), by=1.0),)))
    assert mean_place(boosted) < mean_place(before)


def test_a_session_becomes_a_user_with_all_its_events(live):
    liked = ids(live.recommend(ListRequest(user_id="u00")))[:2]
    live.append([Event(user_id="session", item_id=key, action="like") for key in liked])
    made = live.recommend(ListRequest(user_id="session"))
    assert live.merge("session", "u00") == 2
    assert not set(liked) & set(ids(live.recommend(ListRequest(user_id="u00"))))
    assert live.replay(made.rec_id)[1]
    together = live.recommend(ListRequest(user_id="u00", n=5))
    live.append([Event(user_id="session", item_id=ids(together)[0], action="like")])
    assert ids(together)[0] not in ids(live.recommend(ListRequest(user_id="u00")))
    assert live.replay(together.rec_id)[1]
    with pytest.raises(UserError, match="already"):
        live.merge("session", "u01")
    assert live.log.export(live.log.file.parent / "out")
    assert live.forget("u00")[0] == 3


def test_what_a_user_says_of_herself_counts(live):
    before = live.recommend(ListRequest(user_id="u03"))
    words = live.now.catalogue.described(live.models.recommender.ranker.item_ids[5]).title
    live.put_user("u03", Described(description=words))
    after = live.recommend(ListRequest(user_id="u03"))
    assert [item.score for item in after.items] != [item.score for item in before.items]
    assert live.replay(before.rec_id)[1]
    assert live.replay(after.rec_id)[1]


def test_a_list_of_an_earlier_moment_knows_nothing_of_what_came_later(live, project):
    times = project.dataset.interactions["time"].drop_nulls()
    if not len(times):
        pytest.skip("the toy has no times")
    at = int(times.max())
    before = live.recommend(ListRequest(user_id="u00", at=at))
    live.append([Event(user_id="u00", item_id=ids(before)[0], action="like", time=at + 1_000)])
    assert ids(live.recommend(ListRequest(user_id="u00", at=at))) == ids(before)
    assert ids(before)[0] not in ids(live.recommend(ListRequest(user_id="u00", at=at + 2_000)))


def test_what_would_be_made_is_told_without_making_it(live):
    assert live.check(ListRequest(user_id="u00"))["known"]
    with pytest.raises(NotFoundError):
        live.check(ListRequest(user_id="u00", placement="nowhere"))
    with pytest.raises(NotFoundError):
        live.check(ListRequest(user_id="u00", boosts=(Boost(where=("flavour=1",), by=1.0),)))


def test_a_new_item_goes_into_the_next_build_as_it_was_put(live, project, folder):
    base = live.models.recommender.ranker.item_ids[0]
    live.put_items([("arrived", twin(live, base))])
    before = live.now.catalogue.shown("arrived")
    file = export_items(live.log, project.config, folder / "live" / "export")
    assert export_items(live.log, project.config, folder / "live" / "export") is None
    again = kgrec.open(folder, overrides=["text.encoder=hashing"])
    again.build_graph(append=[file])
    again.train(only=["popularity", "content"])
    after = again.live.now.catalogue.shown("arrived")
    assert after == {**before, "trained": True}
    again.live.log.close()
