"""city, a plugin of kgrec: events by place and date; nothing that is over is listed, near places come first."""

from kgrec.plugin import Spec, domain_hook, hookimpl

contract = 1
kgrec_domains = domain_hook(__name__)


@hookimpl
def kgrec_rerankers():
    return [Spec("city-near", "kgrec_city.parts:CityNear", "drops what is over, lifts what is near")]


@hookimpl
def kgrec_guards():
    return [Spec("city-days", "kgrec_city.parts:CityDays", "days of the week that are those of the dates")]
