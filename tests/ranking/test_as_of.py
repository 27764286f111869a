"""Lists as of an earlier moment: only what was known then counts."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

import kgrec
from kgrec.errors import UsageError, UserError
from kgrec.ranking.requests import to_moment

DAY = "2024-03-{:02}"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Six users who view three items in early March; from the 20th on a new item is all that anybody views."""
    folder = tmp_path_factory.mktemp("dated")
    rows = [(f"u{u}", item, DAY.format(u + 1)) for u in range(6) for item in ("a", "b", "c")[: 1 + u % 3]]
    rows += [(f"u{u}", "hit", DAY.format(20 + u)) for u in range(1, 6)]
    rows += [("early", "a", DAY.format(9))]
    rows += [("late", item, DAY.format(28)) for item in ("a", "b")]
    lines = ["user_id,item_id,action,timestamp", *(f"{u},{i},view,{t}" for u, i, t in rows)]
    (folder / "events.csv").write_text("\n".join(lines) + "\n")
    titles = ["item_id,title", *(f"{k},Item {k}" for k in ("a", "b", "c", "hit", "unseen"))]
    (folder / "items.csv").write_text("\n".join(titles) + "\n")
    (folder / "kgrec.toml").write_text(
        '[[data.interactions]]\npath = "events.csv"\n[[data.items]]\npath = "items.csv"\n[text]\nencoder = "hashing"\n'
        '[fusion.weights]\nrecent-popularity = 1.0\n[recommend]\nmoment = "now"\n'
    )
    project = kgrec.open(folder)
    project.build_graph()
    project.train(only=["popularity", "recent-popularity", "transitions"])
    return project


def test_what_came_later_is_neither_listed_nor_counted(project):
    now = project.recommend("u0", n=5)
    assert now.item_ids[0] == "hit"
    then = project.recommend("u0", n=5, at=DAY.format(10))
    assert "hit" not in then.item_ids
    assert then.item_ids[:2] == ("b", "c")  # four and two had viewed them
    assert project.recommend("u0", n=5, at=DAY.format(25)).item_ids[0] == "hit"


def test_what_the_user_did_later_is_not_known_yet(project):
    then = project.recommend("u5", n=5, at=DAY.format(5))
    assert {"a", "b", "c"} <= set(then.item_ids)  # u5 came on the 6th
    assert not {"a", "b", "c"} & set(project.recommend("u5", n=5).item_ids)
    listed = project.recommend_many(["u5", "u0"], n=5, at=DAY.format(5))
    alone = project.recommend("u0", n=5, at=DAY.format(5))
    assert listed.filter(listed["user_id"] == "u0")["item_id"].to_list() == list(alone.item_ids)
    reasons = project.recommend("u0", n=2, at=DAY.format(10), explain=True).reasons
    assert all(reason.sentence for reason in reasons)


def test_what_cannot_be_asked_says_so(project):
    with pytest.raises(UserError, match="nothing in the data"):
        project.recommend("u0", at="2020-01-01")
    with pytest.raises(UserError, match="ratings"):
        project.recommend("u0", at=DAY.format(10), by="rating")
    with pytest.raises(UsageError, match="no moment"):
        project.recommend("u0", at="soon")


def test_a_record_of_the_past_is_asked_at_each_users_last_event(project):
    """The data ended long ago, so lists are as of each user's last event unless kgrec.toml says now."""
    assert project.ranker.summary["current"] is False
    past = kgrec.open(project.workspace.root, overrides=["recommend.moment=auto"])
    assert past.recommend("early", n=2).item_ids == ("b", "c")
    assert project.recommend("early", n=1).item_ids == ("hit",)
    assert past.recommend("late", n=1).item_ids == ("hit",)


def test_moments_as_people_write_them():
    noon = int(datetime(2024, 5, 31, 12, tzinfo=UTC).timestamp())
    east = timezone(timedelta(hours=2))
    same = [
        noon,
        float(noon),
        str(noon),
        "2024-05-31 12:00",
        "2024-05-31T14:00:00+02:00",
        datetime(2024, 5, 31, 14, tzinfo=east),
    ]
    assert {to_moment(at) for at in same} == {noon}
    assert to_moment(date(2024, 5, 31)) == to_moment("2024-05-31") == noon - 43_200
    for wrong in (True, "yesterday-ish", None):
        with pytest.raises(UsageError):
            to_moment(wrong)
