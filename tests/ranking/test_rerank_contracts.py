"""The contract of every built-in re-ranker."""

from typing import ClassVar

from kgrec.ranking.rerank.diversity import DPP, MMR, Calibrated, Spread
from kgrec.ranking.rerank.fairness import FairExposure, UserFair
from kgrec.ranking.rerank.novelty import Explore, LessPopular, LongTail, Novelty, Reach, Serendipity
from kgrec.ranking.rerank.rules import Bought, ByScore, Cap, Fresh, Rules
from kgrec.testing import RerankerContract

STRENGTH = {"strength": 0.0}


class TestMMR(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return MMR(**{"strength": 0.5, **options})


class TestDPP(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return DPP(**{"strength": 0.5, **options})


class TestCalibrated(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return Calibrated(**{"strength": 0.5, **options})


class TestLessPopular(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return LessPopular(**options)


class TestLongTail(RerankerContract):
    neutral: ClassVar = {"share": 0.0}

    def make(self, **options):
        return LongTail(**{"share": 0.5, **options})


class TestFairExposure(RerankerContract):
    neutral: ClassVar = {"strength": 0.0, "min_share": 0.0}

    def make(self, **options):
        return FairExposure(**{"attribute": "brand", "strength": 0.5, "min_share": 0.3, **options})


class TestUserFair(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return UserFair(**{"attribute": "gender", "strength": 0.5, **options})


class TestNovelty(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return Novelty(**options)


class TestSerendipity(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return Serendipity(**options)


class TestFresh(RerankerContract):
    neutral: ClassVar = {"strength": 0.0, "ttl_days": None}

    def make(self, **options):
        return Fresh(**{"ttl_days": 20, **options})


class TestRules(RerankerContract):
    neutral: ClassVar = {"block": [], "pin": [], "boost": {}}

    def make(self, **options):
        return Rules(**{"block": ["i3", "genre=a"], "pin": ["i4"], "boost": {"brand=brand 2": 0.5}, **options})


class TestCap(RerankerContract):
    neutral: ClassVar = {"most": 40}

    def make(self, **options):
        return Cap(**{"attribute": "brand", "most": 1, **options})


class TestBought(RerankerContract):
    def make(self, **options):
        return Bought(**options)


class TestExplore(RerankerContract):
    neutral: ClassVar = {"share": 0.0}

    def make(self, **options):
        return Explore(**{"share": 0.5, **options})


class TestSpread(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return Spread(**{"strength": 0.5, **options})


class TestReach(RerankerContract):
    neutral: ClassVar = STRENGTH

    def make(self, **options):
        return Reach(**{"strength": 0.5, **options})


class TestByScore(RerankerContract):
    neutral: ClassVar = {}

    def make(self, **options):
        return ByScore(**options)
