"""education keeps the contracts."""

from kgrec.plugin import read_domain
from kgrec.testing import DomainContract, GuardContract, PluginContract, RerankerContract, toy_request

import kgrec_education
from kgrec_education.reranker import EducationReranker


class TestDomain(DomainContract):
    def make(self):
        return read_domain("kgrec_education")


class TestEducationGuard(GuardContract):
    def make(self):
        return kgrec_education.EducationGuard()

    def accepted(self):
        return [
            (toy_request("en"), "A course by Ada, twelve hours long."),
            (toy_request("de"), "Ein Kurs von Ada."),
            (toy_request("zh"), "Ada的课程。"),
        ]

    def rejected(self):
        return [
            (toy_request("en"), "You will pass the exam, guaranteed."),
            (toy_request("de"), "Ein Kurs ganz ohne Vorkenntnisse."),
            (toy_request("zh"), "零基础也能学。"),
        ]


class TestEducationReranker(RerankerContract):
    def make(self, **options):
        return EducationReranker(**{"attribute": "brand", **options})  # the toys have no prerequisites


class TestPlugin(PluginContract):
    def make(self):
        return kgrec_education
