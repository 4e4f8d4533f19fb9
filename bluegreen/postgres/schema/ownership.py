"""Whom what is made on a side belongs to, and handing it over to the application.

Owns the question and the statements. What a session of ours makes belongs to our role,
and default privileges of the application's role do not act; who else it may belong to
is decided here, who asks for it is for the steps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, not_of_extension
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import fewer_quotes
from bluegreen.postgres.user_session import verbatim

CURE = (
    "name the owner as `role` of the step migrate; our role must be a member of it "
    "(GRANT … TO …), and it must have CREATE on the schema (GRANT CREATE ON SCHEMA …)"
)
"""What to do where something cannot be handed over."""

Grant = tuple[str, str, bool]
"""Privilege, role (`PUBLIC` for all) and whether it may be passed on."""


@dataclass(frozen=True, slots=True)
class Owned:
    """An object, its owner and what others may do with it.

    Attributes:
        key: as messages name it, `table public.marks`.
        kind: in ALTER; `TABLE`, `FUNCTION` and so on.
        grants_on: the same in GRANT.
        name: all of it quoted, as a statement has it.
        schema: its schema; its own name where it is one.
        letter: as `pg_default_acl` tells kinds apart.
        owner: its role.
        grants: those of roles other than the owner.
    """

    key: str
    kind: str
    grants_on: str
    name: str
    schema: str
    letter: str
    owner: str
    grants: frozenset[Grant] = frozenset()

    @property
    def is_table(self) -> bool:
        """Whether it holds rows: what an application is known by."""
        return self.letter == "r" and self.kind in ("TABLE", "FOREIGN TABLE")


@dataclass(frozen=True, slots=True)
class Handover:
    """An object that is to belong to another role.

    Attributes:
        owned: as it is now.
        to: the role; empty where none can be told.
        grants: what others may do with it then; None for what the role's default
            privileges say.
        why_not: why it cannot be; empty where nothing is known against it.
    """

    owned: Owned
    to: str
    grants: frozenset[Grant] | None = None
    why_not: str = ""


def read_owned(database: Database) -> dict[str, Owned]:
    """All but what is ours, an extension's, or follows another object's owner."""
    return {
        one.key: one for one in (_owned(*row) for row in database.quoted_rows(_OWNED))
    }


def handovers(
    theirs: Mapping[str, Owned],
    made: Mapping[str, Owned],
    *,
    ours: str,
    role: str = "",
    only: Collection[str] | None = None,
) -> tuple[Handover, ...]:
    """What one side has of ours and whom it is to belong to. Pure.

    What the other side has too belongs to whom it belongs there. What is new belongs to
    the one role that the tables of its schema belong to there; where none is there, to
    the one of all tables. Where our own role is among these nothing is handed over.

    Args:
        theirs: objects of the side that the application made.
        made: objects of the side on which ours were made.
        ours: our role.
        role: the one that new objects belong to, if the playbook says so.
        only: keys that count; all where it is None.
    """
    owners = _owners(theirs.values())
    found = []
    for key, one in made.items():
        if one.owner != ours or (only is not None and key not in only):
            continue
        twin = theirs.get(key)
        if twin is not None:
            if twin.owner != ours:
                found.append(Handover(one, twin.owner, twin.grants))
            continue
        may = {role} if role else owners.get(one.schema) or owners.get("") or {ours}
        if ours in may:
            continue
        to = next(iter(may)) if len(may) == 1 else ""
        why = "" if to else f"tables belong to {', '.join(sorted(may))}"
        found.append(Handover(one, to, None, why))
    # What stands in a schema can only be handed over once the schema is.
    return tuple(sorted(found, key=lambda one: one.owned.letter != "n"))


def _owners(owned: Iterable[Owned]) -> dict[str, set[str]]:
    """Owners of tables by schema, and of all under an empty name."""
    found: dict[str, set[str]] = {}
    for one in owned:
        if one.is_table:
            for schema in (one.schema, ""):
                found.setdefault(schema, set()).add(one.owner)
    return found


def permitted(database: Database, found: Iterable[Handover]) -> Iterator[Handover]:
    """The same, each with why our role may not hand it over."""
    asked = list(found)
    # In a schema that becomes its own the new owner may make what it likes.
    own = {(one.to, one.owned.schema) for one in asked if one.owned.letter == "n"}

    def place(one: Handover) -> tuple[str, str]:
        pair = (one.to, one.owned.schema)
        return (one.to, "") if pair in own else pair

    pairs = sorted({place(one) for one in asked if one.to})
    rows = database.rows(_MAY, ([to for to, _ in pairs], [where for _, where in pairs]))
    told = {(to, schema): str(why or "") for to, schema, why in rows}
    for one in asked:
        why = one.why_not or told.get(place(one), "")
        yield Handover(one.owned, one.to, one.grants, why)


def statements(database: Database, one: Handover) -> list[str]:
    """What hands it over, on the side that has it.

    Grants come first, while it is ours to give them; what our own role's defaults gave
    and those of the new owner do not is taken back.
    """
    owned = one.owned
    given = _defaults(database, owned.owner, owned)
    wanted = _defaults(database, one.to, owned) if one.grants is None else one.grants
    on = f"ON {owned.grants_on} {owned.name}"
    made = [
        f"REVOKE {privilege} {on} FROM {_role(grantee)}"
        for privilege, grantee, _ in sorted((owned.grants & given) - wanted)
    ]
    for privilege, grantee, passed_on in sorted(wanted - owned.grants):
        option = " WITH GRANT OPTION" if passed_on else ""
        made.append(f"GRANT {privilege} {on} TO {_role(grantee)}{option}")
    to = sql.Identifier(one.to).as_string()
    return [*made, f"ALTER {owned.kind} {owned.name} OWNER TO {to}"]


def hand_over(database: Database, found: Iterable[Handover]) -> list[str]:
    """Hand each over, all of it or nothing; the keys."""
    done = []
    for one in found:
        script = statements(database, one)
        with database.transaction() as own:
            own.execute(_LOCK_WAIT)
            for statement in script:
                own.execute(verbatim(statement))
        done.append(one.owned.key)
    return done


def _defaults(database: Database, role: str, owned: Owned) -> frozenset[Grant]:
    """What others may do with an object that a role makes."""
    rows = database.rows(_DEFAULTS, (role, owned.letter, owned.schema))
    return frozenset((str(p), str(g), bool(o)) for p, g, o in rows if g != role)


def our_role(database: Database) -> str:
    """The role of our sessions there."""
    return str(database.value(sql.SQL("SELECT current_user::text")))


def _owned(
    word: str, name: str, schema: str, letter: str, owner: str, grants: list[Any] | None
) -> Owned:
    return Owned(
        f"{word} {fewer_quotes(name)}",
        _ALTERED.get(letter, word.upper()),
        _GRANTED[letter],
        name,
        schema,
        letter,
        owner,
        frozenset((p, g, bool(o)) for p, g, o in grants or ()),
    )


def _role(name: str) -> str:
    return name if name == "PUBLIC" else sql.Identifier(name).as_string()


_ALTERED = {"f": "ROUTINE", "T": "TYPE"}
_GRANTED = {"r": "TABLE", "f": "ROUTINE", "T": "TYPE", "n": "SCHEMA", "S": "SEQUENCE"}

# They are new, or a migration has just replaced them.
_LOCK_WAIT = sql.SQL("SET LOCAL lock_timeout = '2s'")

# A sequence that belongs to a column follows the table. MAINTAIN came with 17, and a
# grant that one side cannot have is none.
_OWNED = sql.SQL(
    """
    WITH owned (word, name, schema, letter, owner, acl) AS (
        SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
            format('%I.%I', n.nspname, c.relname), n.nspname,
            CASE c.relkind WHEN 'S' THEN 'S' ELSE 'r' END, c.relowner, c.relacl
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
          AND NOT {ours} AND {relation}
          AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
              AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
        UNION ALL
        SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
                ELSE 'function' END,
            format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
            n.nspname, 'f', p.proowner, p.proacl
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE NOT {ours} AND {routine}
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
            AND d.objid = p.oid AND d.deptype = 'i')
        UNION ALL
        SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range'
                WHEN 'e' THEN 'enum' ELSE 'type' END,
            format('%I.%I', n.nspname, t.typname), n.nspname, 'T', t.typowner, t.typacl
        FROM pg_type t
        JOIN pg_namespace n ON n.oid = t.typnamespace
        LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE (t.typtype IN ('d', 'r', 'e') OR t.typtype = 'c' AND c.relkind = 'c')
          AND NOT {ours} AND {type}
        UNION ALL
        SELECT 'schema', format('%I', n.nspname), n.nspname, 'n', n.nspowner, n.nspacl
        FROM pg_namespace n WHERE NOT {ours} AND n.nspname <> 'public'
    )
    SELECT o.word, o.name, o.schema::text, o.letter, pg_get_userbyid(o.owner)::text,
        (SELECT json_agg(json_build_array(x.privilege_type,
                CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee) END,
                x.is_grantable))
            FROM aclexplode(coalesce(o.acl, acldefault(CASE o.letter WHEN 'S' THEN 's'
                ELSE o.letter END::"char", o.owner))) x
            WHERE x.grantee <> o.owner AND x.privilege_type <> 'MAINTAIN')
    FROM owned o
    """
).format(
    ours=OURS_OR_SYSTEM,
    relation=not_of_extension("pg_class", "c.oid"),
    routine=not_of_extension("pg_proc", "p.oid"),
    type=not_of_extension("pg_type", "t.oid"),
)

# A global entry stands for what is built in; one of a schema adds to it.
_DEFAULTS = sql.SQL(
    """
    WITH asked (role, letter, schema) AS (VALUES (%s::text, %s::"char", %s::text))
    SELECT DISTINCT x.privilege_type,
        CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee)::text END,
        x.is_grantable
    FROM asked q JOIN pg_roles r ON r.rolname = q.role
    CROSS JOIN LATERAL (
        SELECT coalesce((SELECT d.defaclacl FROM pg_default_acl d
            WHERE d.defaclrole = r.oid AND d.defaclnamespace = 0
              AND d.defaclobjtype = q.letter),
            acldefault(CASE q.letter WHEN 'S' THEN 's'::"char" ELSE q.letter END,
                r.oid))
        UNION ALL
        SELECT d.defaclacl FROM pg_default_acl d
        JOIN pg_namespace n ON n.oid = d.defaclnamespace
        WHERE d.defaclrole = r.oid AND n.nspname = q.schema
          AND d.defaclobjtype = q.letter
    ) a (acl)
    CROSS JOIN LATERAL aclexplode(a.acl) x
    WHERE x.privilege_type <> 'MAINTAIN'
    """
)

# From 16 on a member may be one that cannot take the role.
_MAY = sql.SQL(
    """
    SELECT a.role, a.schema, CASE
        WHEN r.oid IS NULL THEN format('there is no role %%I', a.role)
        WHEN u.rolsuper THEN ''
        WHEN NOT pg_has_role(r.oid, CASE
                WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET'
                ELSE 'MEMBER' END)
            THEN format('our role %%I may not SET ROLE to %%I', current_user, a.role)
        WHEN n.oid IS NOT NULL AND NOT has_schema_privilege(r.oid, n.oid, 'CREATE')
            THEN format('%%I may not CREATE in schema %%I', a.role, a.schema) END
    FROM unnest(%s::text[], %s::text[]) a (role, schema)
    JOIN pg_roles u ON u.rolname = current_user
    LEFT JOIN pg_roles r ON r.rolname = a.role
    LEFT JOIN pg_namespace n ON n.nspname = a.schema
    """
)
