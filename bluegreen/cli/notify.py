"""The verb `notify`: try the ways to people before something must be told.

Owns the words of the call. The ways themselves are in `notify/`.
"""

from __future__ import annotations

import typer

from bluegreen.cli.options import PlaybookFile

EXAMPLE = "Example: bluegreen notify shop.yml"


def notify(playbook: PlaybookFile) -> None:
    """Send a test notice to all whom the playbook names under `notify`.

    No server is asked.

    Raises:
        PlaybookRefused: 2001 to 2005; 2008 the playbook names no one.
        StepError: 4001, one of them could not be told.
    """
    import os

    from bluegreen.model.codes import Code
    from bluegreen.model.counted import counted
    from bluegreen.model.errors import PlaybookRefused, StepError
    from bluegreen.notify.outbox import Outbox
    from bluegreen.playbook.load import load
    from bluegreen.playbook.resolve import notify_entries
    from bluegreen.report.notices import Teller

    loaded = load(playbook, os.environ)
    entries = notify_entries(loaded.playbook)
    if not entries:
        raise PlaybookRefused(
            Code.CALL_NOT_VALID,
            f"{playbook} has no key notify",
            wanted="a command, a webhook or an apprise URL to tell",
            hint="docs/notify.md has an example of each",
        )
    teller = Teller("notify", loaded.playbook.name, str(playbook))
    failed: list[str] = []
    with Outbox(entries, failed.append) as outbox:
        outbox.put(teller.notice(None, "this is a test", "Nothing happened."))
    if failed:
        raise StepError(
            Code.GOAL_NOT_REACHED,
            f"{counted(len(failed), 'notice')} of {len(entries)} could not be sent",
            seen="\n".join(failed),
            wanted="each of them told",
            hint="correct the entry in the playbook, then try again",
        )
    typer.echo(f"{counted(len(entries), 'test notice')} sent")
