"""Write the tables between the markers of benchmarks/README.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from report import ablations, accuracy, goals, measurements

PARTS: Mapping[str, Callable[[], Iterable[str]]] = {
    "goals": goals.table,
    "accuracy": accuracy.sections,
    "gnn": accuracy.gnn_alone,
    "cold": measurements.cold,
    "ablations": ablations.tables,
    "clicks": measurements.clicks,
    "speed": measurements.speed,
    "versions": measurements.versions,
}
"""By the name in the markers ``<!-- begin NAME -->`` and ``<!-- end NAME -->``."""


def render(text: str, parts: Mapping[str, Callable[[], Iterable[str]]] = PARTS) -> str:
    """Return the page with the tables made anew; what is outside the markers stays.

    Raises:
        ValueError: a marker is missing.
    """
    for name, make in parts.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin not in text or end not in text:
            raise ValueError(f"the page has no markers for {name}")
        body = "\n\n".join(make())
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text = pattern.sub(lambda _, part=f"{begin}\n\n{body}\n\n{end}": part, text)
    return text
