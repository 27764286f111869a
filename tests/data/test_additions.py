import pytest

from kgrec.config import Config, InteractionsConfig
from kgrec.data.additions import add_to_config, resolve_append
from kgrec.errors import ConfigError, DataError, NotFoundError, UsageError
from kgrec.plugin.domain import Domain
from kgrec.settings import load_settings

GENERIC = Domain("generic", "any")
TOML = """\
# mine
domain = "generic"   # a comment that stays

[[data.interactions]]
path = "log.csv"
columns = { user = "who", item = "what", time = "when" }
actions = { zap = "like" }

[[data.items]]
path = "items.csv"
columns = { id = "what", title = "label" }
[data.items.attributes]
tags = { column = "tags", separator = "|", relation = "has_tag" }

[feedback]
like_threshold = 4   # stars
"""


@pytest.fixture
def workspace(write, tmp_path):
    write(
        kgrec__toml=TOML,
        log__csv="who,what,when\nu,i,1577836800\n",
        items__csv="what,label,tags\ni,I,a|b\n",
    )
    return tmp_path


def resolved(folder, plugins, *names):
    config = load_settings(folder / "kgrec.toml").config
    return resolve_append([folder / name for name in names], config, GENERIC, plugins, folder)


def test_the_same_columns_are_read_the_same_way(workspace, write, plugins):
    write(more__csv__gz="when,who,what,extra\n1577836900,v,j,x\n", new__csv="tags,what,label\nc,j,J\n")
    (role, log), (other, items) = resolved(workspace, plugins, "more.csv.gz", "new.csv")
    assert (role, other) == ("interactions", "items")
    assert log.path == "more.csv.gz"
    assert log.columns == {"user": "who", "item": "what", "time": "when"}
    assert log.actions == {"zap": "like"}
    assert items.attributes["tags"].relation == "has_tag"


def test_other_columns_are_proposed(workspace, write, plugins):
    write(
        people__csv="user_id,about,gender\nu,dogs,F\n",
        votes__csv="user_id,item_id,rating\nu,i,5\n",
        kg__tsv="head\trelation\ttail\na\tr\tb\n",
        link__tsv="item_id\tentity\ni\ta\n",
    )
    (workspace / "graph.ttl").write_text("")
    found = resolved(workspace, plugins, "people.csv", "votes.csv", "kg.tsv", "link.tsv", "graph.ttl")
    assert [role for role, _ in found] == ["users", "interactions", "triples", "triples"]
    assert found[0][1].columns == {"id": "user_id", "description": "about"}
    assert found[0][1].attributes["gender"].relation == "gender"
    assert found[1][1].columns["value"] == "rating"
    assert found[2][1].link.columns == {"item": "item_id", "entity": "entity"}
    assert found[3][1].link is None


def test_a_log_is_not_taken_for_a_catalogue_that_reads_one_of_its_columns(write, tmp_path, plugins):
    write(
        kgrec__toml='[[data.items]]\npath = "items.csv"\ncolumns = { id = "item_id" }\n',
        items__csv="item_id\ni\n",
        log__csv="user_id,item_id,timestamp\nu,i,1577836800\n",
    )
    assert [role for role, _ in resolved(tmp_path, plugins, "log.csv")] == ["interactions"]


def test_errors(workspace, write, plugins):
    write(odd__csv="a,b\n1,2\n", link__tsv="item_id\tentity\ni\ta\n")
    with pytest.raises(UsageError, match="already part"):
        resolved(workspace, plugins, "log.csv")
    with pytest.raises(DataError, match="do not tell"):
        resolved(workspace, plugins, "odd.csv")
    with pytest.raises(UsageError, match="no triples are added"):
        resolved(workspace, plugins, "link.tsv")
    with pytest.raises(NotFoundError):
        resolved(workspace, plugins, "nothing.csv")


def test_kgrec_toml_remembers_and_keeps_its_comments(workspace, write, plugins, build):
    write(
        more__csv="who,what,when\nv,j,1577836900\n",
        new__csv="what,label,tags\nj,J,c\n",
        people__csv="user_id,gender\nu,F\n",
        kg__tsv="head\trelation\ttail\na\tr\tb\n",
        link__tsv="item_id\tentity\ni\ta\n",
    )
    names = ("more.csv", "new.csv", "people.csv", "kg.tsv", "link.tsv")
    additions = resolved(workspace, plugins, *names)
    before = load_settings(workspace / "kgrec.toml").config
    add_to_config(workspace / "kgrec.toml", additions)
    text = (workspace / "kgrec.toml").read_text()
    assert "# mine" in text
    assert "# a comment that stays" in text
    assert "like_threshold = 4   # stars" in text
    after = load_settings(workspace / "kgrec.toml").config
    for role in ("interactions", "items", "users", "triples"):
        added = [entry for r, entry in additions if r == role]
        assert getattr(after.data, role) == [*getattr(before.data, role), *added]
    assert after.feedback == before.feedback
    assert sorted(path.name for path in workspace.iterdir() if path.name.startswith(".")) == []


def test_lists_written_in_line_grow(write, tmp_path):
    write(kgrec__toml='[data]\ninteractions = [{ path = "a.csv" }]\n')
    add_to_config(tmp_path / "kgrec.toml", [("interactions", InteractionsConfig(path="b.csv", columns={"user": "w"}))])
    entries = load_settings(tmp_path / "kgrec.toml").config.data.interactions
    assert [(entry.path, entry.columns) for entry in entries] == [("a.csv", {}), ("b.csv", {"user": "w"})]


def test_an_empty_kgrec_toml(write, tmp_path):
    write(kgrec__toml="")
    add_to_config(tmp_path / "kgrec.toml", [("interactions", InteractionsConfig(path="b.csv"))])
    config = load_settings(tmp_path / "kgrec.toml").config
    assert config == Config.model_validate({"data": {"interactions": [{"path": "b.csv"}]}})


@pytest.mark.parametrize("text", ["[data\n", '[data]\ninteractions = "a.csv"\n'])
def test_a_kgrec_toml_that_cannot_be_added_to_stays_as_it_is(write, tmp_path, text):
    write(kgrec__toml=text)
    with pytest.raises(ConfigError, match=r"kgrec\.toml"):
        add_to_config(tmp_path / "kgrec.toml", [("interactions", InteractionsConfig(path="b.csv"))])
    assert (tmp_path / "kgrec.toml").read_text() == text
