"""The verb `plan`: what `run` would do. Owns the words of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bluegreen.cli.options import AsJson, PlaybookFile, Until

if TYPE_CHECKING:
    from bluegreen.model.progress import Progress

EXAMPLE = "Example: bluegreen plan shop.yml"


def plan(playbook: PlaybookFile, until: Until = None, json_: AsJson = False) -> int:
    """Show what `run` would do, and change nothing.

    Each action is looked at by the code that will do it. The exit status is that of
    the run: 0, or what the first refusal ends with.

    Raises:
        BluegreenError: a server, a pointer or the journal could not be looked at.
    """
    from bluegreen.cli.context import open_context
    from bluegreen.cli.order import before_steps, steps_up_to
    from bluegreen.engine import plan as planning
    from bluegreen.model.history import fold
    from bluegreen.postgres.catalog.identity import require_own_sides
    from bluegreen.report.answer import show
    from bluegreen.report.results import PlanResult
    from bluegreen.steps.compatibility.rows import SEEN, row_of

    told: list[Progress] = []
    with open_context(playbook, "plan", told.append) as open_:
        require_own_sides(open_.world.blue, open_.world.green)
        state = fold(open_.world.journal.records())
        made = planning.plan(
            steps_up_to(open_.loaded, until, state),
            open_.world,
            before=before_steps(state),
            playbook_digest=open_.loaded.digest,
            allow=open_.loaded.playbook.allow,
        )
    allow = tuple(open_.loaded.playbook.allow)
    rows = dict.fromkeys(row_of(one) for one in told if one.what == SEEN)
    fate = open_.world.shared_fate()
    result = PlanResult(str(playbook), made, allow, tuple(rows), fate)
    show(result, as_json=json_)
    return result.exit_status
