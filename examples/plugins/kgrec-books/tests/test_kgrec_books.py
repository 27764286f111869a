"""books keeps the contracts."""

from kgrec.plugin import read_domain
from kgrec.testing import DomainContract, GuardContract, PluginContract, toy_request

import kgrec_books


class TestDomain(DomainContract):
    def make(self):
        return read_domain("kgrec_books")


class TestBooksGuard(GuardContract):
    def make(self):
        return kgrec_books.BooksGuard()

    def accepted(self):
        return [
            (toy_request("en"), "A film by Ada, and a good one for the train."),
            (toy_request("de"), "Ein Buch von Ada."),
            (toy_request("zh"), "Ada的书。"),
        ]

    def rejected(self):
        return [
            (toy_request("en"), "The pilot turns out to be alive."),
            (toy_request("en"), "The third volume of the series."),
            (toy_request("de"), "Der Mörder ist der Lotse."),
            (toy_request("zh"), "凶手就是引航员。"),
        ]


class TestPlugin(PluginContract):
    def make(self):
        return kgrec_books
