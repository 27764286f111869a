"""A look at the words of a SPARQL text, without understanding it: enough to refuse what must not run, and to hint."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kgrec.errors import UsageError, did_you_mean

UPDATES = frozenset({"insert", "delete", "load", "clear", "create", "drop", "add", "move", "copy", "with"})

_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<iri><[^<>"{}|^`\\\s]*>)
    | (?P<string>\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<variable>[?$]\w+)
    | (?P<language>@[A-Za-z-]+)
    | (?P<name>(?:[^\W\d_][\w.-]*)?:(?:[\w:%-]|\.(?=[\w:%-])|\\.)*)
    | (?P<word>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def check_readable(sparql: str) -> None:
    """Refuse what is no query of this store: an update, or a call to a remote one.

    Raises:
        UsageError: says which word is not allowed, and where.
    """
    # SPARQL allows \u0053 for any letter anywhere, so a forbidden word may be spelt like that.
    text = re.sub(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})", _unescape, sparql)
    words = [(m["word"].casefold(), m.start("word")) for m in _TOKEN.finditer(text) if m["word"]]
    if not words:
        raise UsageError("the query is empty", hint="for example SELECT ?item ?label WHERE { ?item rdfs:label ?label }")
    verb = next(((w, at) for w, at in words if w not in ("prefix", "base")), words[0])
    if verb[0] in UPDATES:
        raise UsageError(
            f"{verb[0].upper()} changes data, and the store is read-only ({position(text, verb[1])})",
            hint="use SELECT, ASK, CONSTRUCT or DESCRIBE; data is changed with `kgrec build-graph --append`",
        )
    for word, at in words:
        if word == "service":
            raise UsageError(
                f"SERVICE asks another server, which is not allowed ({position(text, at)})",
                hint="query only what is in the workspace's graph",
            )


def explain_syntax(sparql: str, message: str, known_prefixes: Iterable[str]) -> UsageError:
    """Turn the parser's ``error at 3:9: expected ...`` into an error with line, column and the text there."""
    unknown = _unknown_prefix(sparql, set(known_prefixes))
    if unknown:
        prefix, at = unknown
        known = sorted(known_prefixes)
        near = did_you_mean(prefix, known) or ""
        return UsageError(
            f"SPARQL: prefix {prefix + ':'!r} is not declared ({position(sparql, at)})",
            hint=f"{near} add PREFIX {prefix}: <IRI>, or use one of {', '.join(known)}".strip(),
        )
    found = re.match(r"error at (\d+):(\d+): (.*)", message, re.DOTALL)
    if not found:
        return UsageError(f"SPARQL: {message}", hint="see https://www.w3.org/TR/sparql11-query/")
    line, column, what = int(found[1]), int(found[2]), found[3]
    if len(what) > 80:  # the parser lists every character that a name may begin with
        what = "unexpected text or end"
    lines = sparql.splitlines() or [""]
    shown = lines[line - 1] if line <= len(lines) else ""
    rest = shown[column - 1 :].strip()
    where = f"before {rest[:30]!r}" if rest else "at the end of the line"
    return UsageError(f"SPARQL, line {line}, column {column}: {what} {where}", hint=f"in: {shown.strip()}")


def position(text: str, at: int) -> str:
    """Return ``line 2, column 5`` of an offset."""
    before = text[:at]
    return f"line {before.count(chr(10)) + 1}, column {at - (before.rfind(chr(10)) + 1) + 1}"


def _unescape(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    return chr(code) if code < 0x110000 else " "


def _unknown_prefix(sparql: str, known: set[str]) -> tuple[str, int] | None:
    tokens = [m for m in _TOKEN.finditer(sparql) if m.lastgroup in ("name", "word")]
    declared = set(known)
    previous = ""
    for token in tokens:
        if token.lastgroup == "name":
            prefix = token["name"].split(":", 1)[0]
            if previous == "prefix":
                declared.add(prefix)
            elif prefix not in declared:
                return prefix, token.start()
        previous = (token["word"] or "").casefold()
    return None
