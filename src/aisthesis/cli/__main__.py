"""The command line as `python -m aisthesis.cli`."""

import sys

from aisthesis.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
