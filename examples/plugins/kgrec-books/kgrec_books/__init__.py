"""books, a plugin of kgrec: domain, guard."""

import re

from kgrec.plugin import Spec, domain_hook, hookimpl
from kgrec.plugin.generation import Violation

contract = 1
kgrec_domains = domain_hook(__name__)

ENDING = re.compile(
    r"\b(?:in the end|turns? out to be|(?:murderer|killer|culprit) (?:is|was)|am Ende|entpuppt sich"
    r"|(?:Mörder|Täter) (?:ist|war))\b|原来是|凶手[是就]|结局",
    re.IGNORECASE,
)
PLACES = (
    "first|erste|第一",
    "second|zweite|第二",
    "third|dritte|第三",
    "fourth|vierte|第四",
    "last|final|letzte|最后一",
)
PLACE = r"\b(?:{})[rnms]? (?:volume|book|part|Band|Buch|Teil)\b|(?:{})[卷部册]"


class BooksGuard:
    """Refuses texts that tell how a book ends, or that call it another volume of its series than it is."""

    def check(self, request, facts, text):
        """Return what is wrong with a text, in words that its writer can act on; nothing when it may be shown."""
        told = " ".join(fact.value for fact in facts if fact.type == "text").casefold()
        volumes = {int(fact.number) for fact in facts if fact.name == "volume" and fact.number}
        wrong = []
        for found in ENDING.findall(text):
            if found.casefold() not in told:
                wrong += [Violation("books-guard", "do not tell how the book ends", found)]
        for number, words in enumerate(PLACES, 1):
            for found in re.findall(PLACE.format(words, words), text, re.IGNORECASE):
                if number not in volumes and found.casefold() not in told:
                    wrong += [Violation("books-guard", "no fact says that it is this volume of its series", found)]
        return wrong


@hookimpl
def kgrec_guards():
    return [Spec("books-guard", "kgrec_books:BooksGuard", "no endings, and no wrong volume")]
