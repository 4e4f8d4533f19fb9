"""A schema as pg_dump writes it: entries, what each needs, and the SQL of each.

Owns running pg_dump and pg_restore, and reading what they print. Choosing entries is
for `copy.py`, running their SQL for `build.py`.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import fewer_quotes
from bluegreen.postgres.replication.publication import server_version
from bluegreen.postgres.tools import Ended, Tool, environment_for, find_tool, read_tool

# pg_restore lists an entry as `dump-id; catalog oid TYPE schema name owner`.
_ENTRY = re.compile(r"^(?P<id>\d+); (?P<catalog>\d+) (?P<oid>\d+) (?P<rest>.*)$")

_NEEDS = ";\tdepends on: "

# It writes this in front of each entry's statements, and before it what they rest on.
_HEADER = re.compile(
    r"(?m)(?P<settings>(?:^SET default_\w+ = .*;\n\n)*)"
    r"^--\n-- Name: (?P<name>.*); Type: (?P<type>.*); Schema: (?P<schema>.*);"
    r" Owner: (?P<owner>.*)\n--\n"
)

# psql's guard against injected meta-commands, the first and last line of a script.
_RESTRICT = re.compile(r"(?m)^\\(?:un)?restrict \w+$")

SECTIONS = ("pre-data", "post-data")
"""The parts of a schema, in the order in which they are made."""

_REPEATABLE = (
    "INDEX ATTACH ",
    "COMMENT ",
    "ROW SECURITY ",
    "VIEW ",
    "ACL ",
    "DEFAULT ACL ",
    "SECURITY LABEL ",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a dump's table of contents, and the object it makes.

    Attributes:
        line: as pg_restore lists it.
        catalog: oid of the catalog that holds the object; 0 for a grant, a comment or
            a label.
        oid: the object's oid on the server that was dumped.
        what: `TYPE schema name owner`.
    """

    line: str
    catalog: int
    oid: int
    what: str

    @property
    def dump_id(self) -> int:
        """Its number, by which others need it."""
        return int(self.line.partition(";")[0])

    @property
    def is_index(self) -> bool:
        """Whether it builds an index and touches no other table."""
        return self.what.startswith(("INDEX ", "CONSTRAINT ")) and not (
            self.what.startswith("INDEX ATTACH ")
        )

    @property
    def has_indexes(self) -> bool:
        """Whether an index may stand on it, or on what reads it."""
        return self.what.startswith(("MATERIALIZED VIEW ", "VIEW ", "FUNCTION "))

    @property
    def is_repeatable(self) -> bool:
        """Whether running it again changes nothing."""
        return self.what.startswith(_REPEATABLE) or " _RETURN " in f"{self.what} "


@dataclass(frozen=True, slots=True)
class Part:
    """The SQL of an entry.

    Attributes:
        entry: whose it is.
        kind: `TABLE`, `MATERIALIZED VIEW`, `FK CONSTRAINT` and so on.
        schema: empty where it has none.
        name: with its table where it belongs to one.
        owner: its role; `-` where it has none.
        text: its statements.
    """

    entry: Entry
    kind: str
    schema: str
    name: str
    owner: str
    text: str

    @property
    def thing(self) -> str:
        """`ACL shop TABLE page`, as pg_restore lists it, without the owner."""
        name = fewer_quotes(self.name)
        return " ".join(word for word in (self.kind, self.schema, name) if word)


@dataclass(frozen=True, slots=True)
class Dump:
    """An archive of one section of a schema. Make it with `schema_dump`."""

    restore: Tool
    archive: Path
    section: str

    def entries(self) -> list[Entry]:
        """What stands in it, in the order in which it is made."""
        found = []
        # Not splitlines(): a name may hold what it takes for a line's end.
        for line in self._read("--list").split("\n"):
            match = _ENTRY.match(line)
            if match:
                catalog, oid = int(match["catalog"]), int(match["oid"])
                found.append(Entry(line, catalog, oid, match["rest"]))
        return found

    def needs(self) -> dict[int, set[int]]:
        """What each entry of the whole archive needs, by dump ids."""
        found: dict[int, set[int]] = {}
        last = 0
        listed = self._run("--list", "--verbose", str(self.archive))
        for line in listed.split("\n"):
            if match := _ENTRY.match(line):
                last = int(match["id"])
            elif line.startswith(_NEEDS):
                found[last] = set(map(int, line.removeprefix(_NEEDS).split()))
        return found

    def parts(self, entries: Sequence[Entry]) -> list[Part]:
        """The SQL of entries, in the order in which pg_restore runs it.

        Grants come behind everything else.
        """
        if not entries:
            return []
        listed = self.archive.with_suffix(".list")
        listed.write_text("\n".join(entry.line for entry in entries) + "\n")
        return parts_of(self._read("--file=-", f"--use-list={listed}"), entries)

    def _read(self, *words: str) -> str:
        return self._run(*words, f"--section={self.section}", str(self.archive))

    def _run(self, *words: str) -> str:
        # An archive holds the tablespaces, whatever pg_dump is told.
        ended, text = read_tool(self.restore, ["--no-tablespaces", *words])
        _require_success(self.restore, ended)
        return text


