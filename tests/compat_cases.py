"""Measures the compatibility judge: `python -m tests.compat_cases FILE.json`.

Reads a file of cases (see `tests/cases/README.md`), loads each into scratch databases,
lets the judge look at catalogs and data, and compares what it says with what real
servers did. Nothing is replicated and no case's id or outcome reaches the judge.
The last line is JSON: `cases`, `agree`, `false_ok`, `false_alarm` and their ids. A case
that cannot be read, loaded or judged in time counts as one that does not agree.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from bluegreen.compat.catalog import Catalog, Publication, Published
from bluegreen.compat.probe.rehearsal import rehearse
from bluegreen.compat.probe.snapshot import read_snapshot
from bluegreen.compat.rules.analyse import judge
from bluegreen.compat.rules.apply import fate
from bluegreen.compat.stream import Stream
from bluegreen.compat.text.statements import Told, read_statements
from bluegreen.compat.text.trees import judge_trees
from bluegreen.compat.verdict import Answer, Direction, Verdict, worst
from bluegreen.lab.server import Server
from bluegreen.model.errors import ServerRefused
from tests.kit.compat_case import (
    MAJORS,
    Case,
    Scratch,
    UnreadableError,
    first_major,
    read_what_can_be_read,
)

MEASURED_AS = {
    Answer.OK: {"OK"},
    Answer.LOSSY: {"OK"},
    # The application's write fails on its own side; nothing diverges. Cases record
    # either that, or that both sides agree.
    Answer.APP: {"APPERR", "OK"},
    Answer.SILENT: {"SILENT"},
    Answer.BREAK: {"BREAK", "SETUP"},
}
FINE = {Answer.OK, Answer.LOSSY, Answer.APP}
OPEN = {Answer.OK_IF, Answer.NEEDS, Answer.UNKNOWN}
LIMIT_S = 60.0
"""The longest that one direction of a case may take on one server."""
STUMBLES = (
    psycopg.Error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a strange case may raise; it is then unknown, and the others go on."""


@dataclass(frozen=True)
class Judged:
    """One case, one direction, one version."""

    case: str
    direction: Direction
    major: int
    measured: str
    answer: Answer
    verdicts: tuple[Verdict, ...]

    @property
    def label(self) -> str:
        return f"{self.case}/{self.direction}/{self.major}"

    @property
    def agrees(self) -> bool:
        return self.measured in MEASURED_AS.get(self.answer, set())

    @property
    def false_ok(self) -> bool:
        return self.measured != "OK" and self.answer in FINE and not self.agrees

    @property
    def false_alarm(self) -> bool:
        return self.measured == "OK" and not self.agrees

    @property
    def other(self) -> bool:
        return not (self.agrees or self.false_ok or self.false_alarm)


@dataclass(frozen=True)
class Loaded:
    """A case in scratch databases, and what was noted on the way."""

    case: Case
    told: Told
    place: Scratch
    blue: str
    green: str
    before: Catalog
    blue_before: Catalog
    blue_now: Catalog
    green_now: Catalog
    published: bool
    probes: bool


def judge_case(case: Case, place: Scratch, majors: Sequence[int]) -> Iterator[Judged]:
    """Judge one case on one server, as if both sides were of each of the majors."""
    for direction in Direction:
        wanted = case.outcome.get(direction.value, {})
        versions = [v for v in majors if v in wanted]
        if versions:
            yield from _in_time(case, place, direction, wanted, versions)


def _in_time(
    case: Case,
    place: Scratch,
    direction: Direction,
    wanted: Mapping[int, str],
    versions: Sequence[int],
) -> list[Judged]:
    try:
        with place.bounded(place.limit_s or LIMIT_S):
            told = read_statements(case.migration)
            return list(_direction(case, place, told, direction, wanted, versions))
    except STUMBLES as error:
        why = f"{type(error).__name__}: {error}"
        return [_unknown(case, direction, v, wanted[v], why) for v in versions]


