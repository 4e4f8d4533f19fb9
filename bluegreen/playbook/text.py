"""A playbook's bytes as text.

Owns size, encoding and the characters that do not belong; YAML is for `strict.py`.
"""

from __future__ import annotations

import re

from bluegreen.model.codes import Code
from bluegreen.playbook.refusal import Complaint
from bluegreen.playbook.tree import Mark

MAX_BYTES = 256 * 1024
"""A hundred times the longest playbook that a person has reason to write."""

_CONTROL = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    "\U00010000-\U0010ffff]"
)
"""Not printable by YAML's rule, or a line's end to some readers and not to others."""


class Stop(Exception):
    """Carries the complaint out of the walk."""

    def __init__(self, complaint: Complaint) -> None:
        self.complaint = complaint


def decode(data: bytes) -> str:
    """Read UTF-8, with or without a byte order mark; all line ends become one kind.

    Raises:
        Stop: 2001.
    """
    top = Mark(1, 1)
    if len(data) > MAX_BYTES:
        raise Stop(
            Complaint(
                top,
                Code.PLAYBOOK_UNREADABLE,
                "the file is too large for a playbook",
                wanted=f"{MAX_BYTES} bytes or fewer",
                hint="is it the right file?",
            )
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Where a byte order mark was taken off, the error counts from behind it.
        before = error.object[: error.start].decode("utf-8", "replace")
        raise Stop(
            Complaint(
                mark_after(before),
                Code.PLAYBOOK_UNREADABLE,
                "the file is not UTF-8 text",
                seen=f"byte 0x{error.object[error.start]:02x}",
                hint="save it as UTF-8",
            )
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    refuse_control(text, None)
    return text


def mark_after(before: str) -> Mark:
    """The place right behind the text `before`."""
    line = before.count("\n") + 1
    return Mark(line, len(before) - (before.rfind("\n") + 1) + 1)


def refuse_control(text: str, mark: Mark | None) -> None:
    """Look for characters that do not belong, at `mark` or wherever they stand.

    Raises:
        Stop: 2001.
    """
    found = _CONTROL.search(text)
    if found:
        raise Stop(
            Complaint(
                mark or mark_after(text[: found.start()]),
                Code.PLAYBOOK_UNREADABLE,
                "a character that does not belong into text",
                seen=f"U+{ord(found.group()):04X}",
                hint="take it out; it may not show in your editor",
            )
        )
