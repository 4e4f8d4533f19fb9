"""The verb `guard`: a second guard, on another host. Owns its words and its signals."""

from __future__ import annotations

from bluegreen.cli.options import Log, LogForm, PlaybookFile

EXAMPLE = "Example: bluegreen guard shop.yml"


def guard(playbook: PlaybookFile, log: Log = LogForm.TEXT) -> int:
    """Stand by on another host while switchovers are made.

    Each switchover has a guard process beside the tool, which lets clients go when the
    tool dies. What ends that whole machine ends both. This verb runs elsewhere, sees in
    the databases that a pause goes on past its budget, and backs out or finishes by the
    same rule. It needs the way to both databases and to the pooler's console; where the
    pooler's file is not on its host it can back out, and cannot finish.

    It runs until Ctrl-C or SIGTERM.

    Raises:
        PlaybookRefused: 2001 to 2005.
    """
    import signal
    from threading import Event

    from bluegreen.cli.context import open_context
    from bluegreen.engine.second_guard import stand_by
    from bluegreen.model.progress import Progress
    from bluegreen.report.teller import make_teller

    over = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with (
        make_teller(str(log)) as teller,
        open_context(playbook, "guard", teller) as open_,
    ):
        text = f"standing by for {open_.loaded.playbook.name}; Ctrl-C ends it"
        teller(Progress("guard_started", text))
        stand_by(open_.world, open_.cutover.max_pause, until=over)
    return 0
