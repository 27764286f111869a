"""The command line: each command calls kgrec.api and prints."""
