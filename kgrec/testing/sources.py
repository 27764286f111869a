"""The contracts of what reads: data sources, entity linkers, text encoders."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from kgrec.errors import DataError, KgrecError
from kgrec.plugin.options import option_defaults
from kgrec.plugin.protocols import DataSource, EntityLinker, Gazetteer, LinearEncoder, Link, TextEncoder
from kgrec.testing.plugins import Contract, untouched_random_state
from kgrec.types import Vectors

TABLE = pl.DataFrame(
    {
        "user_id": ["ann", "bob", "陈晨", "ann"],
        "item_id": ["film 1", "film 2", "卧虎藏龙", "film, 3"],
        "rating": ["4.5", "3", "5", "1"],
        "text": ["worth it", 'she said "no"', "很好看", "l'été; à la plage"],
    }
)
"""Strings with commas, quotes, semicolons, accents and Chinese."""


class DataSourceContract(Contract):
    """What every data source must keep.

    Attributes:
        file_name: a name that the source claims; the tests write and read a file of this name.
        table: what is written; override it where the format cannot hold :data:`TABLE`.
        keeps_blanks: False where the format itself cannot hold blanks at the end of a cell.
    """

    file_name: ClassVar[str]
    table: ClassVar[pl.DataFrame] = TABLE
    keeps_blanks: ClassVar[bool] = True

    @abstractmethod
    def make(self) -> DataSource:
        """Return a new data source."""

    @abstractmethod
    def write(self, table: pl.DataFrame, path: Path) -> None:
        """Write ``table`` (strings only) to ``path`` in the source's format."""

    def expected(self) -> pl.DataFrame:
        """Return what reading must give, as strings and without ``__line__``; by default what was written."""
        return self.table

    def written(self, folder: Path) -> Path:
        """Write :attr:`table` into ``folder`` and return the file."""
        path = folder / self.file_name
        self.write(self.table, path)
        return path

    def test_is_a_source(self) -> None:
        """It has the methods of the protocol."""
        assert isinstance(self.make(), DataSource)

    def test_claims_by_name(self, tmp_path: Path) -> None:
        """It claims its own files by their name, without looking into them, and no others."""
        source = self.make()
        assert source.claims(tmp_path / "not-there" / self.file_name)
        assert not source.claims(tmp_path / "picture.unknown-format")
        assert not source.claims(tmp_path / "no-suffix")

    def test_reads_what_was_written(self, tmp_path: Path) -> None:
        """Columns and values come back as they stand in the file."""
        table = self.make().read(self.written(tmp_path))
        assert isinstance(table, pl.DataFrame)
        expected = self.expected()
        assert table.columns[:-1] == expected.columns or set(table.columns) == {*expected.columns, "__line__"}
        assert table.select(pl.col(expected.columns).cast(pl.String)).equals(expected)

    def test_cells_are_not_stripped(self, tmp_path: Path) -> None:
        """Blanks around a value are the data's: kgrec trims ids and says so, a source hands on what is there."""
        if not self.keeps_blanks:
            return
        padded = self.table.with_columns(pl.format("{}{}", pl.col(pl.String), pl.lit(" ")).name.keep())
        self.write(padded, tmp_path / self.file_name)
        read = self.make().read(tmp_path / self.file_name).select(pl.col(self.table.columns).cast(pl.String))
        lost = [name for name in read.columns if read[name].to_list() != padded[name].to_list()]
        assert not lost, f"cells of {', '.join(lost)} were changed on the way: hand them on as they stand in the file"

    def test_lines_are_numbered(self, tmp_path: Path) -> None:
        """``__line__`` leads back to the line or row of the file."""
        lines = self.make().read(self.written(tmp_path))["__line__"]
        assert lines.dtype == pl.UInt32
        assert lines.null_count() == 0
        assert lines[0] >= 1
        assert lines.diff().drop_nulls().gt(0).all()

    def test_deterministic(self, tmp_path: Path) -> None:
        """Reading twice gives the same table."""
        path = self.written(tmp_path)
        assert self.make().read(path).equals(self.make().read(path))

    def test_file_is_not_modified(self, tmp_path: Path) -> None:
        """Reading changes nothing on the disk."""
        path = self.written(tmp_path)
        before = path.read_bytes()
        self.make().read(path)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_no_rows(self, tmp_path: Path) -> None:
        """A file with columns and no rows is a table without rows, or an error that says so."""
        path = tmp_path / self.file_name
        self.write(self.table.clear(), path)
        with suppress(DataError):
            assert self.make().read(path).height == 0

    def test_empty_file_is_an_error(self, tmp_path: Path) -> None:
        """A file of no bytes is named in the error."""
        self._refused(tmp_path, b"")

    def test_damaged_file_is_an_error(self, tmp_path: Path) -> None:
        """A file that is not what its name says is named in the error."""
        self._refused(tmp_path, b"\xff\xfe\x00 this is not a table \x80\x81\n\xc3\x28,\n")

    def test_missing_file_is_an_error(self, tmp_path: Path) -> None:
        """A file that is not there is a clear error, no traceback."""
        with pytest.raises(KgrecError, match="not-there"):
            self.make().read(tmp_path / f"not-there-{self.file_name}")

    def _refused(self, folder: Path, content: bytes) -> None:
        path = folder / self.file_name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            self.make().read(path)
        assert path.name in caught.value.message, "the error must name the file"


