import tomllib

import pytest

from kgrec.config import Config
from kgrec.data.ingest import ingest
from kgrec.data.inspection import RDF_ENDINGS
from kgrec.data.profile import guess_separator
from kgrec.data.propose import propose
from kgrec.errors import ConfigError, NotFoundError, UsageError
from kgrec.plugin.manager import load_plugins
from kgrec.settings import load_settings

GENRES = ["Comedy", "Drama", "Action", "Horror"]


def proposal(tmp_path, plugins, *names, domain="generic"):
    """Propose for files of tmp_path, load what was written as settings, and return both."""
    text = propose([tmp_path / name for name in names], domain, plugins, folder=tmp_path)
    (tmp_path / "kgrec.toml").write_text(text, encoding="utf-8")
    return text, load_settings(tmp_path / "kgrec.toml").config


def test_a_log_a_catalogue_and_a_graph(write, tmp_path, plugins):
    films = "".join(f'{k},"Film, {k}",{GENRES[k % 4]}|{GENRES[(k + 1) % 4]},{1990 + k},tt{k:05}\n' for k in range(30))
    write(
        ratings__csv="userId,movieId,rating,timestamp\n1,1,4,1577836800\n2,2,5,1577836801\n",
        movies__csv="movieId,title,genres,year,imdbId\n" + films,
        users__csv="userId,gender,age\n1,F,33\n2,M,44\n",
        kg__tsv="head\trelation\ttail\nm.1\tfilm.director\tm.9\n",
        link__tsv="item_id\tentity_id\n1\tm.1\n",
        names__tsv="entity\tname\nm.9\tSomebody\n",
    )
    names = ("ratings.csv", "movies.csv", "users.csv", "kg.tsv", "link.tsv", "names.tsv")
    text, config = proposal(tmp_path, plugins, *names)
    (log,) = config.data.interactions
    assert log.columns == {"user": "userId", "item": "movieId", "value": "rating", "time": "timestamp"}
    assert (log.path, log.action) == ("ratings.csv", "rate")
    (films,) = config.data.items
    assert films.columns == {"id": "movieId", "title": "title"}
    genres = films.attributes["genres"]
    assert (genres.column, genres.separator, genres.relation) == ("genres", "|", "genres")
    assert films.attributes["year"].relation is None
    assert "# columns not used: imdbId" in text
    assert config.data.users[0].attributes["gender"].relation == "gender"
    (graph,) = config.data.triples
    assert graph.columns == {"head": "head", "relation": "relation", "tail": "tail"}
    assert graph.link.columns == {"item": "item_id", "entity": "entity_id"}
    assert graph.names.columns == {"entity": "entity", "name": "name"}
    built = ingest(config, plugins.domain("generic"), plugins, tmp_path).dataset
    assert (built.n_users, built.n_items, built.interactions.height) == (2, 30, 2)


def test_titles_beside_the_events_make_items_where_there_is_no_catalogue(write, tmp_path, plugins):
    rows = "".join(f"u{k % 4},i{k % 3},Thing {k % 3},view\n" for k in range(12))
    write(log__csv="user_id,item_id,title,action\n" + rows, things__csv="item_id,title\ni0,Thing\ni1,Other\n")
    _, config = proposal(tmp_path, plugins, "log.csv")
    assert config.data.items[0].columns == {"id": "item_id", "title": "title"}
    built = ingest(config, plugins.domain("generic"), plugins, tmp_path).dataset
    assert sorted(built.items["title"]) == ["Thing 0", "Thing 1", "Thing 2"]
    assert not built.report["conflicts"]
    assert [entry.path for entry in proposal(tmp_path, plugins, "log.csv", "things.csv")[1].data.items] == [
        "things.csv"
    ]


