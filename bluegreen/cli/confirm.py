"""The word that a person types before blue goes for good.

Owns asking and comparing. The word is blue's own, random in each database and read from
the one that is to go: a person who types it has looked at which one that is. A timer
cannot type; once the window is over, the playbook's consent and the evidence of
`steps/release/` stand alone there.
"""

from __future__ import annotations

import sys

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

LENGTH = 8
"""Long enough that no other database has it, short enough to type."""


def require_word(
    identity: str, address: str, given: str | None = None, *, always: bool
) -> None:
    """Take the word of the call, or ask for it on the terminal.

    Args:
        identity: blue's, as blue itself tells it.
        address: where blue is, for the question.
        given: what the call gave by `--confirm`.
        always: without a word and without a terminal it is a no; else no one is asked
            there.

    Raises:
        PlaybookRefused: 2008, another word was given, or none.
    """
    word = identity[:LENGTH]
    if given is None and not sys.stdin.isatty():
        if always:
            raise _no_word(word, address)
        return
    typed = given if given is not None else _typed(word, address)
    if typed != word:
        raise PlaybookRefused(
            Code.CALL_NOT_VALID,
            "what was typed does not name blue",
            seen=repr(typed),
            wanted=word,
            hint="is this the database that is to go? Nothing was touched",
        )


def _typed(word: str, address: str) -> str:
    sys.stderr.write(
        f"This ends rollback to blue ({address}) permanently. Type {word} to confirm: "
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _no_word(word: str, address: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.CALL_NOT_VALID,
        "the window is not over, so a person must confirm its end",
        seen="no --confirm, and no terminal to ask on",
        wanted=f"--confirm {word}, the first characters of blue's identity",
        hint=f"is {address} the database that is to go? Nothing was touched",
    )
