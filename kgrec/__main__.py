"""Run the command line as ``python -m kgrec``."""

import sys

from kgrec.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
