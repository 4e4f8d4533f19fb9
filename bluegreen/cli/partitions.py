"""The verb `partitions`: the same partitions on both sides, and those that come next.

Owns the words of the call. What it does is in `steps/partitions/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, Log, LogForm, PlaybookFile
from bluegreen.model.codes import Code

if TYPE_CHECKING:
    from bluegreen.model.history import State

EXAMPLE = (
    "Examples: bluegreen partitions shop.yml --ahead 3"
    "; bluegreen partitions shop.yml --ahead 14 --parent public.events"
)


def partitions(
    playbook: PlaybookFile,
    ahead: Annotated[
        int,
        typer.Option(
            min=0,
            max=1000,
            help="How many partitions lie ahead of now, or of the last one with rows.",
        ),
    ] = 0,
    parent: Annotated[
        list[str] | None,
        typer.Option(metavar="SCHEMA.TABLE", help="Only these partitioned tables."),
    ] = None,
    log: Log = LogForm.TEXT,
    json_: AsJson = False,
) -> None:
    """Give both sides the same partitions, ahead of time, and replicate them.

    A partition that the side that serves has and the other side lacks is made there,
    and its rows are copied. With `--ahead N` the partitions that come next are made
    too, by the interval and the names of those that are there. Traffic is not moved.

    Raises:
        BluegreenError: 3002 before the first run; 2009 where the partitions follow no
            pattern; 8001 while a run goes on; 6002 once blue was released.
    """
    from bluegreen.cli.context import engaged, no_journal, open_context
    from bluegreen.engine.interrupt import Interrupt
    from bluegreen.engine.runner import Runner
    from bluegreen.model.hazard import Hazard
    from bluegreen.model.history import fold
    from bluegreen.report.answer import show
    from bluegreen.report.teller import make_teller
    from bluegreen.steps.partitions.ahead import Ahead, actions_of_partitions

    with (
        make_teller(str(log)) as teller,
        open_context(playbook, "partitions", teller) as open_,
    ):
        state = fold(open_.world.journal.records())
        if not state.seq:
            raise no_journal(open_.world.blue, open_.world.green)
        _require_ready(state)
        with engaged(open_) as world, Interrupt() as interrupt:
            state = fold(world.journal.records())
            wanted = Ahead(ahead, tuple(parent or ()))
            actions = actions_of_partitions(state, wanted)
            runner = Runner(
                world, run=open_.run, allow=Hazard, interrupt=interrupt, tell=teller
            )
            ended = runner.run(
                (), before=actions, about={"verb": "partitions", **open_.about}
            )
    show(ended, as_json=json_)


def _require_ready(state: State) -> None:
    """Refuse where there is no second side to keep alike.

    Raises:
        RollbackUnavailable: 6002.
        StepError: 4001, a move was cut short.
    """
    from bluegreen.model.errors import RollbackUnavailable, StepError

    if state.released:
        raise RollbackUnavailable(
            Code.ROLLBACK_NOT_OPEN,
            "blue was released, and nothing follows green any more",
            wanted="partitions on green alone",
            hint="make them with your own statements",
        )
    if state.unfinished_move is not None:
        raise StepError(
            Code.GOAL_NOT_REACHED,
            "a move of traffic was cut short",
            wanted="one side that serves, confirmed",
            hint="`bluegreen run` ends it; then call this again",
        )
