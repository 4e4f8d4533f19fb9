"""The verb `check`: the findings of the step `check`, without a run.

Owns the words of the call and the exit status. What is looked at is for
`steps/check.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from bluegreen.cli.options import AsJson, PlaybookFile

Deep = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Ask every row of blue whether it fits its constraints and keys.",
    ),
]

EXAMPLE = "Example: bluegreen check shop.yml"


def check(playbook: PlaybookFile, json_: AsJson = False, deep: Deep = False) -> int:
    """Find what would stop a run, on both sides and the pointers.

    Each finding says what was seen, why it matters and the statement that fixes it.
    Changes nothing in either database; a throw-away entry comes and goes in each
    pooler's file, to prove that the pooler reads it, and a throw-away database on
    green's server, to prove that green takes blue's schema. With --deep every table of
    blue is read some times, to find rows that break a constraint, an index or a foreign
    key which holds. The exit status is 3 when
    something blocks that the playbook does not accept.

    Raises:
        ServerRefused: 3001, 3002; a side cannot be reached, or both are one.
    """
    from bluegreen.cli.context import open_context
    from bluegreen.cli.order import check_of, require_migrations
    from bluegreen.report.answer import show
    from bluegreen.report.results import Looked
    from bluegreen.steps.check import find

    with open_context(playbook, "check") as open_:
        require_migrations(open_.loaded)
        step = check_of(open_.loaded)
        findings = find(
            open_.world,
            exclude=step.exclude,
            identity_full=step.identity_full,
            identity_index=step.identity_index,
            workers=step.workers,
            max_transaction_age=step.max_transaction_age,
            plans=step.plans,
            deep=deep,
        )
        result = Looked(tuple(findings), open_.world.limits.accept)
    show(result, as_json=json_)
    return 3 if result.blocking else 0
