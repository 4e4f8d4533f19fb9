"""Who of the clients would not be served on the other side, and what that stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bluegreen.model.accept import Accepted
from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.activity import Clients
from bluegreen.postgres.catalog.database_access import RIGHTS, DatabaseAccess
from bluegreen.postgres.catalog.roles import Role, RoleSetting
from bluegreen.postgres.catalog.server_bound import Bound, BoundColumn, Counters
from bluegreen.steps.monitors.application import ApplicationFacts, MonitorApplication
from bluegreen.steps.monitors.limits import Limits

READ_ONLY = "default_transaction_read_only"
APP, JOBS = Role("app"), Role("jobs")
ALL = frozenset(RIGHTS)
GOOD = ApplicationFacts(
    Side.GREEN,
    "shop",
    clients=(Clients("10.0.0.7", "app", 8), Clients("10.0.0.8", "jobs", 2)),
    roles=(APP, JOBS),
    access=DatabaseAccess(may={"app": ALL, "jobs": ALL}),
)
TX = BoundColumn("public.ev", "tx", Bound.TRANSACTION, "xid8")


def judged(limits: Limits | None = None, **words: Any) -> Finding:
    facts = replace(GOOD, **words)
    [found] = MonitorApplication().judge(facts, limits or Limits())
    return found


def test_who_is_served_on_both_is_no_matter() -> None:
    found = judged()
    assert (found.severity, found.blocks) == (Severity.OK, Blocks.NOTHING)


SHUT_OUT = {
    "gone": ({"roles": (JOBS,)}, "CREATE ROLE app LOGIN;"),
    "may not log in": (
        {"roles": (replace(APP, login=False), JOBS)},
        "ALTER ROLE app LOGIN;",
    ),
    "expired": (
        {"roles": (replace(APP, expired=True), JOBS)},
        "ALTER ROLE app VALID UNTIL 'infinity';",
    ),
    "too many": (
        {"roles": (replace(APP, connection_limit=7), JOBS)},
        "ALTER ROLE app CONNECTION LIMIT -1;",
    ),
    "no right": (
        {"access": DatabaseAccess(may={"app": ALL - {"CONNECT"}, "jobs": ALL})},
        "GRANT CONNECT ON DATABASE shop TO app;",
    ),
    "the role is read-only": (
        {"given_there": (RoleSetting("app", False, READ_ONLY, "on"),)},
        "BEGIN READ WRITE; ALTER ROLE app RESET default_transaction_read_only; COMMIT;",
    ),
}
EVERYONE = {
    "no room": (
        {"access": replace(GOOD.access, limit=9)},
        "ALTER DATABASE shop CONNECTION LIMIT -1;",
    ),
    "the database is read-only": (
        {"given_there": (RoleSetting("", True, READ_ONLY, "true"),)},
        "ALTER DATABASE shop RESET default_transaction_read_only;",
    ),
    "the server is read-only": (
        {"server_read_only": True},
        "ALTER SYSTEM SET default_transaction_read_only = off;",
    ),
}


@pytest.mark.parametrize("case", {**SHUT_OUT, **EVERYONE})
@pytest.mark.parametrize("side", Side)
def test_who_is_shut_out_stops_a_cutover(case: str, side: Side) -> None:
    """And a rollback where nobody would be served."""
    words, fix = {**SHUT_OUT, **EVERYONE}[case]
    found = judged(to_side=side, **words)
    assert fix in found.fix
    stops = side is Side.GREEN or case in EVERYONE
    assert (found.blocks is Blocks.SWITCHOVER) == stops
    assert found.severity is (Severity.CRITICAL if stops else Severity.WARNING)


@pytest.mark.parametrize("case", SHUT_OUT)
def test_a_rollback_that_serves_nobody_is_stopped(case: str) -> None:
    words, _ = SHUT_OUT[case]
    found = judged(to_side=Side.BLUE, clients=GOOD.clients[:1], **words)
    assert found.blocks is Blocks.SWITCHOVER


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(
            {
                "server_read_only": True,
                "given_there": (RoleSetting("", True, READ_ONLY, "off"),),
            },
            id="the-database-opens-what-the-server-closes",
        ),
        pytest.param(
            {
                "given": (RoleSetting("", True, READ_ONLY, "on"),),
                "given_there": (RoleSetting("", True, READ_ONLY, "on"),),
            },
            id="read-only-on-both",
        ),
        pytest.param(
            {
                "roles": (replace(APP, superuser=True, connection_limit=1), JOBS),
                "access": replace(GOOD.access, limit=2),
            },
            id="limits-do-not-hold-for-superusers",
        ),
        pytest.param(
            {"bound": (TX,), "counters": Counters(7), "counters_there": Counters(8)},
            id="ids-that-go-on-upwards",
        ),
        pytest.param({"counters": Counters(7)}, id="ids-that-nobody-keeps"),
    ],
)
def test_what_serves_all_the_same(words: dict[str, Any]) -> None:
    assert judged(**words).severity is Severity.OK


def test_ids_that_go_backwards_stop_a_cutover_and_no_rollback() -> None:
    words = {"bound": (TX,), "counters": Counters(9), "counters_there": Counters(8)}
    assert judged(**words).blocks is Blocks.SWITCHOVER
    back = judged(to_side=Side.BLUE, **words)
    assert (back.severity, back.blocks) == (Severity.WARNING, Blocks.NOTHING)
    assert judged(Limits(exclude=("public.ev",)), **words).severity is Severity.OK


def test_what_check_lets_pass_passes_here() -> None:
    words, _ = SHUT_OUT["may not log in"]
    limits = Limits(accept=(Accepted("role-differs", "a job that has ended"),))
    assert judged(limits, **words).severity is Severity.OK
