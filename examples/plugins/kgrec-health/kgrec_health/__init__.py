"""health, a plugin of kgrec: domain, guard."""

import re

from kgrec.plugin import Spec, domain_hook, hookimpl
from kgrec.plugin.generation import Violation

contract = 1
kgrec_domains = domain_hook(__name__)

MEDICAL = re.compile(
    r"\b(?:cures?|heals?|diagnos\w+|prescri\w+|doses?|instead of (?:a|your|the) doctor|no need (?:for|to see) a doctor"
    r"|heilt|Diagnose\w*|Dosis|statt zum Arzt|keinen Arzt)\b|\b\d+ ?mg\b|治愈|根治|剂量|确诊|不用看医生",
    re.IGNORECASE,
)


class HealthGuard:
    """Refuses cures, doses, diagnoses and reasons not to see a doctor, unless the article itself speaks of them."""

    def check(self, request, facts, text):
        """Return what is wrong with a text, in words that its writer can act on; nothing when it may be shown."""
        told = " ".join(fact.value for fact in facts if fact.type in {"title", "text"}).casefold()
        untold = (claim for claim in MEDICAL.findall(text) if claim.casefold() not in told)
        return [Violation("health-guard", "the article says nothing of this", claim) for claim in untold]


@hookimpl
def kgrec_guards():
    return [Spec("health-guard", "kgrec_health:HealthGuard", "no cures, doses and diagnoses")]
