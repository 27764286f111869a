import os
import re
from pathlib import Path

import polars as pl
import pytest
from kgrec_video import commands, movielens, plugin

from kgrec.cli.app import main
from kgrec.errors import DataError, NotFoundError
from kgrec.plugin import read_domain
from kgrec.plugin.manager import load_plugins
from kgrec.testing import CommandsContract, DataSourceContract, DomainContract, PluginContract

DATA = Path(os.environ.get("KGREC_DATA", Path(__file__).parents[4] / "shared" / "data"))

VIDEO = read_domain("kgrec_video")


class TestVideoDomain(DomainContract):
    def make(self):
        return VIDEO


class TestVideoPlugin(PluginContract):
    def make(self):
        return plugin


class TestVideoCommands(CommandsContract):
    def make(self):
        return plugin


class TestMovieLensTags(DataSourceContract):
    file_name = "tags.dat"
    table = pl.DataFrame(
        {
            "user_id": ["1", "2", "3"],
            "item_id": ["10", "20", "30"],
            "tag": ["worth it: twice", 'she said "no"', "卧虎藏龙 | l'été"],
            "timestamp": ["978300760", "978302109", "978301968"],
        }
    )

    def make(self):
        return movielens.MovieLensSource()

    def write(self, table, path):
        path.write_text("".join("::".join(row) + "\n" for row in table.rows()), encoding="utf-8")


def test_u_item_flags_become_genres_and_old_files_are_latin_1(tmp_path):
    flags = {"Animation", "Children's", "Comedy"}
    row = "|".join(["1", "Été (1995)", "01-Jan-1995", "", "http://x", *("01"[g in flags] for g in movielens.GENRES)])
    none = "|".join(["2", "Plain (1990)", "", "", "", *("0" for _ in movielens.GENRES)])
    (tmp_path / "u.item").write_bytes(f"{row}\r\n{none}\r\n".encode("latin-1"))
    table = movielens.MovieLensSource().read(tmp_path / "u.item")
    assert table["title"].to_list() == ["Été (1995)", "Plain (1990)"]
    assert table["genres"].to_list() == ["Animation|Children's|Comedy", ""]
    assert table["__line__"].to_list() == [1, 2]
    assert "Comedy" not in table.columns


