"""Partitions and tables that the application makes while armed or in the window."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bluegreen.compat.verdict import id_and_where
from bluegreen.model.accept import entries
from bluegreen.model.side import Side
from bluegreen.postgres.replication.publication import read_publication
from bluegreen.postgres.replication.stream import ReplicationStream
from tests.kit.arena import Arena
from tests.kit.cli import Ended, accepting, call, write_playbook
from tests.kit.databases import Database

SCHEMA = """
CREATE TABLE ev (id int, at date NOT NULL, note text, PRIMARY KEY (id, at))
  PARTITION BY RANGE (at);
CREATE TABLE ev_2026_01 PARTITION OF ev
  FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE ev_2026_02 PARTITION OF ev
  FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE big (n int PRIMARY KEY) PARTITION BY RANGE (n);
CREATE TABLE big_0 PARTITION OF big FOR VALUES FROM (0) TO (100);
CREATE TABLE big_100 PARTITION OF big FOR VALUES FROM (100) TO (200);
CREATE TABLE old (id int PRIMARY KEY);
CREATE TABLE old_child (PRIMARY KEY (id)) INHERITS (old);
INSERT INTO ev VALUES (1, '2026-01-05'), (2, '2026-02-05');
INSERT INTO big VALUES (1);
"""
MARCH = (
    "CREATE TABLE {} PARTITION OF ev FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
)
BIG = "CREATE TABLE big_200 PARTITION OF big FOR VALUES FROM (200) TO (300)"
DEEP = f"""
{MARCH.format("ev_2026_03")} PARTITION BY RANGE (at);
CREATE TABLE ev_deep PARTITION OF ev_2026_03 DEFAULT
"""
ATTACHED = """
CREATE TABLE ev_rest (LIKE ev INCLUDING ALL);
INSERT INTO ev_rest VALUES (7, '2026-04-01');
ALTER TABLE ev ATTACH PARTITION ev_rest DEFAULT
"""
IN_MARCH = "INSERT INTO ev SELECT g, '2026-03-05' FROM generate_series(100, 159) g"
LOSS_ID = "reverse/LOSSY/partition-left-behind"
LOSS = f"{LOSS_ID}/public.ev_2026_03"


class Pair:
    """A pair with a playbook, moved or armed by the command line."""

    def __init__(self, here: Arena, folder: Path) -> None:
        self.here, self.folder = here, folder
        self.blue, self.green = here.pair.blue, here.pair.green
        self.playbook = self.write()

    def write(
        self, accept: dict[str, str] | None = None, monitor: tuple[str, ...] = ()
    ) -> Path:
        steps = [
            {"step": "replicate"},
            {"step": "compat"},
            {"step": "cutover", "probe": False},
        ]
        accepted = accepting({**(accept or {}), **dict.fromkeys(monitor, "meant")})
        return write_playbook(self.here, self.folder, steps, accept=accepted)

    def do(self, *words: str, fault: str = "") -> Ended:
        verb, *rest = words
        environ = {"BLUEGREEN_FAULT": fault} if fault else {}
        return call(verb, self.playbook, *rest, environ=environ)

    def arm(self) -> None:
        """Both sides are ready for the move, and the tool died before its pause."""
        ended = self.do("run", fault="move/ready:kill:1")
        assert ended.status == -9, ended.err

    def count(self, side: Database, table: str = "ev") -> int:
        return int(side.value(f"SELECT count(*) FROM {table}"))

    @property
    def fits(self) -> str:
        told = self.do("status", "--json").json["monitors"]
        (one,) = [w for w in told if w["id"] == "way-back-fits"]
        return str(one["seen"])

    def certificate(self, epoch: int, kind: str) -> Path:
        name = f"{self.here.name}-epoch-{epoch}-{kind}.json"
        return self.folder / "certificates" / name


@pytest.fixture
def pair(arena: Callable[..., Arena], tmp_path: Path) -> Pair:
    here = arena(16, 18)
    here.pair.blue.run(SCHEMA)
    return Pair(here, tmp_path)


def test_rows_of_a_partition_that_only_green_has_refuse_a_rollback(pair: Pair) -> None:
    pair.do("run").require()
    pair.green.run(MARCH.format("ev_2026_03"))
    pair.do("rollback", "--check").require()
    assert "partition public.ev_2026_03" in pair.fits
    pair.green.run(IN_MARCH)
    assert pair.fits == (
        "fits blue: no: 60 rows of partition public.ev_2026_03 would stay behind"
    )
    dsns = ("--blue", pair.blue.conninfo(), "--green", pair.green.conninfo())
    for ended in (
        pair.do("rollback", "--check"),
        pair.do("rollback"),
        call("rollback", *dsns),
    ):
        said = ended.require(6).out + ended.err
        assert "BG-6001" in said
        assert "60 rows of partition public.ev_2026_03 would stay behind" in said
        assert f"- {{id: {LOSS_ID}, object: public.ev_2026_03, reason: why}}" in said
    assert pair.green.value("SELECT count(*) FROM ev") == 62


def test_the_loss_is_accepted_by_its_name_alone_and_stands_in_the_certificate(
    pair: Pair,
) -> None:
    pair.do("run").require()
    pair.green.run(MARCH.format("ev_2026_03"), IN_MARCH)
    pair.write(accept={"reverse/LOSSY/*/*": "for a migration's column"})
    pair.do("rollback").require(6)
    pair.write(accept={LOSS: "the day may be loaded again"})
    assert "60 rows of partition public.ev_2026_03 (accepted)" in pair.fits
    ended = pair.do("rollback").require()
    assert "public.ev_2026_03 (60 rows)" in ended.err
    path = pair.certificate(2, "rollback")
    assert json.loads(path.read_text())["left_behind"] == {"public.ev_2026_03": 60}
    call("verify", path, pair.playbook).require()
    assert pair.count(pair.blue) == 2


@pytest.mark.sampled(1)
@pytest.mark.parametrize("made_by", ["the tool", "the application"])
def test_a_partition_made_in_the_window_comes_to_blue_with_its_rows(
    pair: Pair, made_by: str
) -> None:
    pair.do("run").require()
    pair.green.run(MARCH.format("ev_2026_03"), IN_MARCH)
    if made_by == "the tool":
        pair.do("partitions").require()
    else:
        pair.blue.run(MARCH.format("ev_2026_03"))
        pair.do("run").require()
    pair.green.run("INSERT INTO ev VALUES (200, '2026-03-09')")
    pair.do("rollback").require()
    assert pair.count(pair.blue) == 63
    assert json.loads(pair.certificate(2, "rollback").read_text())["left_behind"] == {}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("made_by", ["the tool", "the application"])
def test_partitions_made_while_armed_travel_both_ways(pair: Pair, made_by: str) -> None:
    pair.arm()
    if made_by == "the tool":
        pair.do("partitions", "--ahead", "2", "--parent", "public.big").require()
        names = ["big_200"]
    else:
        for side in (pair.green, pair.blue):
            side.run(BIG)
        names = ["big_200"]
    pair.blue.run("INSERT INTO big SELECT generate_series(200, 249)")
    pair.do("run").require()
    assert pair.count(pair.green, "big") == 51
    pair.green.run("INSERT INTO big SELECT generate_series(250, 299)")
    for side in Side:
        listed = read_publication(
            pair.here.database(Side.GREEN),
            ReplicationStream(pair.here.name, Side.GREEN).name,
        )
        assert listed is not None
        assert set(names) <= {t.name for t in listed}, side
    pair.do("rollback").require()
    assert pair.count(pair.blue, "big") == 101


def test_the_tool_makes_ahead_what_is_asked_and_no_more(pair: Pair) -> None:
    pair.do("run").require()
    ask = ("partitions", "--ahead", "3", "--parent", "public.big")
    pair.do(*ask, fault="partitions/made_blue:kill:1")
    pair.do(*ask).require()
    pair.do(*ask).require()
    wanted = [("big_0",), ("big_100",), ("big_200",), ("big_300",)]
    listed = (
        "SELECT relname FROM pg_class WHERE relname ~ '^big_[0-9]+$' ORDER BY"
        " substr(relname, 5)::int"
    )
    assert pair.green.rows(listed) == pair.blue.rows(listed) == wanted
    pair.green.run("INSERT INTO big SELECT generate_series(200, 399)")
    status = pair.do("status", "--json").json["monitors"]
    (drift,) = [
        w for w in status if w["id"] == "schema-drift" and w["where"] == "green"
    ]
    assert drift["severity"] == "ok", drift
    pair.do("rollback").require()
    assert pair.count(pair.blue, "big") == 201


def test_no_pattern_is_refused_with_what_to_run(pair: Pair) -> None:
    pair.blue.run(
        "CREATE TABLE odd (at date) PARTITION BY RANGE (at)",
        "CREATE TABLE odd_a PARTITION OF odd"
        " FOR VALUES FROM ('2026-01-01') TO ('2026-01-09')",
    )
    pair.playbook = write_playbook(
        pair.here,
        pair.folder,
        [{"step": "replicate", "identity_full": ["public.odd"]}],
    )
    pair.do("run").require()
    ended = pair.do("partitions", "--ahead", "1").require(2)
    assert "public.odd: fewer than two partitions" in ended.err
    assert "CREATE TABLE … PARTITION OF …" in ended.err


@pytest.mark.sampled(1)
@pytest.mark.parametrize("accept", [(), ("schema-drift",)])
def test_a_partition_that_only_blue_has_stops_the_move_before_its_pause(
    pair: Pair, accept: tuple[str, ...]
) -> None:
    pair.arm()
    pair.blue.run(MARCH.format("ev_2026_03"), IN_MARCH)
    pair.write(monitor=accept)
    ended = pair.do("run")
    assert ended.status in {3, 4}, ended.err
    assert "public.ev_2026_03" in ended.err
    assert "paus" not in pair.do("journal").out.rpartition("ev_2026_03")[2]
    pair.do("partitions").require()
    pair.do("run").require()
    assert pair.count(pair.green) == 62


def test_rows_of_a_new_table_of_green_are_left_by_name_alone(pair: Pair) -> None:
    pair.do("run").require()
    pair.green.run("CREATE TABLE newt (id int)", "INSERT INTO newt VALUES (1), (2)")
    assert "2 rows of table public.newt would stay behind" in pair.fits
    refused = pair.do("rollback").require(6)
    assert "--leave-rows public.newt" in refused.err
    ended = pair.do("rollback", "--leave-rows", "public.newt").require()
    assert "public.newt (2 rows)" in ended.err
    told = json.loads(pair.certificate(2, "rollback").read_text())["left_behind"]
    assert told == {"public.newt": 2}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("made", "row", "name"),
    [
        pytest.param(
            ("CREATE TABLE both_sides (id int PRIMARY KEY)", "all"),
            "INSERT INTO both_sides VALUES (1)",
            "reverse/SILENT/table-not-published/public.both_sides",
            id="a table on both sides that is not published",
        ),
        pytest.param(
            ("CREATE TABLE old_new (PRIMARY KEY (id)) INHERITS (old)", "green"),
            "INSERT INTO old_new VALUES (7)",
            "reverse/LOSSY/partition-left-behind/public.old_new",
            id="a child by INHERITS",
        ),
        pytest.param(
            (DEEP, "green"),
            "INSERT INTO ev VALUES (7, '2026-03-03')",
            "reverse/LOSSY/partition-left-behind/public.ev_deep",
            id="a partition of a partition",
        ),
        pytest.param(
            (ATTACHED, "green"),
            "SELECT 1",
            "reverse/LOSSY/partition-left-behind/public.ev_rest",
            id="a table that was attached",
        ),
        pytest.param(
            ('CREATE TABLE "Ev 3.x" PARTITION OF ev DEFAULT', "green"),
            "INSERT INTO ev VALUES (7, '2026-05-03')",
            "reverse/LOSSY/partition-left-behind/public.Ev 3.x",
            id="a name with a dot",
        ),
    ],
)
def test_the_whole_kind_is_seen(
    pair: Pair, made: tuple[str, str], row: str, name: str
) -> None:
    pair.do("run").require()
    statement, where = made
    pair.green.run(statement)
    if where == "all":
        pair.blue.run(statement)
    pair.green.run(row)
    refused = pair.do("rollback", "--check").require(6).out
    assert entries([id_and_where(name)])[1] in refused
    pair.write(accept={name: "it may be lost"})
    pair.do("rollback").require()


def churn(conninfo: str, stop: threading.Event, done: list[int]) -> None:
    """Temporary and unlogged tables that come and go, as reports and imports do."""
    made = (
        "CREATE TEMPORARY TABLE scratch_t (id serial PRIMARY KEY, note text)",
        "INSERT INTO scratch_t (note) VALUES ('x')",
        "CREATE UNLOGGED TABLE scratch_u (id serial PRIMARY KEY, note text)",
        "CREATE INDEX scratch_i ON scratch_u (note)",
        "CREATE VIEW scratch_v AS SELECT id FROM scratch_u",
        "INSERT INTO scratch_u (note) VALUES ('x')",
        "DROP VIEW scratch_v",
        "DROP TABLE scratch_t, scratch_u",
    )
    with psycopg.connect(conninfo, autocommit=True) as own:
        while not stop.is_set():
            for statement in made:
                own.execute(statement)
            done.append(1)


@contextmanager
def churned(conninfo: str) -> Iterator[None]:
    """A client that does so for as long as this is open, and does it to the end."""
    stop, done = threading.Event(), list[int]()
    client = threading.Thread(target=churn, args=(conninfo, stop, done))
    client.start()
    try:
        yield
    finally:
        stop.set()
        client.join()
    assert len(done) > 3


def test_tables_that_come_and_go_all_day_stop_nothing(pair: Pair) -> None:
    pair.do("run", fault="cutover/create_fence_blue/before_act:kill:1")
    serving = (("run", Side.BLUE), ("status", Side.GREEN), ("run", Side.GREEN))
    again = (("rollback", Side.GREEN), ("run", Side.BLUE), ("rollback", Side.GREEN))
    for verb, side in (*serving, *again):
        with churned(pair.here.conninfo(side)):
            pair.do(verb).require()


def test_days_of_a_zone_are_made_ahead_of_now_alike_on_both_sides(pair: Pair) -> None:
    zone = "Europe/Berlin"
    for side in (pair.blue, pair.green):
        side.run(f"ALTER DATABASE {side.name} SET TimeZone = '{zone}'")
    pair.blue.run(
        "CREATE TABLE seen (at timestamptz NOT NULL) PARTITION BY RANGE (at)",
        """DO $$ BEGIN FOR day IN -2 .. 0 LOOP EXECUTE format(
        'CREATE TABLE seen_%s PARTITION OF seen FOR VALUES FROM (%L) TO (%L)',
        to_char(current_date + day, 'YYYYMMDD'), current_date + day,
        current_date + day + 1); END LOOP; END $$""",
    )
    pair.playbook = write_playbook(
        pair.here,
        pair.folder,
        [
            {"step": "replicate", "identity_full": ["public.seen"]},
            {"step": "cutover", "probe": False},
        ],
    )
    told = pair.do("check", "--json")
    assert "partitions-end-soon" in told.out
    pair.do("run").require()
    pair.do("partitions", "--ahead", "2").require()
    ends = (
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), c.relreplident"
        " FROM pg_class c WHERE c.relname LIKE 'seen_2%' ORDER BY 1"
    )
    made = pair.green.rows(ends)
    assert pair.blue.rows(ends) == made
    assert len(made) == 5
    assert pair.green.value("SELECT to_regclass('ev_2026_03') IS NULL"), "an archive"
    pair.green.run("INSERT INTO seen SELECT now() + interval '2 days'")
    pair.do("rollback").require()
    assert pair.count(pair.blue, "seen") == 1
