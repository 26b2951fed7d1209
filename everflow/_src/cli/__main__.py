"""`python -m everflow` is the `everflow` command."""

import sys

from everflow._src.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
