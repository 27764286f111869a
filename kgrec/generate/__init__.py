"""Texts for the person who reads them: facts, profiles, language models, guards, and templates that cannot be wrong."""
