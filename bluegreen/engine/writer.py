"""Who writes to the journal: this process, and the run that it makes."""

from __future__ import annotations

import getpass
import os
import secrets
import socket


def new_run_id() -> str:
    """Short enough to read out, long enough not to meet another: `r-5f3a91c2`."""
    return f"r-{secrets.token_hex(4)}"


def this_writer() -> str:
    """`user@host pid` of this process."""
    return f"{this_user()} {os.getpid()}"


def this_user() -> str:
    """`user@host` of this process: who says so where no name is given."""
    return f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return str(os.getuid())
