"""From files to tables: sources, cleaning, vocabularies, splits."""
