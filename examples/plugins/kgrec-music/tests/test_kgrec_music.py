"""music keeps the contracts."""

from kgrec.plugin import read_domain
from kgrec.testing import DomainContract, GuardContract, PluginContract, toy_request

import kgrec_music


class TestDomain(DomainContract):
    def make(self):
        return read_domain("kgrec_music")


class TestMusicGuard(GuardContract):
    def make(self):
        return kgrec_music.MusicGuard()

    def accepted(self):
        return [
            (toy_request("en"), "“Night Ferry” by Ada, played live in our heads."),
            (toy_request("de"), "Ein Album von Ada."),
            (toy_request("zh"), "Ada的专辑。"),
        ]

    def rejected(self):
        return [
            (toy_request("en"), "She sings “and the rain will know my name tonight”."),
            (toy_request("en"), "Now remastered."),
            (toy_request("de"), "Sie singt „und der Regen kennt mich schon“."),
            (toy_request("zh"), "这是现场专辑。"),
        ]


class TestPlugin(PluginContract):
    def make(self):
        return kgrec_music
