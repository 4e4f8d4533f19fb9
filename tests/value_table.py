"""Asks servers for both conversions of values: `python -m tests.value_table`.

Writes `bluegreen/compat/rules/conversions.json`: for each pair of types what becomes of
a few edge values when their text is read as the other type, as a stream does, and when
they are cast, as a migration does. Each major that is on this machine is asked; records
that are the same on several stand once. Run it again when a type or an edge is added.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.compat_cases import start_servers

TABLE = (
    Path(__file__).parents[1] / "bluegreen" / "compat" / "rules" / "conversions.json"
)
MAJORS = range(13, 19)

EDGES: Mapping[str, tuple[str, ...]] = {
    "smallint": ("0", "-1", "32767"),
    "integer": ("0", "-1", "2147483647"),
    "bigint": ("0", "-1", "9223372036854775807", "9007199254740993"),
    "numeric": ("0", "-1.5", "1.50", "123456789012345678.123", "NaN", "1e-20"),
    "real": ("0", "-0", "0.5", "0.1", "16777216", "1e20", "NaN", "Infinity"),
    "double precision": ("0", "-0", "0.5", "0.1", "0.30000000000000004", "1e20", "NaN"),
    "money": ("0", "1234.50", "-0.01"),
    "boolean": ("t", "f"),
    "text": (
        *("a", "", "007", " 7 ", "1.50", "yes", "t", "{1}", "now", "infinity"),
        *('{"a":1}', '{"a":1,"a":2}', "2024-1-5", "10.0.0.1/32", "a\\b", "24 hours"),
    ),
    "character varying(40)": ("a", "", "ab  "),
    "character(4)": ("a", "abcd"),
    "name": ("a", "A"),
    "date": ("2024-02-29", "infinity", "0044-03-15 BC"),
    "timestamp without time zone": ("2024-02-29 10:00:00.5", "infinity", "2024-03-31"),
    "timestamp with time zone": ("2024-02-29 10:00:00.5+00", "-infinity"),
    "time without time zone": ("10:30", "24:00", "10:30:00.5"),
    "time with time zone": ("10:30+02", "24:00+00"),
    "interval": ("1 day", "24:00", "-1 mon +2 days", "1.5 sec"),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",),
    "json": ('{"b":1,  "a":2}', '{"a":1,"a":2}', '"x"', "1.50", "null"),
    "jsonb": ('{"a": 1}', '"x"', "1.50", "null"),
    "bytea": ("\\x6162", "\\x", "\\x00ff"),
    "inet": ("10.0.0.1", "10.0.0.1/24", "::1"),
    "cidr": ("10.0.0.0/8", "10.0.0.1/32", "::1/128"),
    "macaddr": ("08:00:2b:01:02:03",),
    "macaddr8": ("08:00:2b:01:02:03:04:05", "08:00:2b:ff:fe:01:02:03"),
    "bit(4)": ("0101", "0000"),
    "bit varying(8)": ("0101", ""),
    "int4range": ("[1,5)", "empty", "(,)"),
    "int8range": ("[1,5)", "empty"),
    "numrange": ("[1.50,2)", "[1,5]"),
    "tsrange": ("[2024-01-01,2024-01-02)", "[2024-01-01,infinity)"),
    "tstzrange": ("[2024-01-01,2024-01-02)",),
    "daterange": ("[2024-01-01,2024-01-05]",),
    "point": ("(1,2)",),
}

SETTINGS = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "0",
    "TimeZone": "Asia/Tokyo",
    "bytea_output": "escape",
}
"""Another value of each setting that a migration's session may have."""

_ASK = r"""
CREATE FUNCTION pg_temp.ask(way text, value text, one text, two text) RETURNS text
LANGUAGE plpgsql AS $body$
DECLARE found text;
BEGIN
  IF way = 'stream' THEN
    EXECUTE format('SELECT format(''%%s'', format(''%%s'', %L::%s)::%s)',
                   value, one, two) INTO found;
  ELSE
    EXECUTE format('SELECT (%L::%s)::%s', value, one, two) INTO found;
    EXECUTE format('SELECT format(''%%s'', (%L::%s)::%s)', value, one, two) INTO found;
  END IF;
  RETURN found;
EXCEPTION
  WHEN cannot_coerce THEN RETURN '!no cast';
  WHEN OTHERS THEN RETURN '!refused';
END $body$
"""


