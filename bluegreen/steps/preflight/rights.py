"""Looks at what our own role may do on each side, and which GRANT is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.roles import PARAMETER_GRANTS_SINCE
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.quoting import quote_name
from bluegreen.steps.preflight.intent import Intent, peer_of

_SUBSCRIBERS_SINCE = 16  # pg_create_subscription


def check_rights(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Each right that a step will need, on the side where it will need it."""
    for facts in (blue, green):
        yield from _check_streaming(facts, peer_of(facts, blue, green))
        yield from _check_making(facts, intent)
        yield from _check_watching(facts)


def _check_streaming(facts: ServerFacts, peer: ServerFacts) -> Iterator[Finding]:
    rights, role = facts.rights, quote_name(facts.rights.role)
    if not rights.replication:
        yield _missing(
            facts,
            "right-replication",
            "REPLICATION",
            "the other side's server streams from here as this role",
            f"ALTER ROLE {role} REPLICATION;",
        )
    if not rights.subscribe:
        yield _missing(
            facts,
            "right-subscribe",
            "CREATE SUBSCRIPTION",
            "this side takes the stream, blue after the cutover",
            f"GRANT pg_create_subscription TO {role};"
            if facts.major >= _SUBSCRIBERS_SINCE
            else f"ALTER ROLE {role} SUPERUSER; -- before 16 only a superuser may",
        )
    elif not rights.superuser and not peer.peer_password:
        yield checked(
            "right-password",
            facts.side,
            f"role {role} is no superuser and {peer.side}'s DSN has no password",
            "from 16 on, a subscription of such a role must carry a password",
            f"give {peer.side} a `password` in the playbook",
            blocks=True,
        )
    elif not rights.superuser and not peer.asks_password:
        # Where the other side's server comes from, another line of pg_hba.conf holds.
        yield checked(
            "right-password-unasked",
            facts.side,
            f"{peer.side} let role {role} in without asking for its password",
            "a server refuses a subscription of a role that is no superuser if the "
            "other one does not ask for the password",
            f"in {peer.side}'s pg_hba.conf, scram-sha-256 for what {facts.side}'s "
            "server connects from",
            blocks=False,
        )
    if not rights.origins:
        yield _missing(
            facts,
            "right-origins",
            "EXECUTE on the replication origin functions",
            "they put the way back at its exact start",
            "GRANT EXECUTE ON FUNCTION pg_catalog.pg_replication_origin_advance"
            "(text, pg_lsn), pg_catalog.pg_replication_origin_progress(text, boolean) "
            f"TO {role};",
        )


def _check_making(facts: ServerFacts, intent: Intent) -> Iterator[Finding]:
    rights, role = facts.rights, quote_name(facts.rights.role)
    if not rights.create:
        yield _missing(
            facts,
            "right-create",
            "CREATE on the database",
            "our schema, the publication and the subscription are made in it",
            f"GRANT CREATE ON DATABASE {quote_name(facts.database)} TO {role};",
        )
    fresh_green = facts.side is Side.GREEN and not intent.copied
    if fresh_green and not rights.create_in_public:
        yield _missing(
            facts,
            "right-public",
            "CREATE in schema public",
            "blue's tables are made there; since 15 not every role may",
            f"GRANT CREATE ON SCHEMA public TO {role};",
        )


def _check_watching(facts: ServerFacts) -> Iterator[Finding]:
    rights, role = facts.rights, quote_name(facts.rights.role)
    if not rights.monitor:
        yield _missing(
            facts,
            "right-monitor",
            "pg_monitor",
            "without it, transactions and processes of others cannot be seen",
            f"GRANT pg_monitor TO {role};",
        )
    if not rights.signal:
        yield _missing(
            facts,
            "right-signal",
            "pg_signal_backend",
            "sessions that hold up the fence, or stay on blue, could not be ended",
            f"GRANT pg_signal_backend TO {role};",
            blocks=False,
        )
    if not rights.quick_locks:
        yield _missing(
            facts,
            "right-deadlock-timeout",
            "SET on deadlock_timeout",
            "an autovacuum on a table can hold up the fence for a second, in the pause",
            _grant_set("deadlock_timeout", facts, "10ms"),
            blocks=False,
        )
    if not rights.act_as_apply:
        yield _missing(
            facts,
            "right-replica-role",
            "SET on session_replication_role",
            "`compat` tries rows as the apply worker would, and a `mapping` of the "
            "step `migrate` fills its columns so",
            _grant_set("session_replication_role", facts, None),
            blocks=False,
        )


def _grant_set(setting: str, facts: ServerFacts, value: str | None) -> str:
    """What a superuser runs, so that our role may set it, or has it from its login."""
    role = quote_name(facts.rights.role)
    if facts.major >= PARAMETER_GRANTS_SINCE:
        return f"GRANT SET ON PARAMETER {setting} TO {role};"
    if value is not None:
        return f"ALTER ROLE {role} SET {setting} = '{value}';"
    return f"ALTER ROLE {role} SUPERUSER; -- before 15 only a superuser may"


def check_owners(blue: ServerFacts, green: ServerFacts, _: Intent) -> Iterator[Finding]:
    """Triggers and publications are made by the owner of a table."""
    for facts in (blue, green):
        counted = Counter(
            relation.owner
            for relation in facts.relations
            if relation.kind in ("table", "partitioned")
            and not relation.owned
            and not relation.extension
        )
        role = quote_name(facts.rights.role)
        for owner, count in sorted(counted.items()):
            yield checked(
                "right-owner",
                facts.side,
                f"{count} tables belong to {quote_name(owner)} and role {role} is not "
                "a member of it",
                "only an owner makes the fence's triggers and publishes a table",
                f"GRANT {quote_name(owner)} TO {role};",
                blocks=True,
            )


def _missing(
    facts: ServerFacts,
    key: str,
    right: str,
    why: str,
    fix: str,
    *,
    blocks: bool = True,
) -> Finding:
    seen = f"role {quote_name(facts.rights.role)} lacks {right}"
    return checked(key, facts.side, seen, why, fix, blocks=blocks)
