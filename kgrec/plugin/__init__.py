"""The plugin contract. A plugin is a module with a few functions, found by the entry-point group ``kgrec``.

>>> from kgrec.plugin import Spec, hookimpl
>>> @hookimpl
... def kgrec_scorers():
...     return [Spec("shortest-title", "my_package.scorers:ShortestTitle", "items with short titles first")]

and in its pyproject.toml::

    [project.entry-points.kgrec]
    my-plugin = "my_package.plugin"
"""

from kgrec.plugin.domain import (
    ACTIONS,
    Attribute,
    Domain,
    Mapping,
    PromptTemplate,
    RelationType,
    TextKind,
    TextPattern,
    prompt_variants,
    read_prompt,
)
from kgrec.plugin.files import DBPEDIA, SCHEMA_ORG, WIKIDATA, DomainFiles, in_graphs
from kgrec.plugin.spec import Spec, hookimpl, workspace_command

__all__ = [
    "ACTIONS",
    "DBPEDIA",
    "SCHEMA_ORG",
    "WIKIDATA",
    "Attribute",
    "Domain",
    "DomainFiles",
    "Mapping",
    "PromptTemplate",
    "RelationType",
    "Spec",
    "TextKind",
    "TextPattern",
    "hookimpl",
    "in_graphs",
    "prompt_variants",
    "read_prompt",
    "workspace_command",
]