def ask_all(session: psycopg.Connection, array: str = "") -> Iterator[dict[str, Any]]:
    """Both conversions of every edge value between every two types."""
    for one, values in EDGES.items():
        for two in EDGES:
            for value in values if one != two else ():
                text = _in_array(value) if array else value
                row = session.execute(
                    "SELECT pg_temp.ask('stream', %s, %s, %s), "
                    "pg_temp.ask('cast', %s, %s, %s)",
                    [text, one + array, two + array] * 2,
                ).fetchone()
                assert row is not None
                yield {
                    "pair": (one, two),
                    "value": value,
                    "stream": row[0],
                    "cast": row[1],
                }


def _in_array(value: str) -> str:
    return '{"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"}'


def records(session: psycopg.Connection) -> dict[str, dict[str, Any]]:
    """One server's answers, by pair."""
    session.execute(_ASK)
    found: dict[str, dict[str, Any]] = {}
    plain = list(ask_all(session))
    for said in plain:
        _note(found, said)
    for name, value in SETTINGS.items():
        session.execute("SELECT set_config(%s, %s, false)", [name, value])
        _note_setting(found, plain, list(ask_all(session)), name)
        session.execute(sql.SQL("RESET {}").format(sql.Identifier(name)))
    arrays: dict[str, dict[str, Any]] = {}
    for said in ask_all(session, "[]"):
        _note(arrays, said)
    for pair, record in found.items():
        if record.get("cast") and _verdict(record) != _verdict(arrays[pair]):
            record["array"] = _verdict(arrays[pair])
    return {pair: record for pair, record in found.items() if _says_something(record)}


def _note(found: dict[str, dict[str, Any]], said: Mapping[str, Any]) -> None:
    record = found.setdefault(" > ".join(said["pair"]), {})
    stream, cast, value = said["stream"], said["cast"], said["value"]
    if cast != "!no cast":
        record["cast"] = True
    if stream == "!refused":
        record.setdefault("refused", []).append(value)
    else:
        record["reads"] = True
        if not cast.startswith("!") and cast != stream and value != "now":
            record.setdefault("differs", []).append([value, stream, cast])


def _note_setting(
    found: dict[str, dict[str, Any]],
    plain: list[dict[str, Any]],
    other: list[dict[str, Any]],
    name: str,
) -> None:
    for one, two in zip(plain, other, strict=True):
        if not one["pair"][1].startswith(_PRINTED):
            continue
        record = found[" > ".join(one["pair"])]
        known = not one["cast"].startswith("!") and one["value"] != "now"
        if known and one["cast"] != two["cast"]:
            record.setdefault("settings", [])
            if name not in record["settings"]:
                record["settings"].append(name)


_PRINTED = ("text", "character", "name")
"""Types whose values hold another type's print; that of others is not the value."""


def _verdict(record: Mapping[str, Any]) -> str:
    return "differs" if record.get("differs") else "same"


def _says_something(record: Mapping[str, Any]) -> bool:
    return bool(record.get("reads") or record.get("cast"))


def main() -> int:
    by_major: dict[int, dict[str, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="values-") as folder:
        for major in MAJORS:
            servers = start_servers(Path(folder), [major])
            for server in servers.values():
                with psycopg.connect(server.conninfo(), autocommit=True) as session:
                    by_major[major] = records(session)
                server.remove()
                print(f"{major}: {len(by_major[major])} pairs", flush=True)
    pairs: dict[str, dict[str, Any]] = {}
    for pair in sorted({pair for found in by_major.values() for pair in found}):
        grouped: dict[str, list[int]] = {}
        for major, found in by_major.items():
            text = json.dumps(found.get(pair, {}), ensure_ascii=False)
            grouped.setdefault(text, []).append(major)
        pairs[pair] = {
            ",".join(map(str, majors)): json.loads(text)
            for text, majors in grouped.items()
        }
    lines = [f"{json.dumps(p)}: {json.dumps(r)}" for p, r in pairs.items()]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
