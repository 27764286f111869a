"""music, a plugin of kgrec: domain, guard."""

import re

from kgrec.plugin import Spec, domain_hook, hookimpl
from kgrec.plugin.generation import Violation

contract = 1
kgrec_domains = domain_hook(__name__)

QUOTED = re.compile(r"[“„\"]([^“”„\"]+)[”“\"]|[《「]([^》」]+)[》」]")
EDITION = re.compile(
    r"\b(?:live (?:album|recording)|remaster(?:ed)?|unplugged|deluxe|bonus tracks?|Live-?(?:Album|Aufnahme))\b"
    r"|现场(?:专辑|录音)|重制|豪华版",
    re.IGNORECASE,
)


class MusicGuard:
    """Refuses lines of lyrics (quotations that are no name), and editions of an album that no fact tells of."""

    def check(self, request, facts, text):
        """Return what is wrong with a text, in words that its writer can act on; nothing when it may be shown."""
        told = " ".join(name for fact in facts for name in (fact.value, *fact.aliases)).casefold()
        wrong = []
        for quoted in (found[0] or found[1] for found in QUOTED.findall(text)):
            long = len(quoted.split()) > 3 or len(re.findall(r"[\u4e00-\u9fff]", quoted)) > 11
            if long and quoted.strip(" .,!?。，").casefold() not in told:
                wrong.append(Violation("music-guard", "quote no lyrics", quoted))
        untold = (edition for edition in EDITION.findall(text) if edition.casefold() not in told)
        return wrong + [Violation("music-guard", "no fact tells of this edition", edition) for edition in untold]


@hookimpl
def kgrec_guards():
    return [Spec("music-guard", "kgrec_music:MusicGuard", "no lyrics, and no edition that there is none of")]
