"""Terms of texts: English words by a regular expression, Chinese words by jieba."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import jieba

WORD = r"\p{Han}+|[\p{L}\p{N}--\p{Han}]+(?:['’\-][\p{L}\p{N}--\p{Han}]+)*"
"""A run of Chinese characters, or a word with inner apostrophes and hyphens (the regex crate's syntax)."""

_ENGLISH = (
    "a about above after again against all also am an and any are as at be because been before being below between "
    "both but by can could did do does doing down during each few for from further get gets had has have having he "
    "her here hers him his how i if in into is it its itself just like liked me more most my no nor not now of off on "
    "once one only or other our out over own really same she should so some such than that the their them then there "
    "these they this those through to too two under until up us very was we well were what when where which while who "
    "whom why will with would you your"
)
_CHINESE = (
    "的 了 和 是 在 我 有 也 就 都 而 及 与 或 着 一个 没有 我们 你们 他们 她们 它们 这个 那个 这 那 你 他 她 它 不 很 "
    "被 把 从 到 对 为 以 于 上 下 中 等 个 一 人 说 要 会 去 来 还 又 吗 吧 啊 呢 太 喜欢 关于 非常 因为 所以 但是 "
    "如果 一部 可以 自己 什么 怎么 就是 还是 这样 那样 以及 之 其 并 让 使 向 由"
)
STOP_WORDS = frozenset((_ENGLISH + " " + _CHINESE).split())
"""Words that say nothing about a taste."""


def tokenise(texts: Sequence[str] | pl.Series) -> pl.DataFrame:
    """Return the terms of ``texts`` as a table with the columns ``text`` (u32, position) and ``term``, in their order.

    Terms are lower case, without stop words, single Latin letters and bare numbers of fewer than four digits.
    """
    words = (
        pl.DataFrame({"term": pl.Series(texts, dtype=pl.String)})
        .with_columns(text=pl.int_range(pl.len(), dtype=pl.UInt32))
        .with_columns(pl.col("term").str.to_lowercase().str.extract_all(WORD))
        .explode("term")
        .drop_nulls("term")
        .select("text", "term")
    )
    runs = words.filter(pl.col("term").str.contains(r"^\p{Han}")).select("term").unique()
    if runs.height:
        cut = pl.DataFrame(
            {"term": runs["term"], "words": _cut(runs["term"].to_list())},
            schema={"term": pl.String, "words": pl.List(pl.String)},
        )
        words = words.join(cut, on="term", how="left", maintain_order="left").with_columns(
            pl.when(pl.col("words").is_null()).then(pl.concat_list("term")).otherwise(pl.col("words")).alias("words")
        )
        words = words.explode("words").select("text", pl.col("words").alias("term")).drop_nulls()
    term = pl.col("term")
    return words.filter(
        ~term.is_in(list(STOP_WORDS)),
        ~term.str.contains(r"^[\p{L}--\p{Han}]$"),
        ~term.str.contains(r"^\p{N}{1,3}$"),
    )


def _cut(runs: list[str]) -> list[list[str]]:
    tokeniser = chinese_tokeniser()
    return [tokeniser.lcut(run) for run in runs]


@cache
def chinese_tokeniser() -> jieba.Tokenizer:
    """Return a Chinese tokeniser that reads jieba's dictionary itself.

    ``Tokenizer.initialize`` would log, and keep a marshalled copy in the machine's shared temporary folder, which
    anybody could replace.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pkg_resources and of old escape sequences
        import jieba

    tokeniser = jieba.Tokenizer()
    tokeniser.FREQ, tokeniser.total = tokeniser.gen_pfdict(tokeniser.get_dict_file())
    tokeniser.initialized = True
    return tokeniser
