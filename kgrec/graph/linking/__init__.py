"""Entity linking: which known entities a text mentions."""
