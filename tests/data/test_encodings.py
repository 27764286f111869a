import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.data.sources.encodings import encoding_of, to_utf8
from kgrec.errors import ConfigError, DataError

TEXTS = {
    "gb18030": "用户,商品,评分\n张三,红楼梦,5\n李四,西游记,4\n",
    "cp1252": "Käufer;Artikel;Preis\nMüller;Schraubenschlüssel groß – 5€;4,5\nJörg;Bücher für Anfänger;3\n",
    "big5": "用戶,商品\n張三,紅樓夢\n李四,西遊記\n",
    "cp1251": "покупатель,товар\nИван,Война и мир\nМария,Мастер и Маргарита\n",
    "cp932": "ユーザー,商品\n田中,千と千尋の神隠し\n鈴木,君の名は\n",
    "utf-16-le": "user,title\nu1,Été\n",
    "utf-16-be": "user,title\nu1,红楼梦\n",
    "utf-8": "user,title\nu1,红楼梦\nu2,Été\n",
}


@pytest.mark.parametrize("times", [1, 500])
@pytest.mark.parametrize("name", TEXTS)
def test_the_encoding_is_told_from_the_bytes(tmp_path, name, times):
    data = TEXTS[name].encode(name) * times
    assert encoding_of(data) == name
    assert to_utf8(tmp_path / "x.csv", data).decode() == TEXTS[name] * times


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_at_the_beginning_tells(tmp_path, name):
    assert to_utf8(tmp_path / "x.csv", "a,b\n名,é\n".encode(name)).decode() == "a,b\n名,é\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [("u,i\nu1,café\n", "cp1252"), ("用户,动作\nu1,收藏\nu2,点击\n", "gb18030"), ("a,b\nSão Paulo,Ñandú\n", "cp1252")],
)
def test_few_words_are_enough(tmp_path, text, name):
    assert to_utf8(tmp_path / "x.csv", text.encode(name)).decode() == text


def test_damage_in_utf8_names_the_line_and_a_fitting_encoding(tmp_path):
    with pytest.raises(DataError, match="line 51 is not UTF-8") as caught:
        to_utf8(tmp_path / "x.csv", "红楼梦,西游记\n".encode() * 50 + "水浒传,三国演义\n".encode("gbk"))
    assert "gb18030" in caught.value.hint.lower()


def test_a_stated_encoding_counts(tmp_path):
    path, data = tmp_path / "x.csv", "a\nžluť\n".encode("cp1250")
    assert to_utf8(path, data, "cp1250").decode() == "a\nžluť\n"
    with pytest.raises(DataError, match="line 2 is not ascii"):
        to_utf8(path, data, "ascii")
    with pytest.raises(ConfigError, match="no encoding 'klingon'"):
        to_utf8(path, data, "klingon")


@settings(deadline=None, max_examples=80)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40))
def test_utf8_is_never_taken_for_something_else(tmp_path_factory, text):
    data = ("id,title\n1," + text).encode()
    assert to_utf8(tmp_path_factory.getbasetemp() / "x.csv", data) == data
