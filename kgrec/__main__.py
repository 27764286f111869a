"""Run the command line as ``python -m kgrec``."""

from kgrec.cli.app import main

if __name__ == "__main__":
    main()
