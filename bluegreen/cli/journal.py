"""The verb `journal`: the records of what was done. Owns the words of the call."""

from __future__ import annotations

from typing import Annotated

import typer

from bluegreen.cli.options import AsJson, PlaybookFile

EXAMPLE = "Example: bluegreen journal shop.yml --last 20"


def journal(
    playbook: PlaybookFile,
    last: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the last N records.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Check that both copies are as they were written."
        ),
    ] = False,
    json_: AsJson = False,
) -> None:
    """Show the record of what was done, as both databases keep it.

    Raises:
        ServerRefused: 3001, a side cannot be reached.
        LeaseRefused: 8002, the journals disagree; 8005, one was changed.
    """
    from bluegreen.cli.context import open_context
    from bluegreen.engine.verify_journal import require_chained
    from bluegreen.report.answer import show
    from bluegreen.report.results import Listing

    with open_context(playbook, "journal") as open_:
        if check:
            show(require_chained(open_.world), as_json=json_)
            return
        records = open_.world.journal.records()
    chosen = records[-last:] if last else records
    show(Listing(open_.world.name, len(records), tuple(chosen)), as_json=json_)
