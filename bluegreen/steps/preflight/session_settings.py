"""Looks at what a session of the application gets on one side only.

Role, database and server give it settings; those nearest to it win. What is in force
is compared, in both directions, wherever it comes from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.model.zones import same_zone
from bluegreen.postgres.catalog.durability import as_bool
from bluegreen.postgres.catalog.roles import RoleSetting, nearest
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.catalog.settings import RESULT_SETTINGS, is_list
from bluegreen.postgres.quoting import quote_name, quote_value
from bluegreen.steps.preflight.intent import Intent, clients_of, listed

READ_ONLY = "default_transaction_read_only"
READ_ONLY_ID = "read-only-by-default"

STREAM_LIMITS = ("statement_timeout", "transaction_timeout")
"""They end what the stream does in a session of our role, the initial copy first."""

_LIMITS = (
    *STREAM_LIMITS,
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "temp_file_limit",
)
"""What ends a statement or a transaction; 0 and -1 are none."""

_OF_SERVERS = (
    *RESULT_SETTINGS,
    *_LIMITS,
    "default_transaction_deferrable",
    "default_table_access_method",
    "default_tablespace",
    "backslash_quote",
    "lo_compat_privileges",
    "row_security",
)
"""Compared as the servers have them: by these a statement means something else, or does
not pass."""

_DECIDING = {
    *_OF_SERVERS,
    "check_function_bodies",
    "client_encoding",
    "local_preload_libraries",
    "role",
    "session_preload_libraries",
}
"""The same, where a role or database has them on green only."""

_LOOKED_AT_APART = {READ_ONLY, "session_replication_role"}


def check_settings(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Settings of the servers by which the same statement gives another result."""
    for name in _OF_SERVERS:
        here, there = in_force(blue, name), in_force(green, name)
        if here is None or there is None or _same(blue, name, here, there):
            continue
        if _is_given(blue, name) or _is_given(green, name):
            continue  # told as a setting of the database
        looser = name in _LIMITS and _limit(green, name, there) > _limit(
            blue, name, here
        )
        if looser:
            continue
        value = here if is_list(name) else quote_value(_written(blue, name, here))
        yield checked(
            "time-zone-differs" if name == "TimeZone" else "setting-differs",
            Side.GREEN,
            f"{name} is {here!r} on blue and {there!r} on green",
            "the same statement gives another result after the cutover",
            f"ALTER DATABASE {quote_name(green.database)} SET {name} = {value};",
            blocks=True,
        )
    for facts in (blue, green):
        yield from _check_unseen_settings(facts)


def _is_given(facts: ServerFacts, name: str) -> bool:
    return any(
        not one.role and one.name.lower() == name.lower() for one in facts.role_settings
    )


def _written(facts: ServerFacts, name: str, text: str) -> str:
    """A value of the server with its unit, as ALTER DATABASE is to have it."""
    unit = facts.settings.units.get(name, "")
    return text if not unit or text in {"0", "-1"} else f"{text}{unit}"


def in_force(facts: ServerFacts, name: str, role: str = "") -> str | None:
    """What a session of that role gets, of any role without one; None if unseen."""
    given = nearest(facts.role_settings, name, role)
    return facts.settings.text(name) if given is None else given.value


def _same(facts: ServerFacts, name: str, here: str, there: str) -> bool:
    measured = [facts.settings.measured(name, text) for text in (here, there)]
    if None not in measured:
        return measured[0] == measured[1]
    ours, theirs = (re.sub(r"\s", "", text).lower() for text in (here, there))
    meant = as_bool(here)
    return (
        ours == theirs
        or (meant is not None and meant == as_bool(there))
        or (name == "TimeZone" and same_zone(ours, theirs))
    )


def _check_unseen_settings(facts: ServerFacts) -> Iterator[Finding]:
    unseen = [n for n in _OF_SERVERS if _is_unseen(facts, n)]
    if unseen:
        yield checked(
            "settings-unseen",
            facts.side,
            f"what {listed(unseen)} is for others cannot be seen",
            "our own sessions set them, and the role may not read the configuration "
            "file",
            "GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_all_file_settings() TO "
            f"{quote_name(facts.rights.role)};",
        )


def _is_unseen(facts: ServerFacts, name: str) -> bool:
    return name in facts.settings.texts and in_force(facts, name) is None


