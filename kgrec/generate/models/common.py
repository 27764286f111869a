"""What every model's answers go through: white space, quotation marks, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_QUOTES = {'"': '"', "“": "”", "'": "'", "「": "」"}
_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def first_line(text: str) -> str:
    r"""Return the first line that says something, without quotation marks around all of it.

    >>> first_line('\n "A quiet film."\nFacts: more')
    'A quiet film.'
    """
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if len(line) > 2 and _QUOTES.get(line[0]) == line[-1] and line[0] not in line[1:-1]:
        line = line[1:-1].strip()
    return line


def valid_json(text: str, schema: Mapping[str, Any]) -> str:
    """Return the JSON object in ``text`` that meets ``schema``, or the empty string.

    >>> valid_json('Here: {"text": "x"} bye', {"type": "object", "required": ["text"]})
    '{"text": "x"}'
    """
    import jsonschema

    fenced = _FENCED.search(text)
    body = fenced.group(1) if fenced else text
    start = body.find("{")
    if start < 0:
        return ""
    try:
        found, _ = json.JSONDecoder().raw_decode(body[start:])
        jsonschema.validate(found, dict(schema))
    except (ValueError, RecursionError, jsonschema.ValidationError):
        return ""
    return json.dumps(found, ensure_ascii=False)
