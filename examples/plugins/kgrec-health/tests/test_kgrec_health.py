"""health keeps the contracts."""

from kgrec.plugin import read_domain
from kgrec.testing import DomainContract, GuardContract, PluginContract, toy_request

import kgrec_health


class TestDomain(DomainContract):
    def make(self):
        return read_domain("kgrec_health")

    def test_no_kind_is_written_for_a_reader(self):
        assert not [kind.name for kind in self.make().kinds if kind.personal]


class TestHealthGuard(GuardContract):
    def make(self):
        return kgrec_health.HealthGuard()

    def accepted(self):
        return [
            (toy_request("en"), "An article from the clinic, four minutes long."),
            (toy_request("de"), "Ein Artikel der Klinik."),
            (toy_request("zh"), "诊所的文章。"),
        ]

    def rejected(self):
        return [
            (toy_request("en"), "It cures every cold, so there is no need to see a doctor."),
            (toy_request("en"), "Take 500 mg before you go to bed."),
            (toy_request("de"), "Das heilt jede Erkältung."),
            (toy_request("zh"), "一周根治感冒。"),
        ]


class TestPlugin(PluginContract):
    def make(self):
        return kgrec_health
