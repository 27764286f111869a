"""home, a plugin of kgrec: scenes of a smart home that fit the hour."""

from kgrec.plugin import Spec, domain_hook, hookimpl

contract = 1
kgrec_domains = domain_hook(__name__)


@hookimpl
def kgrec_rerankers():
    return [Spec("home-hours", "kgrec_home.parts:HomeHours", "lifts scenes that fit the hour")]


@hookimpl
def kgrec_guards():
    return [Spec("home-day", "kgrec_home.parts:HomeDay", "parts of the day that are the scene's, nobody's whereabouts")]