def test_chinese_headers(write, tmp_path, plugins):
    write(
        记录__csv="用户,物品,评分,时间,行为\n小明,苹果,5,2020年1月5日,评分\n小红,梨,,2020年1月6日,瞅\n",
        商品__csv="商品编号,标题,简介,类型,品牌\n苹果,红苹果,甜,水果、红色,甲\n梨,雪梨,脆,水果、白色,乙\n",
        图谱__csv="头实体,关系,尾实体\n苹果,产地,山东\n",
    )
    text, config = proposal(tmp_path, plugins, "记录.csv", "商品.csv", "图谱.csv")
    assert config.data.interactions[0].columns == {
        "user": "用户",
        "item": "物品",
        "action": "行为",
        "value": "评分",
        "time": "时间",
    }
    assert "瞅" in text
    assert config.data.items[0].columns == {"id": "商品编号", "title": "标题", "description": "简介"}
    assert config.data.items[0].attributes["类型"].separator == "、"
    assert config.data.items[0].attributes["品牌"].relation == "品牌"
    assert config.data.triples[0].columns == {"head": "头实体", "relation": "关系", "tail": "尾实体"}


def test_validation_and_test_files(write, tmp_path, plugins):
    rows = "user_id,item_id\nu,i\n"
    write(train__csv=rows, valid__csv=rows, **{"log.test__csv": rows})
    text, config = proposal(tmp_path, plugins, "train.csv", "valid.csv", "log.test.csv")
    assert [(entry.path, entry.split) for entry in config.data.interactions] == [
        ("train.csv", "train"),
        ("valid.csv", "validation"),
    ]
    assert "# not used: log.test.csv: left out because of its name" in text


def test_what_cannot_be_used_is_said(write, tmp_path, plugins):
    write(notes__docx="hello", odd__csv="a,b\n1.5,2.5\n", empty__csv="", names__csv="entity,name\n1,x\n")
    text = propose([tmp_path / n for n in ("notes.docx", "odd.csv", "empty.csv", "names.csv")], "generic", plugins)
    assert "no data source reads" in text
    assert "its columns do not tell what it is for: a, b" in text
    assert "empty.csv: " in text
    assert "is empty" in text
    assert "names.csv: it looks like a table of names of entities, but there is no graph" in text


def test_a_question_is_left_to_a_person_and_named_with_its_line(write, tmp_path, plugins):
    write(odd__csv="a,b\n1.5,2.5\n")
    (tmp_path / "kgrec.toml").write_text(propose([tmp_path / "odd.csv"], "generic", plugins, folder=tmp_path))
    with pytest.raises(ConfigError, match=r"kgrec\.toml line 8: fill in what stands as \?") as caught:
        load_settings(tmp_path / "kgrec.toml")
    assert "it has a, b" in caught.value.hint


def test_a_file_that_cannot_be_read_does_not_stop_the_others(write, tmp_path, plugins):
    write(bad__parquet=b"no parquet", log__csv="user_id,item_id\nu,i\nv,i\n")
    text, config = proposal(tmp_path, plugins, "bad.parquet", "log.csv")
    assert [entry.path for entry in config.data.interactions] == ["log.csv"]
    assert "# not used: bad.parquet" in text


@pytest.mark.parametrize("ending", RDF_ENDINGS)
def test_rdf_files_are_graphs(write, tmp_path, plugins, ending):
    (tmp_path / f"graph{ending}").write_text("")
    _, config = proposal(tmp_path, plugins, f"graph{ending}")
    assert config.data.triples[0].path == f"graph{ending}"


def test_links_go_to_the_graph_that_shares_their_entities(write, tmp_path, plugins):
    write(
        a__tsv="head\trelation\ttail\nx\tr\ty\n",
        b__tsv="head\trelation\ttail\nm.1\tr\tm.2\n",
        link__tsv="item_id\tentity\ni\tm.1\n",
    )
    _, config = proposal(tmp_path, plugins, "a.tsv", "b.tsv", "link.tsv")
    assert [entry.link is not None for entry in config.data.triples] == [False, True]


def test_odd_names_are_quoted(write, tmp_path, plugins):
    (tmp_path / 'it"s.csv').write_text('user_id,"item_id","a ""b""\nc"\nu,i,1\n')
    _, config = proposal(tmp_path, plugins, 'it"s.csv')
    assert config.data.interactions[0].path == 'it"s.csv'