def _unknown(
    case: Case, direction: Direction, major: int, measured: str, why: str
) -> Judged:
    blind = (_blind(direction, why),)
    return Judged(case.id, direction, major, measured, Answer.UNKNOWN, blind)


def _direction(
    case: Case,
    place: Scratch,
    told: Told,
    direction: Direction,
    wanted: Mapping[int, str],
    versions: Sequence[int],
) -> Iterator[Judged]:
    looked: dict[object, tuple[Verdict, ...]] = {}
    loaded = _loaded(case, place, told, direction)
    for major in versions:
        if loaded is None:
            verdicts = (_blind(direction, "the case could not be loaded"),)
        else:
            stream = _stream(loaded, direction, major)
            decided = fates(stream)
            if decided not in looked:
                looked[decided] = tuple(_look(loaded, stream))
            verdicts = looked[decided]
        answer = worst(verdicts)
        yield Judged(case.id, direction, major, wanted[major], answer, verdicts)


def _blind(direction: Direction, why: str) -> Verdict:
    return Verdict(Answer.UNKNOWN, direction, "cannot-tell", "", why)


def _loaded(
    case: Case, place: Scratch, told: Told, direction: Direction
) -> Loaded | None:
    try:
        return _load(case, place, told, direction)
    except psycopg.Error as error:
        print(f"    {case.id} cannot be loaded: {error}")
        return None


def _load(case: Case, place: Scratch, told: Told, direction: Direction) -> Loaded:
    reverse = direction is Direction.REVERSE
    blue, green = place.database("jc_blue"), place.database("jc_green")
    place.drop_roles()
    for name in (blue, green):
        rows = "" if direction is Direction.COPY and name == green else case.rows
        setup = case.blue_setup if name == blue else case.green_setup
        place.run(name, case.schema, rows, setup)
    if reverse:
        place.run(blue, case.blue_before)
        published = False
    else:
        published = _published(place, blue, case.forward_publication)
    before, blue_before = _snapshot(place, green), _snapshot(place, blue)
    for text in without_subscription_words(case.migration):
        _migrate(place, green, text)
    if reverse:
        published = _published(place, green, case.reverse_publication)
    blue_now = blue_before
    if direction is Direction.FORWARD and case.blue_streaming:
        place.run(blue, case.blue_streaming)
        blue_now = _snapshot(place, blue)
    return Loaded(
        case,
        told,
        place,
        blue,
        green,
        before,
        blue_before,
        blue_now,
        _snapshot(place, green),
        published,
        place.probes,
    )


def fates(stream: Stream) -> object:
    """All that a version changes; the same fates need no second look."""
    if stream.publication is None:
        return None
    return tuple(fate(stream, p) for p in stream.publication.relations.values())


def _look(loaded: Loaded, stream: Stream) -> list[Verdict]:
    if stream.publication is None or not loaded.probes:
        return judge(stream, read=judge_trees(loaded.case.migration))
    place, writes = loaded.place, loaded.case.writes(stream.direction)
    names = (loaded.blue, loaded.green)
    if stream.direction is Direction.REVERSE:
        names = (loaded.green, loaded.blue)
    derived = loaded.told.derived
    with place.connect(names[0]) as sender, place.connect(names[1]) as receiver:
        try:
            return judge(stream, rehearse(sender, receiver, stream, writes, derived))
        except psycopg.Error as error:
            return [_blind(stream.direction, f"the rehearsal failed: {error}")]


