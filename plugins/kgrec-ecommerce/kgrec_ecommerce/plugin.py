"""Online shops: what columns, actions and relations mean stands in domain.toml."""

from kgrec.plugin import domain_hook

contract = 1
kgrec_domains = domain_hook(__package__)
