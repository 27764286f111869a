"""The command line: starts at :func:`kgrec.cli.app.main`. One file a command: it calls the project and prints."""