def _stream(loaded: Loaded, direction: Direction, major: int) -> Stream:
    blue, green = (replace(c, major=major) for c in (loaded.blue_now, loaded.green_now))
    one, two = (green, blue) if direction is Direction.REVERSE else (blue, green)
    case = loaded.case
    forward = direction is Direction.FORWARD
    text = case.forward_publication
    if direction is Direction.REVERSE:
        text = case.reverse_publication
    made = loaded.published and first_major(text) <= major
    known = None
    if made and forward and not loaded.told.refreshed:
        publication = _together(loaded.blue_before)
        listed = publication.relations if publication else {}
        before = loaded.before.relations
        known = frozenset(before[n].oid for n in listed if n in before)
    zones = {
        ((table[0] or "public", table[1]), column): zone
        for table, column, zone in loaded.told.zones
    }
    return Stream(
        direction=direction,
        sender=one,
        receiver=two,
        publication=_together(one) if made else None,
        sender_zone=loaded.blue_before.zone if forward else one.zone,
        # An apply worker that started before the migration keeps its settings.
        receiver_zone=loaded.before.zone if forward else two.zone,
        known=known,
        options=_options(case.options),
        zones=zones,
        zone=loaded.before.zone,
        casts=loaded.told.casts,
    )


def _together(catalog: Catalog) -> Publication | None:
    """What a subscription to all publications gets.

    None where it is refused: two column lists for one table (15+).
    """
    relations: dict[tuple[str, str], Published] = {}
    publications = list(catalog.publications.values())
    for publication in publications:
        for name, sent in publication.relations.items():
            had = relations.setdefault(name, sent)
            if set(had.columns) != set(sent.columns):
                return None
            tests = [f"({p.row_filter})" for p in (had, sent) if p.row_filter]
            either = " OR ".join(tests) if len(tests) == 2 else ""
            relations[name] = replace(sent, row_filter=either) if had != sent else sent
    if not publications:
        return None
    return Publication(
        name="p",
        all_tables=any(p.all_tables for p in publications),
        via_root=any(p.via_root for p in publications),
        actions=frozenset(a for p in publications for a in p.actions),
        relations=relations,
    )


def _options(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): value.strip().strip("'") for name, _, value in pairs}


def _migrate(place: Scratch, name: str, text: str) -> None:
    """Run one text; one that fails changes nothing, and so it was measured."""
    try:
        place.run(name, text)
    except psycopg.Error as error:
        print(f"    the migration fails on green: {error.diag.message_primary}")


def _snapshot(place: Scratch, name: str) -> Catalog:
    with place.connect(name) as session:
        return read_snapshot(session)


def _published(place: Scratch, name: str, text: str) -> bool:
    try:
        place.run(name, text)
    except psycopg.Error:
        return False
    return True


def without_subscription_words(texts: Sequence[str]) -> list[str]:
    """Leave out what needs a subscription, which a scratch copy has not."""
    return [t for t in texts if "alter subscription" not in " ".join(t.lower().split())]


def nearest(major: int, servers: Mapping[int, object]) -> int:
    """The server that stands in for a major: its own, else the next older one."""
    older = [have for have in servers if have <= major]
    return max(older) if older else min(servers)


def judge_all(cases: Sequence[Case], places: Mapping[int, Scratch]) -> Iterator[Judged]:
    """Judge all cases in all versions that they were measured in."""
    with ThreadPoolExecutor(max(len(places), 1)) as pool:
        for case in cases:
            able = {m: place for m, place in places.items() if m >= case.min_version}
            ways = [
                (case, place, [v for v in MAJORS if nearest(v, able) == have])
                for have, place in able.items()
            ]
            for judged in pool.map(lambda way: list(judge_case(*way)), ways):
                yield from judged
            if not able:
                yield from _not_tried(case, f"no server of {case.min_version} or later")


def _not_tried(case: Case, why: str) -> Iterator[Judged]:
    for direction in Direction:
        for major, measured in case.outcome.get(direction, {}).items():
            yield _unknown(case, direction, major, measured, why)


def judge_by_trees(cases: Sequence[Case]) -> Iterator[Judged]:
    """Judge by the migration's text alone, which needs no server."""
    for case in cases:
        said = judge_trees(
            case.migration,
            forward=case.forward_publication,
            reverse=case.reverse_publication,
            on_blue=(case.blue_streaming,),
        )
        for direction in Direction:
            verdicts = tuple(v for v in said if v.direction is direction)
            for major, measured in case.outcome.get(direction.value, {}).items():
                answer = worst(verdicts)
                yield Judged(case.id, direction, major, measured, answer, verdicts)


