"""The command line: starts at :func:`kgrec.cli.app.main`. One thin file a command: it calls kgrec.api and prints."""
