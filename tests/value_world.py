"""Measures what becomes of values: `python -m tests.value_world FILE.json`.

Runs each case of a file with a publication and a subscription, and writes the outcomes
into the file. Nothing of the judge takes part. A value is `SILENT` where

- it is not what the migration, run on a copy of blue after the same writes, makes of it
  (forward and copy), by its print and by its type's own equality;
- it does not become what was sent when it is cast, or read, the other way (all ways;
  not of text, which another type may read in its own form);
- nobody changed it on the side that sends, and it changed on the other.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bluegreen.compat.verdict import Direction
from tests.compat_cases import start_servers
from tests.kit import compat_world as world
from tests.kit.compat_case import Case, Scratch, read_what_can_be_read

Rows = dict[str, dict[str, str | None]]
_AS_SENT = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; "
    "SET extra_float_digits = 3; SET bytea_output = 'hex'"
)
_COLUMNS = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = 't'::regclass
   AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname"""


def measure(case: Case, place: Scratch, direction: Direction) -> str:
    """One direction on one server: `OK`, `SILENT`, `BREAK` or `APPERR`."""
    reverse = direction is Direction.REVERSE
    blue, green = place.database("jw_blue"), place.database("jw_green")
    for name, setup in ((blue, case.blue_setup), (green, case.green_setup)):
        rows = "" if direction is Direction.COPY and name == green else case.rows
        place.run(name, case.schema, rows, setup)
    sender, receiver = (green, blue) if reverse else (blue, green)
    if direction is not Direction.FORWARD:
        world._each(place, green, case.migration)
    place.run(sender, "create publication p for table t")
    with world._slot(place, sender):
        world._subscribe(place, sender, receiver, case, direction)
        try:
            return _stream(case, place, direction, sender, receiver)
        finally:
            world._unsubscribe(place, receiver)


def _stream(
    case: Case, place: Scratch, direction: Direction, sender: str, receiver: str
) -> str:
    with place.connect(receiver) as other:
        if not world._settled(other):
            return "BREAK"
    if direction is Direction.FORWARD:
        world._each(place, receiver, case.migration)
    before = _rows(place, sender), _rows(place, receiver)
    refused = False
    for text in case.writes(direction):
        try:
            place.run(sender, text)
        except psycopg.Error:
            refused = True
    with place.connect(sender) as one, place.connect(receiver) as two:
        if not world._caught_up(one, two):
            return "BREAK"
    after = _rows(place, sender), _rows(place, receiver)
    kinds = _types(place, receiver)
    wrong = _touched(before, after, kinds)
    wrong += _lost(place, receiver, sender, after, direction)
    if direction is not Direction.REVERSE:
        wrong += _not_cast(case, place, direction, after[1])
    if wrong:
        print(f"      {direction}: {wrong[0]}")
    return "SILENT" if wrong else "APPERR" if refused else "OK"


def _rows(place: Scratch, name: str) -> Rows:
    with place.connect(name) as session:
        session.execute(_AS_SENT)
        columns = [row[0] for row in session.execute(_COLUMNS).fetchall()]
        shown = [
            sql.SQL(
                "format('%s', {c}) || CASE WHEN {c} IS NULL THEN NULL ELSE '' END"
            ).format(c=sql.Identifier(c))
            for c in columns
        ]
        query = sql.SQL("SELECT id::text, ARRAY[{}]::text[] FROM t").format(
            sql.SQL(", ").join(shown)
        )
        return {
            key: dict(zip(columns, texts, strict=True))
            for key, texts in session.execute(query).fetchall()
        }


def _touched(
    before: tuple[Rows, Rows], after: tuple[Rows, Rows], kinds: Mapping[str, str]
) -> list[str]:
    """Values that changed on the receiving side alone."""
    found = []
    for key, row in after[1].items():
        had = before[1].get(key)
        for column, text in row.items() if had else ():
            one = before[0].get(key, {}).get(column)
            two = after[0].get(key, {}).get(column)
            if had and one == two and _changed(kinds[column], had[column], text):
                found.append(f"{column} of {key}: {had[column]!r} became {text!r}")
    return found


def _changed(kind: str, had: str | None, has: str | None) -> bool:
    """Another print; of json, and of the zeros of a number, another value."""
    if had is None or has is None or had == has:
        return had is not has and had != has
    if kind == "json":
        return _json(had) != _json(has)
    if kind.startswith("numeric") and kind.endswith("[]"):
        return _json(_listed(had)) != _json(_listed(has))
    return not kind.startswith("numeric") or Decimal(had) != Decimal(has)


def _listed(text: str) -> str:
    return text.replace("{", "[").replace("}", "]")


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=lambda pairs: sorted(map(repr, pairs)))


