"""Looks at settings that roles and databases give to the sessions of others.

Our own sessions pin what they rest on. An apply worker, a walsender and the
application's sessions do not.
"""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.model.duration import format_duration
from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.roles import RoleSetting
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.quoting import quote_name
from bluegreen.steps.preflight.intent import Intent
from bluegreen.steps.preflight.session_settings import (
    STREAM_LIMITS,
    in_force,
    whom,
    whose,
)

_LEAST_LIMIT_S = 3600
"""The copy of one table is one statement; few take longer."""


def check_stream_limits(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Time limits that hold for the sessions of the stream.

    The subscription's connection string is no place to lift them: libpqwalreceiver
    sets `options` itself.
    """
    for facts in (blue, green):
        for name in STREAM_LIMITS:
            # Green gives no initial copy; its apply worker has transactions only.
            if facts.side is Side.GREEN and name == "statement_timeout":
                continue
            limit = _limit_s(facts, name)
            if limit > 0:
                yield _limited(facts, name, limit, copied=intent.copied)


def _limited(facts: ServerFacts, name: str, limit: float, *, copied: bool) -> Finding:
    role, database = quote_name(facts.rights.role), quote_name(facts.database)
    return checked(
        "stream-limited",
        facts.side,
        f"{name} is {format_duration(limit)} for sessions of role {role}",
        "it holds for the stream's sessions too: the copy of a table that takes "
        "longer is ended and begun again, without end",
        f"ALTER ROLE {role} IN DATABASE {database} SET {name} = 0;",
        blocks=limit < _LEAST_LIMIT_S and not copied,
    )


def _limit_s(facts: ServerFacts, name: str) -> float:
    """What a session of our role gets, in seconds; 0 for no limit, or unseen."""
    text = in_force(facts, name, facts.rights.role)
    return facts.settings.measured(name, text) or 0


def check_replica_roles(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Sessions for which no trigger fires, the fence's neither."""
    for facts in (blue, green):
        for setting in facts.role_settings:
            if _is_replica(setting.name, setting.value):
                yield _passes(facts, whose(setting, facts), _reset(setting, facts))
        text = facts.settings.text("session_replication_role") or ""
        if _is_replica("session_replication_role", text):
            fix = "ALTER SYSTEM RESET session_replication_role; "
            yield _passes(facts, "the server", fix + "SELECT pg_reload_conf();")


def _is_replica(name: str, value: str) -> bool:
    return name == "session_replication_role" and value.lower() == "replica"


def _reset(setting: RoleSetting, facts: ServerFacts) -> str:
    return f"ALTER {whom(setting, facts)} RESET session_replication_role;"


def _passes(facts: ServerFacts, who: str, fix: str) -> Finding:
    return checked(
        "fence-passed",
        facts.side,
        f"{who} has session_replication_role = replica",
        "no trigger fires in such a session: its writes pass the fence, and would be "
        "taken by a side that does not serve and be lost",
        fix + " -- then let its sessions connect again",
        blocks=True,
    )
