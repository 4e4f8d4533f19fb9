"""Monitor: would the other side serve the clients that are connected now?

Owns what shuts them out, where no one has tried it: a role, a right, a limit, a
database that is read-only by default; and transaction ids that go backwards. `check`
looks at the same and more before the copy, this one sees what was changed since. It
needs no pointer with a `client`, and on the side that serves no free connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from bluegreen.model.accept import is_accepted
from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.activity import Clients, read_clients
from bluegreen.postgres.catalog.database_access import DatabaseAccess, read_access
from bluegreen.postgres.catalog.durability import as_bool
from bluegreen.postgres.catalog.roles import (
    Role,
    RoleSetting,
    nearest,
    read_role_settings,
    read_roles,
)
from bluegreen.postgres.catalog.server_bound import (
    Bound,
    BoundColumn,
    Counters,
    of_kind,
    read_bound_columns,
    read_counters,
    take_ids,
)
from bluegreen.postgres.catalog.settings import read_settings
from bluegreen.postgres.quoting import quote_name
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh

_READ_ONLY = "default_transaction_read_only"


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """Who is served now, and how the other side stands to them.

    Attributes:
        to_side: the side that does not serve.
        database: its name there.
        given: settings of roles and databases on the side that serves.
        bound: columns there whose values mean something on that server only.
        counters: where its counters stand.
        server_read_only: the other server makes sessions read-only itself.
    """

    to_side: Side
    database: str = ""
    clients: tuple[Clients, ...] = ()
    given: tuple[RoleSetting, ...] = ()
    bound: tuple[BoundColumn, ...] = ()
    counters: Counters = field(default_factory=Counters)
    roles: tuple[Role, ...] = ()
    access: DatabaseAccess = field(default_factory=DatabaseAccess)
    given_there: tuple[RoleSetting, ...] = ()
    counters_there: Counters = field(default_factory=Counters)
    server_read_only: bool = False


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """One thing in the way, under the id that `check` gives it.

    Attributes:
        role: whom it concerns; empty for everyone.
    """

    id: str
    says: str
    fix: str
    role: str = ""


class MonitorApplication(Monitor[ApplicationFacts]):
    """Clients that are connected now could log in and write on the other side."""

    id: ClassVar[str] = "application"
    if_unknown: ClassVar[Blocks] = Blocks.SWITCHOVER
    every_s: ClassVar[float] = 60.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that does not serve, as long as there is one."""
        return () if world.state.released else (world.state.serving.other,)

    def observe(self, world: Round, side: Side) -> ApplicationFacts:
        """Some ten catalog queries."""
        here, there = world.on(side.other), world.on(side)
        closed = read_settings(there).text(_READ_ONLY) or ""
        return ApplicationFacts(
            side,
            there.dbname,
            read_clients(here),
            read_role_settings(here),
            read_bound_columns(here),
            read_counters(here),
            read_roles(there),
            read_access(there),
            read_role_settings(there),
            read_counters(there),
            bool(as_bool(closed)),
        )

    def judge(self, facts: ApplicationFacts, limits: Limits) -> Iterator[Finding]:
        """What shuts clients out stops a move; what the playbook accepts does not."""
        where = str(facts.to_side)
        yield self.say(where, _weigh(facts, limits, where))


def _weigh(facts: ApplicationFacts, limits: Limits, where: str) -> Finding:
    found = [
        one
        for one in (*_shut_out(facts), *_backwards(facts, limits))
        if not is_accepted(limits.accept, one.id, where)
    ]
    if not found:
        return weigh(Severity.OK, "who is connected now could log in and write there")
    stops = facts.to_side is Side.GREEN or _shuts_all_out(found, facts)
    return weigh(
        Severity.CRITICAL if stops else Severity.WARNING,
        "; ".join(one.says for one in found),
        f"on {where}: {' '.join(one.fix for one in found)}",
        Blocks.SWITCHOVER if stops else Blocks.NOTHING,
    )


def _shuts_all_out(found: Sequence[_Obstacle], facts: ApplicationFacts) -> bool:
    """A rollback goes on without a role that came later, and over an order of ids."""
    hit = {one.role for one in found if one.id != _IDS}
    return "" in hit or (bool(hit) and {one.role for one in facts.clients} <= hit)


