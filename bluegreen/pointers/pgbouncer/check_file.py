"""What about a PgBouncer's file would hurt a move, and how to correct it. Pure.

Owns the findings about the entry's line and the file around it; those of the running
process are in `check.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bluegreen.model.finding import Finding, checked
from bluegreen.pointers.pgbouncer import ini
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.shown import Unloaded


def entry_findings(
    where: str,
    entry: ini.Setting,
    settings: list[ini.Setting],
    running: Address | None,
    obstacles: list[str],
    strange: Sequence[Unloaded] = (),
    forgotten: Sequence[Unloaded] = (),
) -> list[Finding]:
    """Judge the file: the entry, what stands beside it, and whether we may write."""
    pairs = ini.read_pairs(entry.value)
    written = Address.of_pairs(pairs, entry.key)
    found = [
        checked(
            "config-not-replaceable",
            where,
            f"{entry.file}: {obstacle}",
            "a move replaces the file by a rename and keeps its owner",
            "run bluegreen as the owner of the file, or as root, where the file lies",
            blocks=True,
        )
        for obstacle in obstacles
    ]
    if written != running:
        found.append(
            checked(
                "config-not-loaded",
                where,
                f"{entry.place} says {written}, the running pooler {running}",
                "a RELOAD would move traffic by itself",
                "make the file say where clients shall go now, then RELOAD",
                blocks=True,
            )
        )
    found += [
        checked(
            "config-not-loaded",
            where,
            str(one),
            "a move loads the whole file, so this would change in its pause",
            "RELOAD PgBouncer first, or correct the file. An entry that stays after "
            "RELOAD was made by a former `*`: give it a line of its own, then RELOAD",
            blocks=True,
        )
        for one in strange
    ]
    found += [
        checked(
            "config-only-running",
            where,
            str(one),
            "RELOAD keeps it, a restart of PgBouncer forgets it",
            "write it into the file again, or restart PgBouncer before the move",
        )
        for one in forgotten
    ]
    keys = {pair.key: pair.value for pair in pairs}
    return [*found, *_roles(where, entry, keys, settings), *_wildcard(where, settings)]


def _roles(
    where: str,
    entry: ini.Setting,
    keys: Mapping[str, str],
    settings: list[ini.Setting],
) -> Iterator[Finding]:
    wide = [s for s in settings if (s.section, s.key) == ("pgbouncer", "auth_user")]
    auth = keys.get("auth_user") or next((s.value for s in wide), "")
    if auth:
        at = entry.place if "auth_user" in keys else wide[0].place
        yield checked(
            "auth-query",
            where,
            f"{at}: passwords are looked up by auth_query as {auth}",
            "after the move it runs on green: role, function and rights must be there",
        )


def _wildcard(where: str, settings: list[ini.Setting]) -> Iterator[Finding]:
    for entry in ini.find_entries(settings, "*"):
        yield checked(
            "wildcard-entry",
            where,
            f"{entry.place}: * = {_public(entry.value)}",
            "names without an entry of their own go there, before and after a move",
        )


def _public(value: str) -> str:
    """The parts of a connection string that say where, and no password."""
    try:
        pairs = ini.read_pairs(value)
    except ini.IniError:
        return "(unreadable)"
    return " ".join(
        f"{p.key}={p.value}" for p in pairs if p.key in ("host", "port", "dbname")
    )
