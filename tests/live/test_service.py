"""Lists while events come: fresh, the same as a build would make, with receipts, placements and experiments."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kgrec
from kgrec.data.cleaning import _one_of_repeated
from kgrec.errors import ConfigError, NotFoundError, UserError
from kgrec.live.events import Event
from kgrec.live.lists import ListRequest
from kgrec.live.profiles import _CODES, _ROW, one_of_repeated
from kgrec.live.results import estimate, experiment_result
from kgrec.plugin.domain import ACTIONS
from kgrec.testing import toy_workspace

HASHING = ["text.encoder=hashing"]


def ids(found):
    return [item.item_id for item in found.items]


def unseen(live, user, n=3):
    return ids(live.recommend(ListRequest(user_id=user, n=n)))


def test_a_list_without_events_is_the_list_of_the_command(live, project):
    found = live.recommend(ListRequest(user_id="u04", n=5, explain=True))
    assert found.shown == "default"
    expected = project.recommend("u04", n=5, explain=True)
    assert tuple(ids(found)) == expected.item_ids
    np.testing.assert_allclose([item.score for item in found.items], expected.scores, rtol=1e-5)
    assert [item.reason for item in found.items] == [reason.sentence for reason in expected.reasons]


def test_an_event_changes_the_next_list_and_what_was_liked_leaves_it(live):
    liked = unseen(live, "u00")[0]
    done = live.append([Event(user_id="u00", item_id=liked, action="like")])
    assert liked not in ids(live.recommend(ListRequest(user_id="u00", n=5, min_seq=done.seq)))
    with pytest.raises(UserError, match="no event 99"):
        live.recommend(ListRequest(user_id="u00", min_seq=99))


def test_the_live_list_is_the_list_of_a_build_with_the_same_events(live, project, folder):
    liked = unseen(live, "u00", 2)
    fresh = project.dataset.items["item_id"].sort().to_list()[:3]
    low = project.dataset.interactions["value"].min()
    events = [Event(user_id="u00", item_id=key, action="like", time=1.75e9 + k) for k, key in enumerate(liked)]
    events += [Event(user_id="u00", item_id=liked[0], action="like", time=1.76e9)]  # repeated
    events += [Event(user_id="newcomer", item_id=key, action="purchase", time=1.75e9) for key in fresh]
    events += [Event(user_id="newcomer", item_id=fresh[1], action="dislike", time=1.75e9 + 9)]  # taken back
    events += [Event(user_id="newcomer", item_id=fresh[0], action="rate", value=low, time=1.75e9)]
    live.append(events)
    lists = {user: live.preview(user, "default") for user in ("u00", "newcomer", "u01")}
    file = live.log.export(folder / "live" / "export")
    again = kgrec.open(folder, overrides=HASHING)
    again.build_graph(append=[file])
    many = again.recommend_many(list(lists), n=10)
    for user, found in lists.items():
        batch = again.recommend(user, n=10)
        assert tuple(ids(found)) == batch.item_ids
        np.testing.assert_allclose([item.score for item in found.items], batch.scores, rtol=1e-4, atol=1e-4)
        assert many.filter(pl.col("user_id") == user)["item_id"].to_list() == list(batch.item_ids)


def test_events_that_a_build_holds_are_not_counted_again(live, folder):
    live.append([Event(user_id="u00", item_id=unseen(live, "u00")[0], action="like")])
    file = live.log.export(folder / "live" / "export")
    again = kgrec.open(folder, overrides=HASHING)
    again.build_graph(append=[file])
    again = kgrec.open(folder, overrides=HASHING)
    assert again.live.models.profiles.applied == 1
    assert not again.live.models.profiles._live
    again.live.log.close()


def test_the_cache_is_dropped_by_the_users_own_event_only(live):
    first, other = (live.recommend(ListRequest(user_id=user)) for user in ("u00", "u01"))
    assert live.recommend(ListRequest(user_id="u00")) is first
    live.append([Event(user_id="u00", item_id=ids(first)[0], action="click")])
    assert live.recommend(ListRequest(user_id="u00")) is not first
    assert live.recommend(ListRequest(user_id="u01")) is other


def test_a_list_is_made_again_from_its_receipt_whatever_came_since(live):
    made = [live.recommend(ListRequest(user_id="u00", placement=name)) for name in ("default", "drawn", "pinned")]
    likes = [live.recommend(ListRequest(likes=(ids(made[0])[0],)))]
    live.edit("u00", {ids(made[0])[0]: 0.0})
    made.append(live.recommend(ListRequest(user_id="u00")))
    live.append([Event(user_id="u00", item_id=ids(made[0])[1], action="like")])
    live.edit("u00", {ids(made[0])[0]: None})
    for found in made + likes:
        again, same = live.replay(found.rec_id)
        assert same
        assert again.items == found.items
    with pytest.raises(NotFoundError):
        live.receipt("nothing")


def test_what_is_hidden_leaves_the_list_until_it_is_taken_back(live):
    before = unseen(live, "u00", 4)
    live.edit("u00", {before[0]: 0.0})
    assert before[0] not in unseen(live, "u00", 4)
    live.edit("u00", {before[0]: None})
    assert unseen(live, "u00", 4) == before
    with pytest.raises(NotFoundError):
        live.edit("u00", {"no such item": 0.0})


def test_pins_stand_first_and_boosts_lift(live, project):
    made = live.preview("u00", "pinned")
    rules = live.placements.rules["pinned"]
    assert ids(made)[0] == rules.pin[0]
    assert len(set(ids(made))) == 3
    meets = project.recommender.allowed_items(rules.boost[0].where)
    positions = project.ranker.item_positions
    assert all(meets[positions[key]] for key in ids(made)[1:])


def test_somebody_nobody_knows_gets_what_most_people_like_and_then_her_own(live):
    first = live.recommend(ListRequest(user_id="stranger", n=5))
    assert len(first.items) == 5
    live.append([Event(user_id="stranger", item_id=ids(first)[0], action="like")])
    assert live.profile("stranger")["likes"][0]["item_id"] == ids(first)[0]
    with pytest.raises(NotFoundError):
        live.profile("another stranger")


def test_trending_counts_what_comes_in(live, project):
    items = project.dataset.items["item_id"].to_list()
    live.append([Event(user_id=f"v{k}", item_id=items[3], action="view") for k in range(3)])
    live.append([Event(user_id="v", item_id=items[5], action="view"), Event(user_id="v", item_id="?", action="view")])
    assert [item.item_id for item in live.trending(2)] == [items[3], items[5]]
    assert live.models.profiles.unknown == 1


def test_models_are_swapped_and_rolled_back_while_events_go_on_counting(live, project, folder):
    before = live.models.version
    liked = unseen(live, "u00")[0]
    live.append([Event(user_id="u00", item_id=liked, action="like")])
    kgrec.open(folder, overrides=HASHING).train(only=["popularity", "ease"])
    version, overlap = live.reload()
    assert version != before
    assert 0 <= overlap <= 1
    assert liked not in unseen(live, "u00")
    assert live.roll_back() == before
    assert liked not in unseen(live, "u00")


def test_a_forgotten_user_is_a_new_person(live):
    first = live.recommend(ListRequest(user_id="passing", n=3))
    live.append([Event(user_id="passing", item_id=ids(first)[0], action="like")])
    made = live.recommend(ListRequest(user_id="passing", n=3))
    assert live.receipt(made.rec_id)["user_id"] == "passing"
    events, lists = live.forget("passing")
    assert (events, lists) == (1, 2)
    assert ids(live.recommend(ListRequest(user_id="passing", n=3))) == ids(first)


def test_the_same_user_always_sees_the_same_variant(live):
    users = [f"x{k}" for k in range(400)]
    seen = {user: live.placements.choose("default", user).variant for user in users}
    assert seen == {user: live.placements.choose("default", user).variant for user in users}
    counts = {variant: list(seen.values()).count(variant) for variant in ("usual", "other", "")}
    assert 120 < counts["usual"] < 200
    assert 120 < counts["other"] < 200
    assert 50 < counts[""] < 110


def test_an_experiment_counts_clicks_by_variant(live):
    for k in range(60):
        made = live.recommend(ListRequest(user_id=f"x{k}", n=3))
        if made.variant == "other":
            live.append([Event(user_id=f"x{k}", item_id=ids(made)[0], action="click", rec_id=made.rec_id)])
    live.log.flush()
    usual, other = experiment_result(live.log, live.placements, "trial").variants
    assert (usual.rate, other.rate) == (0.0, 1.0)
    assert usual.users + other.users > 30
    assert other.difference == 1.0


def test_a_drawn_list_tells_what_another_temperature_would_earn(live):
    with pytest.raises(UserError, match="drawn"):
        estimate(live.log, "drawn", 0.5)
    for k in range(30):
        made = live.recommend(ListRequest(user_id=f"u{k:02}" if k < 10 else f"y{k}", placement="drawn"))
        assert len(made.pool) >= len(made.items)
        live.append([Event(user_id="u00", item_id=ids(made)[0], action="click", rec_id=made.rec_id)])
    live.log.flush()
    same = estimate(live.log, "drawn", 0.5)
    assert same["ips"].value == pytest.approx(1.0)
    assert same["ips"].effective == pytest.approx(30)
    assert estimate(live.log, "drawn", 0.05)["ips"].effective < 30


@pytest.mark.parametrize("policy", ["thompson", "linucb"])
def test_a_policy_learns_which_items_are_taken_and_its_lists_are_made_again(folder, policy):
    settings = ["placements.learn.n=4", "placements.learn.explore=0.5", f"placements.learn.policy={policy}"]
    live = kgrec.open(folder, overrides=[*HASHING, *settings]).live
    wanted, shown = "", []
    for k in range(150):
        made = live.recommend(ListRequest(user_id="u00", placement="learn"))
        wanted = wanted or ids(made)[-1]
        shown.append(wanted in ids(made)[:1])
        if wanted in ids(made):
            live.append([Event(user_id=f"fan{k}", item_id=wanted, action="click", rec_id=made.rec_id)])
        live.log.flush()
        live.bandits.learn()
    assert sum(shown[-50:]) > 12  # by chance a quarter of the lists of four would begin with it
    assert live.replay(made.rec_id)[1]
    assert all(0 < item.propensity <= 1 for item in made.items)
    live.log.close()


def test_an_experiment_with_a_placement_that_is_not_there_is_an_error(folder):
    project = kgrec.open(folder, overrides=[*HASHING, "experiments.trial.placement=nowhere"])
    with pytest.raises(ConfigError, match="nowhere"):
        _ = project.live


def test_a_workspace_with_pseudonyms_keeps_no_id_of_a_user_in_its_log(tmp_path):
    folder = toy_workspace(tmp_path / "toy")
    project = kgrec.open(folder, overrides=[*HASHING, "data.pseudonyms=true"])
    project.build_graph()
    project.train(only=["popularity", "ease"])
    live = project.live
    first = live.recommend(ListRequest(user_id="u00", n=4))
    assert first.user_id == "u00"
    assert tuple(ids(first)) == project.recommend(live.names.stored("u00"), n=4).item_ids
    new = [Event(user_id=who, item_id=ids(first)[0], action="like") for who in ("u00", "whistleblower")]
    live.append(new)
    assert ids(first)[0] not in unseen(live, "u00", 4)
    assert live.profile("whistleblower")["likes"]
    live.edit("whistleblower", {ids(first)[0]: 0.0})
    live.log.flush()
    live.log.close()
    for file in (folder / "live").iterdir():
        assert b"whistleblower" not in file.read_bytes()


def test_forgetting_a_person_takes_what_came_while_serving_along(live, project, folder):
    live.append([Event(user_id="u00", item_id=unseen(live, "u00")[0], action="like")])
    live.log.export(folder / "live" / "export")
    live.log.flush()
    made = project.privacy().forget("u00")
    assert made.complete
    assert made.removed["live events and lists"] >= 2
    live.reload()
    assert not live.knows("u00")


@pytest.mark.parametrize("rule", ["first", "last", "max"])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(["view", "rate", "like"]),
            st.one_of(st.none(), st.integers(1, 5)),
            st.one_of(st.none(), st.integers(0, 4)),
        ),
        max_size=12,
    )
)
def test_repeated_events_count_as_in_the_build(rule, rows):
    table = pl.DataFrame(
        rows, schema={"item": pl.Int64, "action": pl.String, "value": pl.Float32, "time": pl.Int64}, orient="row"
    ).with_columns(user=0, split=0)
    expected = table.filter(_one_of_repeated(table, rule))
    array = np.zeros(len(rows), dtype=_ROW)
    array["item"], array["action"] = table["item"], [_CODES[action] for action in table["action"]]
    array["value"] = table["value"].fill_null(float("nan"))
    array["time"] = table["time"].cast(pl.Float64).fill_null(float("nan"))
    kept = one_of_repeated(array, rule)
    found = [(int(row["item"]), ACTIONS[row["action"]], float(row["value"]), float(row["time"])) for row in kept]
    wanted = [
        (row["item"], row["action"], float("nan") if row["value"] is None else row["value"],
         float("nan") if row["time"] is None else row["time"])
        for row in expected.to_dicts()
    ]  # fmt: skip
    assert sorted(map(str, found)) == sorted(map(str, [(i, a, float(v), float(t)) for i, a, v, t in wanted]))