def test_a_short_row_is_named_by_its_line(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::2::5::978300760\n\n1::3::4\n")
    with pytest.raises(DataError, match=r"ratings\.dat, line 3: 3 fields where MovieLens has 4") as caught:
        movielens.MovieLensSource().read(tmp_path / "ratings.dat")
    assert "user_id, item_id, rating, timestamp" in caught.value.hint


def test_people_are_one_type_so_that_a_writer_who_directs_is_one_node():
    people = {r.name for r in VIDEO.relation_types if r.tail == "person"}
    assert people == {
        "directed_by", "starring", "written_by", "produced_by", "shot_by", "edited_by", "music_by",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("foreign", "name", "turned"),
    [
        ("film.film.directed_by", "directed_by", False),
        ("film.director.film", "directed_by", True),
        ("film.film.actor", "starring", False),
        ("film.actor.film", "starring", True),
        ("film.producer.film", "produced_by", True),
        ("film.film.genre", "has_genre", False),
        ("film.film_genre.films_in_this_genre", "has_genre", True),
        ("film.film.prequel", "followed_by", True),
        ("dbo:starring", "starring", False),
        ("http://dbpedia.org/ontology/musicComposer", "music_by", False),
        ("https://schema.org/director", "directed_by", False),
        ("http://www.wikidata.org/prop/direct/P57", "directed_by", False),
    ],
)
def test_foreign_names_keep_their_direction(foreign, name, turned):
    ((_, _, meaning),) = commands.known_relations({foreign: 1})
    assert meaning == (f"{name} (turned round)" if turned else name)


def test_douban_lists_are_split_by_slashes_and_movielens_keeps_its_own_titles():
    douban = load_plugins().schema_mapping("video", "movies.tsv", ["douban_id", "title", "directors", "genres", "plot"])
    assert douban.columns == {"id": "douban_id", "title": "title", "description": "plot"}
    assert douban.attributes["directors"].separator == " / "
    assert "cast" not in douban.attributes
    columns = ["item_id", "title", "imdb_title", "genres", "imdb_genres", "imdb_year", "plot", "directors", "cast"]
    joined = load_plugins().schema_mapping("video", "items.tsv.gz", columns)
    assert joined.columns["title"] == "title"
    assert (joined.attributes["genres"].column, joined.attributes["genres"].separator) == ("genres", "|")
    assert joined.attributes["cast"].separator == ", "
    assert joined.attributes["year"].column == "imdb_year"
    assert load_plugins().schema_mapping("news", "items.tsv.gz", columns) is None
    assert load_plugins().schema_mapping("video", "films.csv", ["film_id", "title"]) is None


@pytest.mark.parametrize(
    ("text", "relation", "entity"),
    [
        ("A quiet thriller directed by Greta Grimaldson in 1987.", "directed_by", "Greta Grimaldson"),
        ("Another film by Quirin Quillfeather.", "directed_by", "Quirin Quillfeather"),
        ("Starring Ada de la Corvane and others", "starring", "Ada de la Corvane"),
        ('Based on the novel "The Long Way" by nobody', "based_on", "The Long Way"),
        ("本片由张一默执导，讲述……", "directed_by", "张一默"),
        ("改编自同名小说《长路》", "based_on", "长路"),
    ],
)
def test_patterns(text, relation, entity):
    found = {(p.relation, match["entity"]) for p in VIDEO.patterns if (match := re.search(p.pattern, text)) is not None}
    assert (relation, entity) in found


def test_coverage_counts_tables_and_rdf(tmp_path, capsys):
    (tmp_path / "kg.tsv").write_text("head\trelation\ttail\nm.1\tfilm.director.film\tm.2\nm.1\todd.one\tm.3\n")
    assert main(["video", "coverage", str(tmp_path / "kg.tsv")]) == 0
    captured = capsys.readouterr()
    assert re.search(r"film\.director\.film +1 +directed_by \(turned round\)", captured.out)
    assert "1 of 2 triples" in captured.err
    (tmp_path / "kg.ttl").write_text('<x:a> a <x:Film> ; <https://schema.org/director> <x:b> ; <x:odd> "c" , "d" .')
    counts = commands.relation_counts(tmp_path / "kg.ttl", load_plugins([]))
    assert counts == {"x:odd": 2, "https://schema.org/director": 1}


def test_coverage_says_what_is_wrong(tmp_path):
    manager = load_plugins([])
    with pytest.raises(NotFoundError, match="no such file"):
        commands.relation_counts(tmp_path / "gone.tsv", manager)
    (tmp_path / "kg.tsv").write_text("head\trelatoin\ttail\na\tb\tc\n")
    with pytest.raises(NotFoundError, match="unknown column 'relation'") as caught:
        commands.relation_counts(tmp_path / "kg.tsv", manager)
    assert "relatoin" in caught.value.hint
    (tmp_path / "kg.ttl").write_text("this is no turtle")
    with pytest.raises(DataError, match="is not turtle"):
        commands.relation_counts(tmp_path / "kg.ttl", manager)
    (tmp_path / "kg.xyz").write_text("?")
    with pytest.raises(DataError, match="neither a table nor"):
        commands.relation_counts(tmp_path / "kg.xyz", manager)


@pytest.mark.slow
def test_every_relation_of_the_movielens_graph_is_known_with_its_direction():
    file = DATA / "ml-100k" / "kg.tsv.gz"
    if not file.exists():
        pytest.skip("ml-100k is not there; set KGREC_DATA")
    graph = pl.read_csv(file, separator="\t", quote_char=None)
    films = set(pl.read_csv(file.parent / "link.tsv", separator="\t", quote_char=None)["entity"])
    counts = dict(graph["relation"].value_counts().iter_rows())
    rows = commands.known_relations(counts)
    assert len(rows) == 24
    assert all(meaning for _, _, meaning in rows)
    for name, _, meaning in rows:
        from_film = graph.filter(pl.col("relation") == name)["head"].is_in(list(films)).mean()
        if not meaning.startswith("followed_by"):
            assert (from_film < 0.5) == meaning.endswith("(turned round)"), name
