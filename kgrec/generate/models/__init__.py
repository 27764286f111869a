"""Language models: embedded, by transformers, behind an endpoint, recorded."""
