"""`python -m bluegreen`, and the command `bluegreen`. Owns nothing else."""

import gc
import os
import sys

if __name__ == "__main__" and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
    # `python -m` looks for modules in the working folder first, and an empty entry of
    # PYTHONPATH means it too. A json.py that lies there is another program's; it would
    # read our passwords, or break us.
    sys.path[:] = [entry for entry in sys.path if entry != sys.path[0]]


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
