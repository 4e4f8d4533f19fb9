"""`python -m bluegreen`, and the command `bluegreen`. Owns nothing else."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and end the process with its exit status."""
    # What start-up makes stays: looking among it for garbage takes a tenth of its time.
    gc.disable()
    from bluegreen.cli.app import run

    gc.freeze()
    gc.enable()
    status = run(sys.argv[1:])
    # Nor is there anything worth looking for in a process that ends.
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
