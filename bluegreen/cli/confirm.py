"""The word that a person types before blue goes for good.

Owns asking and comparing. The word is blue's own, random in each database and read from
the one that is to go: a person who types it has looked at which one that is. A timer
cannot type; there the playbook's consent and the evidence of `steps/release/` stand
alone.
"""

from __future__ import annotations

import sys

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

LENGTH = 8
"""Long enough that no other database has it, short enough to type."""


def require_word(identity: str, address: str) -> None:
    """Ask on the terminal; without one no one is asked.

    Args:
        identity: blue's, as blue itself tells it.
        address: where blue is, for the question.

    Raises:
        PlaybookRefused: 2008, another word was typed, or none.
    """
    if not sys.stdin.isatty():
        return
    word = identity[:LENGTH]
    sys.stderr.write(
        f"This ends rollback to blue ({address}) permanently. Type {word} to confirm: "
    )
    sys.stderr.flush()
    typed = sys.stdin.readline().strip()
    if typed != word:
        raise PlaybookRefused(
            Code.CALL_NOT_VALID,
            "what was typed does not name blue",
            seen=repr(typed),
            wanted=word,
            hint="is this the database that is to go? Nothing was touched",
        )