def check_role_settings(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """ALTER ROLE … SET and ALTER DATABASE … SET, which pg_dump leaves out."""
    used = {"", *(role.name for role in blue.roles if role.used)}
    there = {(s.role, s.here, s.name): s.value for s in green.role_settings}
    for setting in blue.role_settings:
        if setting.role not in used or _is_apart(setting, blue):
            continue
        if _are_alike(blue, green, setting):
            continue
        value = there.get((setting.role, setting.here, setting.name))
        yield checked(
            "role-setting-missing",
            Side.GREEN,
            f"{whose(setting, blue)} has {setting.name} = {setting.value}; on green "
            + ("nothing" if value is None else value),
            "the same statement gives another result after the cutover",
            _set(setting, green),
            blocks=True,
        )
    yield from _check_extra(blue, green)


def _are_alike(blue: ServerFacts, green: ServerFacts, setting: RoleSetting) -> bool:
    """Whether sessions that this is given to get the same on both sides."""
    here = in_force(blue, setting.name, setting.role)
    there = in_force(green, setting.name, setting.role)
    if here is None or there is None:
        return False
    return _same(blue, setting.name, here, there)


def _is_apart(setting: RoleSetting, facts: ServerFacts) -> bool:
    """What has looks of its own."""
    name = setting.name.lower()
    of_stream = setting.role == facts.rights.role and name in STREAM_LIMITS
    return name in _LOOKED_AT_APART or of_stream


def _check_extra(blue: ServerFacts, green: ServerFacts) -> Iterator[Finding]:
    """Settings of green's roles and database that blue's have nowhere."""
    there = {(s.role, s.here, s.name) for s in blue.role_settings}
    used = {"", *clients_of(blue)}
    for setting in green.role_settings:
        if (setting.role, setting.here, setting.name) in there:
            continue  # told as blue's
        if setting.role not in used or _is_apart(setting, green):
            continue
        if _are_alike(blue, green, setting):
            continue
        here = in_force(blue, setting.name, setting.role)
        yield checked(
            "setting-on-green-only",
            Side.GREEN,
            f"{whose(setting, green)} has {setting.name} = {setting.value} on green; "
            f"on blue {here or 'nothing'}",
            "the application's sessions get it with the cutover",
            f"ALTER {whom(setting, green)} RESET {setting.name};",
            blocks=_decides(setting, here, blue, green),
        )


def _decides(
    setting: RoleSetting, here: str | None, blue: ServerFacts, green: ServerFacts
) -> bool:
    """Whether a statement would mean something else by it, or not pass."""
    name = setting.name
    if name in _LIMITS and here is not None:
        return _limit(green, name, setting.value) < _limit(blue, name, here)
    return name in _DECIDING


def _limit(facts: ServerFacts, name: str, text: str) -> float:
    measured = facts.settings.measured(name, text)
    return measured if measured and measured > 0 else math.inf


def check_read_only(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """A green that was made read-only so that no one writes to it too early."""
    given = [one for one in green.role_settings if one.name.lower() == READ_ONLY]
    used = {"", *clients_of(blue)}
    for setting in given:
        if setting.role in used and _closes(blue, green, setting.role):
            # A session there would refuse the statement itself.
            reset = f"ALTER {whom(setting, green)} RESET {READ_ONLY}"
            fix = f"BEGIN READ WRITE; {reset}; COMMIT;"
            if as_bool(setting.value):
                yield _read_only(whose(setting, green), fix)
    if as_bool(green.settings.text(READ_ONLY) or "") and _closes(blue, green, ""):
        fix = f"ALTER SYSTEM SET {READ_ONLY} = off; SELECT pg_reload_conf();"
        yield _read_only("the server", fix)


def _closes(blue: ServerFacts, green: ServerFacts, role: str) -> bool:
    here, there = (in_force(facts, READ_ONLY, role) or "" for facts in (blue, green))
    return not as_bool(here) and bool(as_bool(there))


def _read_only(who: str, fix: str) -> Finding:
    return checked(
        READ_ONLY_ID,
        Side.GREEN,
        f"{who} has {READ_ONLY} = on",
        "every write of the application fails after the cutover; the fence keeps "
        "writers off green until then",
        fix,
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