def test_absolute_paths_without_a_folder(write, tmp_path, plugins):
    write(log__csv="user_id,item_id\nu,i\n")
    found = tomllib.loads(propose([tmp_path / "log.csv"], None, plugins))
    assert found["data"]["interactions"][0]["path"] == (tmp_path / "log.csv").resolve().as_posix()
    assert found["domain"] == "generic"


def test_errors(write, tmp_path, plugins):
    write(log__csv="user_id,item_id\nu,i\n")
    with pytest.raises(UsageError):
        propose([], None, plugins)
    with pytest.raises(NotFoundError, match=r"'lag\.csv'"):
        propose([tmp_path / "lag.csv"], None, plugins)
    with pytest.raises(NotFoundError, match="domain 'cars'"):
        propose([tmp_path / "log.csv"], "cars", plugins)


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["a|b", "b|c", "a"] * 5, "|"),
        (["a / b", "b / c", "a"] * 5, " / "),
        (["a, b", "b, c", "a"] * 5, ", "),
        (["Tools,Tapes, Glues", "Tools,Nails", "Tools,Saws"] * 5, ","),
        (["甲、乙", "乙、丙"] * 5, "、"),
        (["m.1 m.22", "m.1 m.3"] * 5, " "),
        (["red shoes", "blue shoes"] * 5, None),
        (["Once, upon a time, there was a king who had many daughters and sons, all of them very fine"] * 5, None),
        ([None, None], None),
    ],
)
def test_separators_are_told_from_values(cells, separator):
    import polars as pl

    assert guess_separator(pl.Series(cells, dtype=pl.String), lenient=False) == separator


@pytest.mark.slow
def test_every_real_dataset_gives_a_toml_that_loads_and_builds(real_data, tmp_path):
    manager = load_plugins()
    domains = {}
    for folder in sorted(path for path in real_data.iterdir() if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".md")
        (tmp_path / "kgrec.toml").write_text(propose(files, None, manager, folder=folder), encoding="utf-8")
        config = load_settings(tmp_path / "kgrec.toml").config
        built = ingest(config, manager.domain(config.domain), manager, folder).dataset
        domains[folder.name] = (config.domain, built.interactions.height)
    assert domains["ml-100k"] == ("video", 100_000)
    assert domains["douban-movie"][1] == 41_830
    assert domains["lastfm-lightkg"] == ("generic", 17_350 + 1_907)
    assert domains["amazon-scientific"] == ("ecommerce", 59_136)
    assert domains["bing-news-dkn"][0] == "news"


def test_how_a_file_is_written_is_kept(write, tmp_path, plugins):
    rows = "".join(f"u{k},i{k % 4},view,{k % 28 + 1:02}/03/2014\n" for k in range(40))
    write(
        log__csv="user_id,item_id,action,date\n" + rows,
        bare__csv="".join(f"{k % 7},{k % 5 + 100},view,139363{k:04}\n" for k in range(40)),
    )
    text, config = proposal(tmp_path, plugins, "log.csv", "bare.csv")
    dated, bare = config.data.interactions
    assert dated.notation.dates == "day-first"
    assert bare.reading.header is False
    assert "nothing tells" not in text


def test_daily_files_are_one_entry(tmp_path, plugins):
    (tmp_path / "logs").mkdir()
    for day in ("2014-03-01", "2014-03-02", "2014-03-03"):
        rows = "".join(f"u{k},i{k % 4},view\n" for k in range(20))
        (tmp_path / "logs" / f"{day}.csv").write_text("user_id,item_id,action\n" + rows)
    for place in ("logs", "logs/*.csv"):
        config = Config.model_validate(tomllib.loads(propose([tmp_path / place], None, plugins, folder=tmp_path)))
        assert [entry.path for entry in config.data.interactions] == [place]
    built = ingest(config, plugins.domain("generic"), plugins, tmp_path).dataset
    assert built.report["rows"] == 60
    (tmp_path / "logs" / "items.csv").write_text("item_id,title\n" + "".join(f"i{k},Thing {k}\n" for k in range(9)))
    config = Config.model_validate(tomllib.loads(propose([tmp_path / "logs"], None, plugins, folder=tmp_path)))
    assert len(config.data.interactions) == 3
    assert [entry.path for entry in config.data.items] == ["logs/items.csv"]
