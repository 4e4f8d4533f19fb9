"""Looks at whether the two databases can be a pair: versions, identities, clocks."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.model.duration import format_duration
from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.quoting import quote_name
from bluegreen.steps.preflight.intent import Intent, listed

_MAJORS = {Side.BLUE: range(13, 19), Side.GREEN: range(15, 19)}
_CLOCKS_APART_S = 2.0  # NTP keeps hosts within milliseconds


def check_versions(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Versions that were tried, green not older, and no standby."""
    for facts in (blue, green):
        majors = _MAJORS[facts.side]
        if facts.major not in majors:
            yield checked(
                "version-unknown",
                facts.side,
                f"PostgreSQL {facts.major}",
                f"as {facts.side}, bluegreen was tried with PostgreSQL {majors[0]} to "
                f"{majors[-1]} only",
                f"use PostgreSQL {majors[0]} to {majors[-1]} for {facts.side}",
                blocks=True,
            )
        if facts.in_recovery:
            yield checked(
                "standby",
                facts.side,
                "the server is in recovery",
                "a standby takes no writes, so neither fence nor journal can be made",
                f"name the server that takes writes as {facts.side} in the playbook",
                blocks=True,
            )
    if green.major < blue.major:
        yield checked(
            "version-older",
            Side.GREEN,
            f"blue is PostgreSQL {blue.major}, green {green.major}",
            "an older server may not know what blue's schema uses",
            f"make green with PostgreSQL {blue.major} or later",
            blocks=True,
        )


def check_identities(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Whose the databases say they are."""
    for facts in (blue, green):
        identity = facts.identity
        if identity.side and identity.side != facts.side:
            yield checked(
                "sides-exchanged",
                facts.side,
                f"the database says that it is {identity.side}",
                "a step would act on the wrong side",
                "exchange `blue` and `green` in the playbook",
                blocks=True,
            )
        if identity.playbook and identity.playbook != intent.name:
            yield checked(
                "other-playbook",
                facts.side,
                f"the database was set up by playbook {identity.playbook!r}",
                "two playbooks that move one database would undo each other's work",
                f"give this playbook the name {identity.playbook!r}, or end the other "
                "one with `bluegreen decommission`",
                blocks=True,
            )


def check_our_schema(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """The schema `bluegreen` must be ours, and no role should be named like it."""
    for facts in (blue, green):
        if facts.contents.has_our_schema and not facts.identity.side:
            yield checked(
                "schema-taken",
                facts.side,
                "a schema `bluegreen` is there that bluegreen did not make",
                "the journal, the fence and the identity are kept in that schema",
                "ALTER SCHEMA bluegreen RENAME TO bluegreen_before; -- or drop it",
                blocks=True,
            )
        if _is_trapped(facts):
            yield checked(
                "role-named-bluegreen",
                facts.side,
                'there is a login role `bluegreen` whose search_path has "$user" in it',
                "what that role makes by hand without naming a schema lands among "
                "our own tables",
                "ALTER ROLE bluegreen SET search_path = public;",
            )


def _is_trapped(facts: ServerFacts) -> bool:
    named = any(role.name == "bluegreen" and role.login for role in facts.roles)
    own_path = [
        setting.value
        for setting in facts.role_settings
        if setting.role == "bluegreen" and setting.name == "search_path"
    ]
    return named and (not own_path or any("$user" in path for path in own_path))


def check_green_contents(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Before we bring blue's tables, green holds nothing that they could meet."""
    if intent.copied:
        return
    on_blue = {relation.full_name for relation in blue.relations}
    own = [relation for relation in green.relations if not relation.extension]
    unknown = [r.full_name for r in own if r.full_name not in on_blue]
    filled = [r.full_name for r in own if r.full_name in green.filled & on_blue]
    parts = []
    if unknown:
        parts.append(f"tables that blue does not have: {listed(unknown)}")
    if filled:
        parts.append(f"tables with rows: {listed(filled)}")
    if parts:
        yield checked(
            "green-not-empty",
            Side.GREEN,
            f"database {quote_name(green.database)} has " + "; ".join(parts),
            "blue's rows would meet rows that are not blue's, and it may not be green "
            "at all",
            "name a new, empty database as green in the playbook, made with "
            "CREATE DATABASE … TEMPLATE template0",
            blocks=True,
        )


def check_clocks(blue: ServerFacts, green: ServerFacts, _: Intent) -> Iterator[Finding]:
    """Clocks that agree: the window is stored in green's time, and asked of all."""
    apart = abs(blue.clock_ahead_s - green.clock_ahead_s)
    if apart > _CLOCKS_APART_S:
        later = green if green.clock_ahead_s > blue.clock_ahead_s else blue
        yield checked(
            "clocks-apart",
            later.side,
            f"its clock is {format_duration(apart)} ahead of the other side's",
            "now() jumps for the application at the cutover; no window is promised, "
            "and none ends, while the clocks disagree by more than that allows",
            "start chrony or ntpd on both hosts",
        )
