"""How to do it again: the command, the settings, the data's fingerprints, the versions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from kgrec.evaluate.records import RATINGS
from kgrec.report import Section, details, escaped, facts, paragraph, table
from kgrec.report.record import mapping, rows, text_of


def again(document: Mapping[str, Any]) -> Section:
    """Show what somebody needs to get the same figures."""
    found = mapping(document.get("reproduce"))
    data = mapping(found.get("data"))
    named = {
        "run": document.get("name"),
        "seconds": document.get("seconds"),
        "device": found.get("device"),
        "threads": found.get("threads"),
        **{f"fingerprint of the {name}": value for name, value in data.items()},
        "questions": mapping(document.get("data")).get("test_set"),
    }
    blocks: list[object] = [
        paragraph("The same command on a workspace with the same fingerprints and versions gives the same figures."),
        Markup("<pre>{}</pre>").format(escaped(command_of(document))),
        facts({name: text_of(value) for name, value in named.items() if value is not None}),
    ]
    weights = _weights(document)
    if weights:
        blocks.append(details("Weights of the scorers", weights))
    versions = mapping(found.get("versions"))
    if versions:
        shown = table(["package", "version"], [[name, str(value)] for name, value in versions.items()])
        blocks.append(details("Versions", shown))
    config = mapping(found.get("config"))
    if config:
        written = json.dumps(config, ensure_ascii=False, indent=1)
        blocks.append(details("All settings", Markup("<pre>{}</pre>").format(escaped(written))))
    return Section("How to do it again", blocks)


def command_of(document: Mapping[str, Any]) -> str:
    """Return the command line that asks for the same; what is at its default is left out."""
    plan = mapping(document.get("plan"))
    if "replay" in document:
        return shlex.join(_loop(plan))
    words = ["kgrec", "evaluate"]
    if "predictors" in document or document.get("kind") == RATINGS:
        words += ["--ratings"] + (["--split", "given"] if plan.get("split") == "given" else [])
        words += (
            [] if plan.get("folds") in (None, 5) or plan.get("split") == "given" else ["--folds", str(plan["folds"])]
        )
    else:
        words += ["--split", str(plan.get("split", "ratio"))]
        words += ["--fraction", str(plan["fraction"])] if plan.get("fraction") not in (None, 0.2) else []
        words += ["--folds", str(plan["folds"])] if plan.get("split") == "k-fold" and plan.get("folds") else []
        words += ["-k", _joined(plan["ks"])] if plan.get("ks") else []
    words += ["--seeds", _joined(plan["seeds"])] if plan.get("seeds") else []
    words += ["--only", _joined(plan["only"])] if plan.get("only") else []
    words += ["--ablate"] if plan.get("ablate") else []
    for step in plan.get("rerank") or ():
        words += ["--rerank", str(step)]
    for sweep in rows(plan.get("sweeps")):
        words += ["--sweep", f"{sweep.get('step')}.{sweep.get('option')}={_joined(sweep.get('values') or ())}"]
    return shlex.join(words)


def _loop(plan: Mapping[str, Any]) -> list[str]:
    words = ["kgrec", "simulate", "--rounds", str(plan.get("rounds", 20)), "-n", str(plan.get("k", 20))]
    words += ["--seeds", _joined(plan["seeds"])] if plan.get("seeds") else []
    words += ["--fraction", str(plan["fraction"])] if plan.get("fraction") not in (None, 0.2) else []
    words += ["--only", _joined(plan["only"])] if plan.get("only") else []
    return words + [word for step in plan.get("rerank") or () for word in ("--rerank", str(step))]


def _joined(values: Any) -> str:
    return ",".join(str(value) for value in values)


def _weights(document: Mapping[str, Any]) -> Markup | None:
    lines = [
        [system.get("name"), place + 1, name, weight]
        for system in rows(document.get("systems"))
        for place, weights in enumerate(system.get("weights") or ())
        for name, weight in mapping(weights).items()
    ]
    return (
        table(["system", "round", "scorer", "weight"], lines, caption="Learned on validation likes") if lines else None
    )
