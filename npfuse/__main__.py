"""`python -m npfuse` is the command `npfuse`."""

import sys

from npfuse.cli import main

if __name__ == "__main__":
    sys.exit(main())
