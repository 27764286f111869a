"""education, a plugin of kgrec: domain, guard, reranker."""

import re

from kgrec.plugin import Spec, domain_hook, hookimpl
from kgrec.plugin.generation import Violation

contract = 1
kgrec_domains = domain_hook(__name__)

PROMISE = re.compile(
    r"\b(?:guarantee[ds]?|you will (?:pass|get|earn)|(?:no|without) (?:prior|previous) knowledge|in your sleep"
    r"|garantiert|Sie werden bestehen|ohne Vorkenntnisse)\b|保证|包过|零基础",
    re.IGNORECASE,
)


class EducationGuard:
    """Refuses promises of success, and that a course needs nothing beforehand, unless the syllabus says so."""

    def check(self, request, facts, text):
        """Return what is wrong with a text, in words that its writer can act on; nothing when it may be shown."""
        told = " ".join(fact.value for fact in facts if fact.type == "text").casefold()
        untold = (promise for promise in PROMISE.findall(text) if promise.casefold() not in told)
        return [Violation("education-guard", "promise nothing that the syllabus does not", word) for word in untold]


@hookimpl
def kgrec_guards():
    return [Spec("education-guard", "kgrec_education:EducationGuard", "no promises of success")]


@hookimpl
def kgrec_rerankers():
    return [
        Spec("education-reranker", "kgrec_education.reranker:EducationReranker", "prerequisites before what needs them")
    ]
