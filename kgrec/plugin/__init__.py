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
)
from kgrec.plugin.files import domain_hook, in_graphs, read_domain, read_relation
from kgrec.plugin.recipes import recipe_hook
from kgrec.plugin.spec import Spec, hookimpl, workspace_command

__all__ = [
    "ACTIONS",
    "Attribute",
    "Domain",
    "Mapping",
    "PromptTemplate",
    "RelationType",
    "Spec",
    "TextKind",
    "TextPattern",
    "domain_hook",
    "hookimpl",
    "in_graphs",
    "read_domain",
    "read_relation",
    "recipe_hook",
    "workspace_command",
]
