"""Words of the command line that have a playbook's form.

Owns their refusal, which names the option where a playbook's has the line.
"""

from __future__ import annotations

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.playbook.dsn import Dsn, read_dsn
from bluegreen.playbook.references import Resolve
from bluegreen.playbook.refusal import Wrong

_HOW = (
    "a command line is seen by every user of this machine; write\n"
    "'password=${env:NAME}' in single quotes, or use ~/.pgpass or a service file"
)


def dsn_from_call(option: str, text: str, resolve: Resolve) -> Dsn:
    """Read a DSN that came on the command line.

    Raises:
        PlaybookRefused: 2003 to 2005; the option's name stands where a playbook's error
            has the line.
    """
    try:
        return read_dsn(text, resolve)
    except Wrong as wrong:
        raise PlaybookRefused(
            wrong.code,
            wrong.problem.replace("{subject}", option),
            seen=wrong.seen,
            wanted=wrong.wanted,
            hint=_HOW if wrong.code is Code.PASSWORD_IN_PLAYBOOK else wrong.hint,
        ) from None
