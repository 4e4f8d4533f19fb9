"""Looks at the database as a whole: who may come in, and what pg_dump leaves out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from bluegreen.model.finding import Finding, Severity, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.database_access import (
    RIGHTS,
    DatabaseAccess,
    ParameterGrant,
)
from bluegreen.postgres.catalog.roles import Role
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.quoting import quote_name, quote_value
from bluegreen.steps.preflight.intent import Intent, clients_of, listed


def check_database(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Owner, rights, limit and comment of the database; rights on parameters."""
    yield from _check_owner(blue, green)
    for right in RIGHTS:
        yield from _check_lost(blue, green, right)
    yield from _check_opened(blue, green)
    yield from _check_limit(blue, green)
    yield from _check_comment(blue, green)
    yield from _check_parameters(blue, green)


def _check_owner(blue: ServerFacts, green: ServerFacts) -> Iterator[Finding]:
    if not _loses_owner(blue, green):
        return
    owner, database = quote_name(blue.access.owner), quote_name(green.database)
    yield checked(
        "database-owner-differs",
        Side.GREEN,
        f"database {database} belongs to {quote_name(green.access.owner)}, blue's to "
        f"{owner}",
        f"{owner} loses an owner's rights on the database, and from 15 on those on "
        "schema public",
        f"ALTER DATABASE {database} OWNER TO {owner};",
        blocks=True,
    )


def _loses_owner(blue: ServerFacts, green: ServerFacts) -> bool:
    """Whether blue's owner has neither an owner's rights nor all of them."""
    role = _roles(green).get(blue.access.owner)
    return (
        blue.access.owner != green.access.owner
        and blue.access.owner in clients_of(blue)
        and not (role and role.superuser)
        and blue.access.owner not in green.access.owners
    )


def _check_lost(blue: ServerFacts, green: ServerFacts, right: str) -> Iterator[Finding]:
    """A right that clients have on blue in the end, however they come by it."""
    here, there = blue.access, green.access
    told = here.owners if _loses_owner(blue, green) else frozenset[str]()
    lost = [
        role.name
        for role in blue.roles
        if role.name in clients_of(blue) - told
        and (role.login or right != "CONNECT")
        and right in here.may.get(role.name, ())
        and right not in there.may.get(role.name, there.public)
    ]
    if not lost:
        return
    database = quote_name(green.database)
    yield checked(
        "database-grant-missing",
        Side.GREEN,
        f"{listed(map(quote_name, lost))} may not {_verb(right)} database {database}, "
        "as on blue",
        "clients are refused after the cutover"
        if right == "CONNECT"
        else f"statements that need {right} on the database are refused after the "
        "cutover",
        f"GRANT {right} ON DATABASE {database} TO "
        f"{_names(_grantees(blue, green, right, lost))};",
        blocks=True,
    )


def _verb(right: str) -> str:
    return {
        "CONNECT": "CONNECT to",
        "CREATE": "CREATE schemas in",
        "TEMPORARY": "make temporary tables in",
    }[right]


def _grantees(
    blue: ServerFacts, green: ServerFacts, right: str, lost: Iterable[str]
) -> list[str]:
    """Blue's own grants of it where they are enough, otherwise the roles by name."""
    roles = _roles(blue)
    by_name = {
        role
        for role, given in blue.access.grants - green.access.grants
        if given == right and role in roles
    }
    return sorted(
        {
            next((one for one in sorted(by_name) if _has(name, one, roles)), name)
            for name in lost
        }
    )


def _has(name: str, group: str, roles: dict[str, Role]) -> bool:
    """Whether a role has what that group has, by one membership or more."""
    seen, to_see = {name}, [name]
    while to_see:
        role = roles.get(to_see.pop())
        new = (role.inherits if role else frozenset()) - seen
        seen |= new
        to_see += new
    return group in seen


def _check_opened(blue: ServerFacts, green: ServerFacts) -> Iterator[Finding]:
    """Rights of everyone that blue's database does not give to everyone."""
    opened = [r for r in RIGHTS if r in green.access.public - blue.access.public]
    if not opened:
        return
    database = quote_name(green.database)
    fixes = []
    for right in opened:
        wanted = {role for role, given in blue.access.grants if given == right}
        if right != "CREATE" and not green.rights.superuser:
            wanted.add(green.rights.role)  # it would shut us out as well
        named = sorted(
            role for role in wanted if (role, right) not in green.access.grants
        )
        if named:
            fixes.append(f"GRANT {right} ON DATABASE {database} TO {_names(named)};")
        fixes.append(f"REVOKE {right} ON DATABASE {database} FROM PUBLIC;")
    yield checked(
        "database-open-to-public",
        Side.GREEN,
        f"every role has {' and '.join(opened)} on database {database}; on blue only "
        "roles that are named",
        "roles that blue keeps out come in after the cutover",
        " ".join(fixes),
        severity=Severity.WARNING,
    )


def _check_limit(blue: ServerFacts, green: ServerFacts) -> Iterator[Finding]:
    here, there = blue.access.limit, green.access.limit
    if _most(there) >= _most(here):
        return
    database = quote_name(green.database)
    yield checked(
        "database-limit-lower",
        Side.GREEN,
        f"database {database} takes {there} connections, blue's "
        + ("any number" if here < 0 else str(here)),
        "clients beyond that number are refused after the cutover",
        f"ALTER DATABASE {database} CONNECTION LIMIT {here};",
        blocks=True,
    )


def _most(limit: int) -> float:
    return math.inf if limit < 0 else limit


def _check_comment(blue: ServerFacts, green: ServerFacts) -> Iterator[Finding]:
    comment = blue.access.comment
    if not comment or comment == green.access.comment:
        return
    yield checked(
        "database-comment-differs",
        Side.GREEN,
        f"blue's database has the comment {comment!r}, green's "
        + (repr(green.access.comment) if green.access.comment else "none"),
        "pg_dump leaves it out",
        f"COMMENT ON DATABASE {quote_name(green.database)} IS {quote_value(comment)};",
    )


def _check_parameters(blue: ServerFacts, green: ServerFacts) -> Iterator[Finding]:
    """GRANT … ON PARAMETER to everyone, or to a role that clients use."""
    clients, roles = clients_of(blue), _roles(green)
    for one in sorted(
        blue.access.parameters, key=lambda one: (one.role, one.parameter)
    ):
        gone = "." not in one.parameter and one.parameter not in green.access.known
        if gone or (one.role and (one.role not in clients)):
            continue
        if _may_set(one, green.access, roles):
            continue
        whom = quote_name(one.role) if one.role else "PUBLIC"
        yield checked(
            "parameter-grant-missing",
            Side.GREEN,
            f"{whom} has {one.right} on parameter {one.parameter} on blue only",
            "SET of it is refused after the cutover",
            f"GRANT {one.right} ON PARAMETER {one.parameter} TO {whom};",
            blocks=True,
        )


def _may_set(
    wanted: ParameterGrant, access: DatabaseAccess, roles: dict[str, Role]
) -> bool:
    role = roles.get(wanted.role)
    if role is not None and role.superuser:
        return True
    return any(
        (one.parameter, one.right) == (wanted.parameter, wanted.right)
        and (not one.role or _has(wanted.role, one.role, roles))
        for one in access.parameters
    )


def _roles(facts: ServerFacts) -> dict[str, Role]:
    return {role.name: role for role in facts.roles}


def _names(roles: Iterable[str]) -> str:
    return ", ".join(map(quote_name, roles))
