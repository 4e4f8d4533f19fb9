"""Looks at roles that green lacks, or that may do less there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.roles import Role
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.quoting import quote_name, quote_value
from bluegreen.steps.preflight.intent import Intent, clients_of, listed

_OPTIONS_SINCE = 16  # GRANT … WITH INHERIT, SET


def check_roles(blue: ServerFacts, green: ServerFacts, _: Intent) -> Iterator[Finding]:
    """Every role that means something to blue's database."""
    there = {role.name: role for role in green.roles}
    used = [role for role in blue.roles if role.used]
    for role in used:
        if role.name not in there:
            yield _missing_role(role)
        else:
            yield from _compare(role, there[role.name], blue, green)
    for role in used:
        if role.name == blue.rights.role:
            continue  # what we need ourselves is looked at apart
        held = there.get(role.name, Role(role.name, inherit=role.inherit))
        for group in sorted(role.member_of):
            yield from _check_membership(role, held, group, green.major)
    idle = [r.name for r in blue.roles if not r.used and r.name not in there]
    if idle:
        yield checked(
            "role-missing-unused",
            Side.GREEN,
            f"roles {listed(idle)} are on blue's server only",
            "nothing in this database is theirs, and none of them is connected",
        )


def _missing_role(role: Role) -> Finding:
    words = " ".join(_attributes(role).values())
    return checked(
        "role-missing",
        Side.GREEN,
        f"role {quote_name(role.name)} is not there",
        "what it owns or was granted cannot be made on green, and its clients are "
        "refused after the cutover",
        f"CREATE ROLE {quote_name(role.name)} {words}; -- and its "
        "password; pg_dumpall --roles-only writes both",
        blocks=True,
    )


def _check_membership(
    here: Role, there: Role, group: str, major: int
) -> Iterator[Finding]:
    """A membership that is missing, or from 16 on does less than blue's."""
    role, of = quote_name(here.name), quote_name(group)
    missing = group not in there.member_of
    lost = [
        (option, words)
        for option, words, held, holds in (
            ("INHERIT", "has its rights", here.inherits, there.inherits),
            ("SET", "may SET ROLE to it", here.may_become, there.may_become),
            ("ADMIN", "may grant it on", here.admin_of, there.admin_of),
        )
        # Before 16 whether rights are inherited is an attribute of the member.
        if group in held - holds and (option == "ADMIN" or major >= _OPTIONS_SINCE)
    ]
    if not missing and not lost:
        return
    if missing:
        options = _options(here, there, group, major)
        seen = f"role {role} is a member of {of} on blue only"
    else:
        options = [f"{option} TRUE" for option, _ in lost]
        said = " and ".join(words for _, words in lost)
        seen = f"role {role} {said} as a member of {of} on blue only"
    if major < _OPTIONS_SINCE and group in here.admin_of:
        options = ["ADMIN OPTION"]
    words = f" WITH {', '.join(options)}" if options else ""
    # From 16 on who creates a role may grant it on, and has nothing else of it.
    granting_only = group in here.admin_of - here.inherits - here.may_become
    yield checked(
        "membership-missing",
        Side.GREEN,
        seen,
        "it is refused after the cutover what it may do through that role",
        f"GRANT {of} TO {role}{words};",
        blocks=not granting_only,
    )


def _options(here: Role, there: Role, group: str, major: int) -> list[str]:
    """What a new membership needs, beyond what GRANT gives by itself."""
    if major < _OPTIONS_SINCE:
        return []
    known = here.inherits | here.may_become | here.admin_of
    if group not in known:
        return []
    options = []
    inherits = group in here.inherits
    if inherits != there.inherit:
        options.append(f"INHERIT {str(inherits).upper()}")
    if group not in here.may_become:
        options.append("SET FALSE")
    if group in here.admin_of:
        options.append("ADMIN TRUE")
    return options


def _compare(
    here: Role, there: Role, blue: ServerFacts, green: ServerFacts
) -> Iterator[Finding]:
    """Attributes that are not alike; one that lets a client do less blocks."""
    ours, theirs = _attributes(here), _attributes(there)
    differing = [name for name, words in ours.items() if theirs[name] != words]
    if not differing:
        return
    yield checked(
        "role-differs",
        Side.GREEN,
        f"role {quote_name(here.name)} is {_words(ours, differing)} on blue and "
        f"{_words(theirs, differing)} on green",
        "it may do more, or less, after the cutover",
        f"ALTER ROLE {quote_name(here.name)} {_words(ours, differing)};",
        blocks=here.name in clients_of(blue) and _may_less(here, there, blue, green),
    )


def _may_less(here: Role, there: Role, blue: ServerFacts, green: ServerFacts) -> bool:
    """Whether clients of this role would be refused on green what blue lets them do."""
    if here.login and (
        not there.login or _ends(there) < _ends(here) or _most(there) < _most(here)
    ):
        return True
    if there.superuser:
        return False
    secured = any(table.row_security for table in blue.relations)
    sees_less = here.bypass_rls and not there.bypass_rls and secured
    # From 16 on it decides for memberships to come, and each has its own.
    inherits_less = here.inherit and not there.inherit and bool(here.member_of)
    return (
        here.superuser
        or sees_less
        or (inherits_less and green.major < _OPTIONS_SINCE)
        or any(
            getattr(here, name) and not getattr(there, name)
            for name in ("create_db", "create_role", "replication")
        )
    )


def _ends(role: Role) -> tuple[float, str]:
    """When its password ends, to be compared; years may have five digits."""
    return (len(role.valid_until) or math.inf, role.valid_until)


def _most(role: Role) -> float:
    unlimited = role.superuser or role.connection_limit < 0
    return math.inf if unlimited else role.connection_limit


def _attributes(role: Role) -> dict[str, str]:
    """Each as CREATE ROLE and ALTER ROLE take it."""
    flags = {
        "LOGIN": role.login,
        "SUPERUSER": role.superuser,
        "BYPASSRLS": role.bypass_rls,
        "INHERIT": role.inherit,
        "CREATEDB": role.create_db,
        "CREATEROLE": role.create_role,
        "REPLICATION": role.replication,
    }
    words = {name: name if on else f"NO{name}" for name, on in flags.items()}
    words["limit"] = f"CONNECTION LIMIT {role.connection_limit}"
    words["valid"] = f"VALID UNTIL {quote_value(role.valid_until or 'infinity')}"
    return words


def _words(attributes: Mapping[str, str], names: Iterable[str]) -> str:
    return " ".join(attributes[name] for name in names)
