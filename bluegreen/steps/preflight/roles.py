"""Looks at roles and their settings that green lacks."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.roles import Role, RoleSetting
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.catalog.settings import is_list
from bluegreen.postgres.quoting import quote_name, quote_value
from bluegreen.steps.preflight.intent import Intent, listed

# The fence's second layer, not a wish of the application; and what green must not have.
_OURS = {"default_transaction_read_only", "session_replication_role"}

STREAM_LIMITS = ("statement_timeout", "transaction_timeout")
"""They end what the stream does in a session of our role, the initial copy first."""


def check_roles(blue: ServerFacts, green: ServerFacts, _: Intent) -> Iterator[Finding]:
    """Every role that means something to blue's database."""
    there = {role.name: role for role in green.roles}
    used = [role for role in blue.roles if role.used]
    for role in used:
        if role.name not in there:
            yield _missing_role(role)
        else:
            yield from _compare(role, there[role.name])
    for role in used:
        if role.name == blue.rights.role:
            continue  # what we need ourselves is looked at apart
        held = there[role.name].member_of if role.name in there else frozenset()
        for group in sorted(role.member_of - held):
            yield _missing_membership(role.name, group)
    idle = [r.name for r in blue.roles if not r.used and r.name not in there]
    if idle:
        yield checked(
            "role-missing-unused",
            Side.GREEN,
            f"roles {listed(idle)} are on blue's server only",
            "nothing in this database is theirs, and none of them is connected",
        )


def _missing_role(role: Role) -> Finding:
    return checked(
        "role-missing",
        Side.GREEN,
        f"role {quote_name(role.name)} is not there",
        "what it owns or was granted cannot be made on green, and its clients are "
        "refused after the cutover",
        f"CREATE ROLE {quote_name(role.name)} {_attributes(role)}; -- and its "
        "password; pg_dumpall --roles-only writes both",
        blocks=True,
    )


def _missing_membership(role: str, group: str) -> Finding:
    return checked(
        "membership-missing",
        Side.GREEN,
        f"role {quote_name(role)} is a member of {quote_name(group)} on blue only",
        "it is refused after the cutover what it may do through that role",
        f"GRANT {quote_name(group)} TO {quote_name(role)};",
        blocks=True,
    )


def _compare(here: Role, there: Role) -> Iterator[Finding]:
    if _attributes(here) == _attributes(there):
        return
    yield checked(
        "role-differs",
        Side.GREEN,
        f"role {quote_name(here.name)} is {_attributes(here)} on blue and "
        f"{_attributes(there)} on green",
        "it may do more, or less, after the cutover",
        f"ALTER ROLE {quote_name(here.name)} {_attributes(here)};",
        blocks=here.login and not there.login,
    )


def _attributes(role: Role) -> str:
    words = [
        "LOGIN" if role.login else "NOLOGIN",
        "SUPERUSER" if role.superuser else "NOSUPERUSER",
        "BYPASSRLS" if role.bypass_rls else "NOBYPASSRLS",
        "INHERIT" if role.inherit else "NOINHERIT",
        f"CONNECTION LIMIT {role.connection_limit}",
    ]
    return " ".join(words)


def check_role_settings(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """ALTER ROLE … SET and ALTER DATABASE … SET, which pg_dump leaves out."""
    there = {(s.role, s.here, s.name): s.value for s in green.role_settings}
    used = {"", *(role.name for role in blue.roles if role.used)}
    for setting in blue.role_settings:
        value = there.get((setting.role, setting.here, setting.name))
        if value == setting.value or setting.name in _OURS or setting.role not in used:
            continue
        if setting.role == blue.rights.role and setting.name in STREAM_LIMITS:
            continue  # green has looks of its own for these
        yield checked(
            "role-setting-missing",
            Side.GREEN,
            f"{whose(setting, blue)} has {setting.name} = {setting.value}; on green "
            + ("nothing" if value is None else value),
            "the same statement gives another result after the cutover",
            _set(setting, green),
            blocks=True,
        )


def whose(setting: RoleSetting, facts: ServerFacts) -> str:
    """Whom a setting is given to, in words."""
    database = f"database {quote_name(facts.database)}"
    if not setting.role:
        return database if setting.here else "every role"
    role = f"role {quote_name(setting.role)}"
    return f"{role} in {database}" if setting.here else role


def whom(setting: RoleSetting, facts: ServerFacts) -> str:
    """What stands behind ALTER to change a setting."""
    database = quote_name(facts.database)
    role = quote_name(setting.role) if setting.role else "ALL"
    if setting.here and not setting.role:
        return f"DATABASE {database}"
    return f"ROLE {role} IN DATABASE {database}" if setting.here else f"ROLE {role}"


def _set(setting: RoleSetting, green: ServerFacts) -> str:
    value = setting.value if is_list(setting.name) else quote_value(setting.value)
    return f"ALTER {whom(setting, green)} SET {setting.name} = {value};"