_IDS = "transaction-ids-kept"


def _shut_out(facts: ApplicationFacts) -> Iterator[_Obstacle]:
    connected = Counter[str]()
    for one in facts.clients:
        connected[one.role] += one.count
    roles = {role.name: role for role in facts.roles}
    for name, count in sorted(connected.items()):
        role = roles.get(name)
        if role is None:
            yield _Obstacle(
                "role-missing",
                f"role {quote_name(name)} is not there",
                f"CREATE ROLE {quote_name(name)} LOGIN;",
                name,
            )
        else:
            yield from _refused(role, count, facts)
    limit = facts.access.limit
    ordinary = sum(n for name, n in connected.items() if not _is_super(roles, name))
    if 0 <= limit < ordinary:
        yield _Obstacle(
            "database-limit-lower",
            f"the database takes {limit} connections, {ordinary} are open now",
            f"ALTER DATABASE {quote_name(facts.database)} CONNECTION LIMIT -1;",
        )
    yield from _closed(facts, sorted(connected))


def _is_super(roles: dict[str, Role], name: str) -> bool:
    return name in roles and roles[name].superuser


def _refused(role: Role, count: int, facts: ApplicationFacts) -> Iterator[_Obstacle]:
    name = quote_name(role.name)
    if not role.login:
        yield _Obstacle(
            "role-differs",
            f"role {name} is NOLOGIN",
            f"ALTER ROLE {name} LOGIN;",
            role.name,
        )
    if role.expired:
        yield _Obstacle(
            "role-differs",
            f"the password of role {name} has ended, on {role.valid_until}",
            f"ALTER ROLE {name} VALID UNTIL 'infinity';",
            role.name,
        )
    if not role.superuser and 0 <= role.connection_limit < count:
        yield _Obstacle(
            "role-differs",
            f"role {name} may have {role.connection_limit} connections, {count} are "
            "open now",
            f"ALTER ROLE {name} CONNECTION LIMIT -1;",
            role.name,
        )
    if "CONNECT" not in facts.access.may.get(role.name, ()):
        database = quote_name(facts.database)
        yield _Obstacle(
            "database-grant-missing",
            f"role {name} may not CONNECT to database {database}",
            f"GRANT CONNECT ON DATABASE {database} TO {name};",
            role.name,
        )


def _closed(facts: ApplicationFacts, names: Sequence[str]) -> Iterator[_Obstacle]:
    """Read-only by default there, and not here."""
    database = quote_name(facts.database)
    told = set()
    for name in names or [""]:
        there = nearest(facts.given_there, _READ_ONLY, name)
        here = nearest(facts.given, _READ_ONLY, name)
        on = as_bool(there.value) if there else facts.server_read_only
        if not on or (here and as_bool(here.value)):
            continue
        if there is None:
            fix = f"ALTER SYSTEM SET {_READ_ONLY} = off; SELECT pg_reload_conf();"
        else:
            role = quote_name(there.role) if there.role else "ALL"
            place = f" IN DATABASE {database}" if there.here else ""
            whom = (
                f"DATABASE {database}"
                if there.here and not there.role
                else f"ROLE {role}{place}"
            )
            fix = f"BEGIN READ WRITE; ALTER {whom} RESET {_READ_ONLY}; COMMIT;"
        if fix not in told:
            told.add(fix)
            who = f"role {quote_name(name)}" if name else "every role"
            says = f"sessions of {who} are read-only by default"
            only = there.role if there else ""
            yield _Obstacle("read-only-by-default", says, fix, only)


def _backwards(facts: ApplicationFacts, limits: Limits) -> Iterator[_Obstacle]:
    """Ids that tables keep would go backwards."""
    kept = [one for one in facts.bound if one.table not in limits.exclude]
    ids = of_kind(kept, Bound.TRANSACTION)
    here, there = facts.counters.next_id, facts.counters_there.next_id
    if ids and there < here:
        yield _Obstacle(
            _IDS,
            f"the next transaction id is {there}, {here} on the side that serves, and "
            f"{ids[0].name} keeps them",
            take_ids(here),
        )