def parts_of(script: str, entries: Sequence[Entry]) -> list[Part]:
    """Divide a script among its entries.

    What looks like a header and is none of theirs stands in the body of a function, and
    stays where it is.
    """
    waiting: dict[str, deque[Entry]] = defaultdict(deque)
    for entry in entries:
        waiting[entry.what].append(entry)
    found: list[Part] = []
    script = _RESTRICT.sub("", script)
    begun = list(_HEADER.finditer(script))
    for header, following in zip_longest(begun, begun[1:]):
        end = following.start() if following else len(script)
        if named := _entry_of(header, waiting):
            found.append(_part(named, header, script[header.end() : end]))
        elif found:
            whole = found[-1].text + script[header.start() : end]
            found[-1] = replace(found[-1], text=whole)
    return found


def _entry_of(
    header: re.Match[str], waiting: Mapping[str, deque[Entry]]
) -> Entry | None:
    """The entry of a header; the list leaves an owner out where the script says `-`."""
    named = " ".join(header.group("type", "schema", "name"))
    for owner in {header["owner"], header["owner"].removeprefix("-")}:
        if found := waiting.get(f"{named} {owner}"):
            return found.popleft()
    return None


def _part(entry: Entry, header: re.Match[str], text: str) -> Part:
    schema = header["schema"]
    schema = "" if schema == "-" else schema
    kind, name, owner = header.group("type", "name", "owner")
    return Part(entry, kind, schema, name, owner, header["settings"] + text)


@contextmanager
def schema_dump(
    database: Database, section: str, *, lock_wait: timedelta | None = None
) -> Iterator[Dump]:
    """Dump one section of the schema into a folder that is gone afterwards.

    Args:
        database: the side.
        section: `pre-data` or `post-data`.
        lock_wait: how long a table that another session has locked is waited for.

    Raises:
        StepError: 4003, pg_dump could not read it.
    """
    version = server_version(database)
    dump, restore = (
        find_tool(name, at_least=version) for name in ("pg_dump", "pg_restore")
    )
    with tempfile.TemporaryDirectory(prefix="bluegreen-") as folder:
        archive = Path(folder) / "schema.dump"
        ended, _ = read_tool(
            dump,
            [
                "--schema-only",
                "--format=custom",
                "--encoding=UTF8",
                # Bare, a name that became a key word means something else to green:
                # a column system_user became the function SYSTEM_USER.
                "--quote-all-identifiers",
                "--exclude-schema=bluegreen",
                "--no-publications",
                "--no-subscriptions",
                f"--file={archive}",
                *_giving_up_after(lock_wait),
            ],
            environment=_plainly(environment_for(database)),
        )
        _require_success(dump, ended)
        yield Dump(restore, archive, section)


def _giving_up_after(lock_wait: timedelta | None) -> list[str]:
    if lock_wait is None:
        return []
    return [f"--lock-wait-timeout={lock_wait // timedelta(milliseconds=1)}"]


def _plainly(environment: Mapping[str, str]) -> dict[str, str]:
    """Have pg_dump write strings in the one way in which our sessions read them.

    It writes them as its session has standard_conforming_strings, says so at its
    beginning, and that is what we leave out.
    """
    given = environment.get("PGOPTIONS", "")
    options = f"{given} -c standard_conforming_strings=on".strip()
    return {**environment, "PGOPTIONS": options}


def _require_success(tool: Tool, ended: Ended) -> None:
    if ended.status != 0:
        raise StepError(
            Code.STREAM_STOPPED,
            f"{tool.path.name} could not read the schema",
            seen=ended.said or f"it ended with status {ended.status}",
            wanted="the schema of blue",
            traffic="blue (nothing has moved)",
            hint="fix what it names, then run again",
        )
