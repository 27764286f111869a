"""social, a plugin of kgrec: posts, and lists that know who follows whom."""

from kgrec.plugin import Spec, domain_hook, hookimpl

contract = 1
kgrec_domains = domain_hook(__name__)


@hookimpl
def kgrec_rerankers():
    return [Spec("social-follows", "kgrec_social.parts:SocialFollows", "lifts what followed people liked")]


@hookimpl
def kgrec_guards():
    return [Spec("social-gossip", "kgrec_social.parts:SocialGossip", "no claims on whom one follows, no crowds")]
