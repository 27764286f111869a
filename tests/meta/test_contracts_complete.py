"""Everything on offer has a contract test, and every Spec leads to a class that is there."""

import ast
import functools
from pathlib import Path

import pytest

from kgrec.plugin.manager import OFFERS, load_plugins

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    "data source": "DataSourceContract",
    "entity linker": "EntityLinkerContract",
    "text encoder": "TextEncoderContract",
    "scorer": "ScorerContract",
    "re-ranker": "RerankerContract",
    "language model": "LanguageModelContract",
    "generator": "GeneratorContract",
    "guard": "GuardContract",
}
SPECS = [
    (kind, name, offer)
    for kind in OFFERS
    if kind not in ("domain", "command")
    for name, offer in load_plugins().registry(kind).items()
]


@functools.cache
def contract_tests(contract, folder):
    """Return the names used in test classes that derive from ``contract``, directly or through another of the file."""
    used = set()
    for file in folder.rglob("test_*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        derived = {contract}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and derived & {ast.unparse(base).split(".")[-1] for base in node.bases}:
                derived.add(node.name)
                used |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                used |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    return used


def folder_of(owner):
    return ROOT / "tests" if owner == "kgrec" else ROOT / "plugins" / f"kgrec-{owner}" / "tests"


@pytest.mark.parametrize(("kind", "name", "offer"), SPECS, ids=lambda value: str(value).replace(" ", "-")[:40])
def test_spec_loads(kind, name, offer):
    assert isinstance(offer.load(), type)


@pytest.mark.parametrize("kind", CONTRACTS)
def test_every_offer_has_its_contract_test(kind):
    registry = load_plugins().registry(kind)
    missing = [
        name
        for name, offer in registry.items()
        if offer.target.split(":")[1] not in contract_tests(CONTRACTS[kind], folder_of(registry.owner(name)))
    ]
    assert missing == [], f"no test class derives from {CONTRACTS[kind]} for these"


def test_every_kind_of_offer_has_a_contract():
    assert {*CONTRACTS, "domain", "command"} == set(OFFERS)


@pytest.mark.parametrize("kind", OFFERS)
def test_every_kind_of_offer_is_used(kind):
    """A package that is not about plugins asks the registry for it by its name."""
    core = [f for f in (ROOT / "kgrec").rglob("*.py") if f.parts[-2] not in ("plugin", "testing")]
    asked = f'registry("{kind}")'
    assert any(asked in file.read_text(encoding="utf-8") for file in core)


@pytest.mark.parametrize("plugin", load_plugins().plugins, ids=lambda plugin: plugin.name)
def test_every_plugin_is_held_to_the_contracts(plugin):
    folder = folder_of(plugin.name)
    assert contract_tests("PluginContract", folder)
    if "kgrec_domains" in plugin.hooks:
        assert contract_tests("DomainContract", folder)
    if "kgrec_commands" in plugin.hooks:
        assert contract_tests("CommandsContract", folder)