def summary(
    judged: Sequence[Judged], unreadable: Sequence[str] = ()
) -> dict[str, object]:
    """The JSON line. A case agrees when all its directions and versions do.

    `open` are cases with an answer that waits for a catalog or a probe; they count
    as false alarms too where the outcome was OK.
    """
    ids = {j.case for j in judged}
    false_ok = sorted({j.case for j in judged if j.false_ok})
    alarms = sorted({j.case for j in judged if j.false_alarm})
    good = [j for j in judged if j.measured == "OK"]
    return {
        "cases": len(ids) + len(unreadable),
        "agree": len(ids - {j.case for j in judged if not j.agrees}),
        "false_ok": len(false_ok),
        "false_alarm": len(alarms),
        "open": len({j.case for j in judged if j.answer in OPEN}),
        "outcomes": {
            "all": len(judged),
            "agree": sum(j.agrees for j in judged),
            "measured_ok": len(good),
            "false_ok": sum(j.false_ok for j in judged),
            "false_alarm": sum(j.false_alarm for j in judged),
            "open": sum(j.answer in OPEN for j in judged),
            "app_while_rows_agree": sum(j.answer is Answer.APP for j in good),
        },
        "other": sorted({j.case for j in judged if j.other}),
        "false_ok_ids": false_ok,
        "false_alarm_ids": alarms,
        "unreadable": list(unreadable),
    }


def start_servers(folder: Path, majors: Sequence[int]) -> dict[int, Server]:
    """Start those of the majors that this machine has."""
    servers = {}
    for major in majors:
        try:
            servers[major] = Server.start(
                major, folder / str(major), settings={"fsync": "off"}
            )
        except ServerRefused:
            continue
    return servers


def _told(judged: Iterator[Judged], *, verbose: bool) -> list[Judged]:
    kept = []
    for one in judged:
        kept.append(one)
        if verbose or not one.agrees:
            print(f"{one.label}: measured {one.measured}, judged {one.answer}")
            for verdict in one.verdicts:
                print(f"    {verdict.answer} {verdict.rule}: {verdict.why}")
    return kept


def _measure(cases: Sequence[Case], given: argparse.Namespace) -> list[Judged]:
    if given.trees_only:
        return _told(judge_by_trees(cases), verbose=given.verbose)
    if not cases:
        return []
    majors = [int(m) for m in given.majors.split(",")]
    with tempfile.TemporaryDirectory(prefix="judge-") as folder:
        servers = start_servers(Path(folder), majors)
        print(f"servers: {', '.join(map(str, servers)) or 'none: run `make servers`'}")
        try:
            places = {
                major: Scratch(
                    server.conninfo(),
                    probes=not given.catalog_only,
                    limit_s=given.limit,
                )
                for major, server in servers.items()
            }
            return _told(judge_all(cases, places), verbose=given.verbose)
        finally:
            for server in servers.values():
                server.remove()


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compat_cases")
    parser.add_argument("file", type=Path)
    parser.add_argument("--majors", default="15,16,17,18", help="servers to look at")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_S, help="seconds a direction may take"
    )
    parser.add_argument("--only", default="", help="part of an id")
    parser.add_argument("--trees-only", action="store_true")
    parser.add_argument("--catalog-only", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args(words)
    started = time.monotonic()
    try:
        cases, unreadable = read_what_can_be_read(given.file)
    except UnreadableError as error:
        cases, unreadable = [], {str(given.file): str(error)}
    for name, why in unreadable.items():
        print(f"{name} cannot be read: {why}")
    judged = _measure([c for c in cases if given.only in c.id], given)
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({**summary(judged, list(unreadable)), "seconds": seconds}))
    return 2 if unreadable and not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