GAZETTEER = Gazetteer(
    names=("Christopher Nolan", "Nolan", "Jane Fonda", "New York", "New York City", "李安", "卧虎藏龙", "周润发"),
    entities=(0, 0, 1, 2, 3, 4, 5, 6),
    types=("person", "person", "place", "place", "person", "work", "person"),
    labels=("Christopher Nolan", "Jane Fonda", "New York", "New York City", "李安", "卧虎藏龙", "周润发"),
)
"""Names of seven entities, four English and three Chinese."""

MENTIONS = {
    "en": ("A film by Christopher Nolan, with Jane Fonda.", {0, 1}),
    "zh": ("李安执导的《卧虎藏龙》由周润发主演。", {4, 5, 6}),
}
"""By language: a text and the entities it names."""


class EntityLinkerContract(Contract):
    """What every entity linker must keep.

    Attributes:
        languages: in which it must find the names of :data:`GAZETTEER`: ``en``, ``zh``.
    """

    languages: ClassVar[tuple[str, ...]] = ("en", "zh")

    @abstractmethod
    def make(self) -> EntityLinker:
        """Return a new, unprepared linker."""

    def prepared(self) -> EntityLinker:
        """Return a linker that knows :data:`GAZETTEER`."""
        return self.make().prepare(GAZETTEER)

    def test_is_a_linker(self) -> None:
        """It has the methods of the protocol, and ``prepare`` can be chained."""
        linker = self.make()
        assert isinstance(linker, EntityLinker)
        assert linker.prepare(GAZETTEER) is linker

    def test_finds_names(self) -> None:
        """Names that stand in the text as they are in the gazetteer are found."""
        for language in self.languages:
            text, expected = MENTIONS[language]
            found = self._link(self.prepared(), [text])
            assert {link.entity for link in found} == expected, language

    def test_spans_cover_the_names(self) -> None:
        """A link's span is the mention itself."""
        names = {name.casefold() for name in GAZETTEER.names}
        for language in self.languages:
            text = MENTIONS[language][0]
            assert {text[link.start : link.end].casefold() for link in self._link(self.prepared(), [text])} <= names

    def test_longest_name_wins(self) -> None:
        """A name inside a longer one is not linked."""
        if "en" in self.languages:
            found = self._link(self.prepared(), ["She moved to New York City in spring."])
            assert [link.entity for link in found] == [3]

    def test_names_are_whole_words(self) -> None:
        """In languages with spaces a name is not found inside another word."""
        if "en" in self.languages:
            assert self._link(self.prepared(), ["The Nolanville fair, in Newyorkshire."]) == []

    def test_nothing_to_link(self) -> None:
        """No texts, empty texts and texts without names give no links."""
        linker = self.prepared()
        assert self._link(linker, []) == []
        assert self._link(linker, ["", "nothing of note here", "\n\t"]) == []

    def test_empty_gazetteer(self) -> None:
        """A graph without entities is no error."""
        assert self._link(self.make().prepare(Gazetteer((), (), (), ())), ["Jane Fonda"]) == []

    def test_one_by_one_equals_batch(self) -> None:
        """Each text is linked for itself."""
        texts = ["", *(text for text, _ in MENTIONS.values()), "Nolan in New York", "no name"]
        linker = self.prepared()
        single = [
            Link(position, link.start, link.end, link.entity, link.score)
            for position, text in enumerate(texts)
            for link in self._link(linker, [text])
        ]
        assert self._link(linker, texts) == single

    def test_deterministic(self) -> None:
        """A second linker finds the same."""
        texts = [text for text, _ in MENTIONS.values()]
        assert self._link(self.prepared(), texts) == self._link(self.prepared(), texts)

    def test_an_encoder_may_be_given(self) -> None:
        """An encoder settles ambiguous names; plain names are found as before."""
        from kgrec.text.encoders.hashing import HashingEncoder

        gazetteer = Gazetteer(
            names=("Mercury", "Mercury", "Jane Fonda"),
            entities=(0, 1, 2),
            types=("planet", "person", "person"),
            labels=("Mercury (planet)", "Freddie Mercury", "Jane Fonda"),
        )
        linker = self.make().prepare(gazetteer, HashingEncoder())
        found = self._link(linker, ["Jane Fonda looks at Mercury."])
        assert 2 in {link.entity for link in found} or "en" not in self.languages

    def test_any_characters(self) -> None:
        """No text makes it fail; spans stay inside it."""
        self._link(self.prepared(), ["Jane Fonda " * 2000, "🎬 Jane Fonda 🎬", "\x00", "İstanbul ﬁlm Jane Fonda"])

    def test_global_random_state_and_input_untouched(self) -> None:
        """Linking draws from nothing global and leaves the list alone."""
        texts = [MENTIONS["en"][0], ""]
        linker = self.prepared()
        linker.link(texts)
        with untouched_random_state():
            linker.link(texts)
        assert texts == [MENTIONS["en"][0], ""]

    def _link(self, linker: EntityLinker, texts: list[str]) -> list[Link]:
        links = linker.link(texts)
        assert isinstance(links, list)
        assert links == sorted(links, key=lambda link: (link.text, link.start)), "links must be in order"
        for before, link in zip([None, *links], links, strict=False):
            assert 0 <= link.text < len(texts)
            assert 0 <= link.start < link.end <= len(texts[link.text])
            assert 0 < link.score <= 1
            if before is not None and before.text == link.text:
                assert before.end <= link.start, "spans of one text must not overlap"
        return links