def _lost(
    place: Scratch,
    receiver: str,
    sender: str,
    after: tuple[Rows, Rows],
    direction: Direction,
) -> list[str]:
    found = []
    kinds = _types(place, sender), _types(place, receiver)
    for key, row in after[0].items():
        other = after[1].get(key)
        if other is None:
            found.append(f"no row {key}")
            continue
        for column, text in row.items():
            if column not in other:
                continue
            one, two = kinds[0][column], kinds[1][column]
            if one == two and text == other[column]:
                continue
            back = direction is Direction.REVERSE
            if text != other[column] and _netmask_lost(one, two, back=back):
                found.append(f"{column} of {key}: {text!r} is {other[column]!r}")
                continue
            if not _kept(place, (sender, receiver), (one, two), text, other[column]):
                found.append(f"{column} of {key}: {text!r} is {other[column]!r}")
    return found


def _types(place: Scratch, name: str) -> Mapping[str, str]:
    with place.connect(name) as session:
        return dict(session.execute(_COLUMNS).fetchall())


def _netmask_lost(one: str, two: str, *, back: bool) -> bool:
    """Whether the text of an address says that a netmask was written, or that none."""
    if one == "inet":
        return two == "cidr" and not back
    return two in {"inet", "cidr"} and one != "cidr"


_PLAIN = ("text", "character varying", "character(")


def _kept(
    place: Scratch,
    names: tuple[str, str],
    kinds: tuple[str, str],
    sent: str | None,
    stored: str | None,
) -> bool:
    if sent is None or stored is None:
        return sent is stored
    if sent == stored:
        return True
    if kinds[0] == "json" or kinds[0].startswith(_PLAIN):
        return not kinds[1].startswith(_PLAIN) or _same_text(kinds, sent, stored)
    read = f"$1::text::{kinds[0]}"
    cast = f"($1::text::{kinds[1]})::{kinds[0]}"
    ways = [(names[0], read), (names[1], cast), (names[0], cast)]
    return any(_reads(place, name, way, kinds[0], sent, stored) for name, way in ways)


def _same_text(kinds: tuple[str, str], sent: str, stored: str) -> bool:
    """Two kinds of text hold one; the blanks that fill a char(n) are no part of it."""
    filled = any(kind.startswith("character(") for kind in kinds)
    return filled and sent.rstrip(" ") == stored.rstrip(" ")


def _reads(
    place: Scratch, name: str, way: str, kind: str, sent: str, stored: str
) -> bool:
    words = f"SELECT ({way}) = ($2::text::{kind})".replace("$1", "%s")
    with place.connect(name) as session:
        session.execute("SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'")
        try:
            row = session.execute(words.replace("$2", "%s"), [stored, sent]).fetchone()
        except psycopg.Error:
            return False
    return bool(row and row[0])


def _not_cast(
    case: Case, place: Scratch, direction: Direction, green: Rows
) -> list[str]:
    """What the migration makes of blue as it is now, and the stream did not."""
    name = place.database("jw_migrated")
    place.run(name, case.schema, case.rows, case.blue_setup)
    world._each(place, name, case.on_blue)
    place.run(name, "alter database {db} reset all", case.green_setup)
    world._each(place, name, case.migration)
    wanted, kinds = _rows(place, name), _types(place, name)
    return [
        f"{column} of {key}: the cast makes {text!r}, the stream {row[column]!r}"
        for key, row in green.items()
        for column, text in wanted.get(key, {}).items()
        if _changed(kinds[column], text, row[column])
    ]


def _outcomes(case: Case, places: Mapping[int, Scratch]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for direction in Direction:
        if direction.value not in case.outcome:
            continue
        seen = {}
        for major, place in places.items():
            if major >= case.min_version:
                seen[str(major)] = measure(case, place, direction)
        found[direction.value] = {"by_version": seen}
        print(f"{case.id} {direction.value}: {seen}", flush=True)
    return found


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.value_world")
    parser.add_argument("file", type=Path)
    parser.add_argument("--majors", default="15,16,17,18")
    parser.add_argument("--only", default="")
    given = parser.parse_args(words)
    cases, unreadable = read_what_can_be_read(given.file)
    assert not unreadable, unreadable
    raw = {one["id"]: one for one in json.loads(given.file.read_text())}
    majors = [int(m) for m in given.majors.split(",")]
    with tempfile.TemporaryDirectory(prefix="values-") as folder:
        servers = start_servers(Path(folder), majors)
        places = {m: Scratch(s.conninfo()) for m, s in servers.items()}
        try:
            for case in cases:
                if given.only in case.id:
                    raw[case.id]["outcome"] = _outcomes(case, places)
        finally:
            for server in servers.values():
                server.remove()
    lines = [json.dumps(one, ensure_ascii=False) for one in raw.values()]
    given.file.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