TEXTS: Mapping[str, tuple[str, str, str]] = {
    "en": (
        "A crew of astronauts flies a space ship to a distant planet",
        "Astronauts travel by space ship to a new planet",
        "How to bake sourdough bread with butter at home",
    ),
    "zh": ("宇航员驾驶飞船前往遥远的星球", "一艘飞船载着宇航员飞向新的星球", "在家用黄油烤面包的方法"),
}
"""By language: a text, one of the same meaning that shares words with it, and one of another meaning."""


class TextEncoderContract(Contract):
    """What every text encoder must keep.

    Attributes:
        languages: for which it must place similar texts nearer than others: ``en``, ``zh``.
        atol: how near vectors must be that ought to be the same.
    """

    languages: ClassVar[tuple[str, ...]] = ("en",)
    atol: ClassVar[float] = 1e-4
    _made: ClassVar[dict[type, TextEncoder]] = {}

    @abstractmethod
    def make(self) -> TextEncoder:
        """Return a new encoder."""

    def encoder(self) -> TextEncoder:
        """Return an encoder, made once a class: loading a model takes time."""
        if type(self) not in self._made:
            self._made[type(self)] = self.make()
        return self._made[type(self)]

    def test_is_an_encoder(self) -> None:
        """It has the members of the protocol."""
        encoder = self.encoder()
        assert isinstance(encoder, TextEncoder)
        assert isinstance(encoder.dim, int)
        assert encoder.dim > 0

    def test_terms_sum_to_the_text(self) -> None:
        """Where an encoder tells its terms, each comes once and their vectors sum to the vector of the text."""
        encoder = self.encoder()
        if not isinstance(encoder, LinearEncoder):
            return
        for text in (*TEXTS["en"], *TEXTS["zh"], ""):
            words, vectors = encoder.terms(text)
            assert len(words) == len(set(words)) == len(vectors)
            np.testing.assert_allclose(vectors.sum(axis=0), encoder.encode([text])[0], atol=self.atol)

    def test_fingerprint_is_stable(self) -> None:
        """Two encoders made alike may share a cache, and their fingerprint is a short printable string."""
        fingerprint = self.make().fingerprint
        assert isinstance(fingerprint, str)
        assert fingerprint == self.encoder().fingerprint
        assert fingerprint.isprintable()
        assert 0 < len(fingerprint) <= 200

    def test_fingerprint_tells_options(self) -> None:
        """Encoders whose vectors differ have different fingerprints: vectors are cached by it."""
        encoder, text = self.encoder(), "bread and butter"
        for name, value in option_defaults(type(encoder)).items():
            if not isinstance(value, bool | int | float):
                continue
            try:
                other = type(encoder)(**{name: not value if isinstance(value, bool) else type(value)(value * 2)})
                plain, changed = type(encoder)().encode([text]), other.encode([text])
            except Exception:  # an option that goes with another cannot be tried alone
                continue
            if plain.shape != changed.shape or not np.allclose(plain, changed, atol=self.atol):
                assert type(encoder)().fingerprint != other.fingerprint, (
                    f"option {name!r} changes the vectors and not the fingerprint: put it in, or old vectors are taken"
                )

    def test_another_process_gives_the_same(self) -> None:
        """Vectors are kept on disk: what the next process encodes must fit to them."""
        cls, text = type(self.encoder()), "bread and butter, 面包"
        try:
            plain = cls()
            if "<locals>" in cls.__qualname__ or plain.fingerprint != self.encoder().fingerprint:
                return
            expected = plain.encode([text])
        except Exception:  # it takes arguments that only the test knows
            return
        code = (
            f"import sys, importlib; sys.path[:0] = {sys.path!r}; cls = importlib.import_module({cls.__module__!r})\n"
            f"for part in {cls.__qualname__!r}.split('.'): cls = getattr(cls, part)\n"
            f"print('vector', *cls().encode([{text!r}])[0].tolist())"
        )
        around = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], capture_output=True, text=True, env=around, check=False
        )
        line = next((line for line in done.stdout.splitlines() if line.startswith("vector ")), "")
        assert line, f"it cannot be built in another process: {done.stderr[-300:]}"
        np.testing.assert_allclose(
            np.array(line.split()[1:], dtype=np.float32), expected[0], atol=self.atol,
            err_msg="another process gives other vectors: hash() differs from one to the next, take hashlib",
        )  # fmt: skip

    def test_unit_rows(self) -> None:
        """Vectors are float32 of unit length, one a text."""
        vectors = _check(self.encoder(), [text for texts in TEXTS.values() for text in texts])
        norms = np.linalg.norm(vectors, axis=1)
        assert np.all((np.abs(norms - 1) < 1e-3) | (norms == 0)), "rows must have length 1"
        known = np.concatenate([np.full(3, language in self.languages) for language in TEXTS])
        assert np.all(norms[known] > 0)

    def test_no_texts(self) -> None:
        """No texts give no rows."""
        _check(self.encoder(), [])

    def test_empty_text_is_the_zero_row(self) -> None:
        """An empty text says nothing, alone or among others."""
        alone = _check(self.encoder(), [""])
        assert not alone.any()
        among = _check(self.encoder(), ["bread", "", "butter"])
        assert not among[1].any()
        assert among[0].any()
        assert among[2].any()

    def test_one_by_one_equals_batch(self) -> None:
        """Which other texts are in the batch, and in what order, changes nothing."""
        texts = [*(text for texts in TEXTS.values() for text in texts), "", "bread", "bread and butter " * 40]
        whole = _check(self.encoder(), texts)
        single = np.concatenate([_check(self.encoder(), [text]) for text in texts])
        np.testing.assert_allclose(single, whole, atol=self.atol)
        np.testing.assert_allclose(_check(self.encoder(), texts[::-1]), whole[::-1], atol=self.atol)

    def test_deterministic(self) -> None:
        """A second encoder gives the same vectors."""
        texts = [text for texts in TEXTS.values() for text in texts]
        np.testing.assert_allclose(_check(self.make(), texts), _check(self.encoder(), texts), atol=self.atol)

    def test_similar_texts_are_nearer(self) -> None:
        """In each of ``languages``, a paraphrase is nearer than a text about something else."""
        for language in self.languages:
            text, similar, other = _check(self.encoder(), TEXTS[language])
            assert text @ similar > text @ other, language

    def test_any_characters(self) -> None:
        """No text makes it fail: very long, emoji, control characters, mixed scripts."""
        _check(self.encoder(), ["word " * 3000, "🎬🍿", "\x00\x01\t\n", "电影 movie кино فيلم", "a", "？！"])

    def test_global_random_state_and_input_untouched(self) -> None:
        """Encoding draws from nothing global and leaves the list alone."""
        texts = ["bread", "", "butter"]
        encoder = self.encoder()
        encoder.encode(texts)  # imports what it needs, so that torch's state can be looked at
        with untouched_random_state():
            encoder.encode(texts)
        assert texts == ["bread", "", "butter"]


def _check(encoder: TextEncoder, texts: list[str] | tuple[str, ...]) -> Vectors:
    vectors = encoder.encode(texts)
    assert isinstance(vectors, np.ndarray)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), encoder.dim)
    assert np.isfinite(vectors).all()
    return vectors
