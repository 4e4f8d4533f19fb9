"""The bugs of a cutover tool that cannot be trusted: order, durability, the fence.

Owns their texts; `bug.py` says what a bug is.
"""

from __future__ import annotations

from tests.mutants.bug import Bug, Edit

EVIDENCE = "tests/fault/test_evidence.py"
STALE = "tests/fault/test_stale_writers.py"
ASYNCHRONOUS_COMMIT = (
    f"{EVIDENCE}::test_an_asynchronous_commit_right_before_the_fence_is_not_left_behind"
)
LATE_ID = (
    f"{EVIDENCE}::test_no_id_is_given_twice_when_one_was_drawn_right_before_the_fence"
)

PAUSE = "steps/switchover/pause.py"
END_OF_PAUSE = "    return Committed(origin, marker, values, stays)\n"
WRITE_MARKER = "    marker = write_marker(ready.from_side)\n"
AWAIT_MARKER = (
    "    await_marker(\n"
    "        ready.to_side, marker, deadline=budget.remaining, clock=clock,"
    " poll_s=POLL_S\n"
    "    )\n"
)

FLUSH_POSITION = """

def _flushed(database):
    from uuid import uuid4
    from psycopg import sql

    position = database.value(sql.SQL("SELECT pg_current_wal_flush_lsn()::text"))
    return Marker(uuid4(), Lsn.parse(position))


def _await_position(world, switchover, marker, budget):
    from psycopg import sql

    query = sql.SQL(
        "SELECT coalesce(max(latest_end_lsn), '0/0') >= %s::pg_lsn"
        " FROM pg_stat_subscription WHERE subname = %s"
    )
    words = (str(marker.position), switchover.stream(world.name).name)
    while not world.on(switchover.to_side).value(query, words):
        budget.done("catch_up")
        world.clock.sleep(POLL_S)
"""

ORIGIN_ADVANCE = """\
            origin = advance_origin(from_side, name, behind)
"""
SLOT_ADVANCE = """\
            from psycopg import sql

            world.on(self.to_side).rows(
                sql.SQL("SELECT pg_replication_slot_advance(%s, %s::pg_lsn)"),
                (name, str(behind)),
            )
"""

UNFENCE = """\
    with ready.to_side.connect(synchronous_commit="off") as own:
        own.execute("CALL bluegreen.set_fence(false)")
    ready.budget.mark("commit")
"""

OPEN_BLUE = """\
        except BluegreenError as error:
            from bluegreen.postgres.fence.fence import open_fence

            open_fence(world.on(self.switchover.from_side))
            resume_all(world.pointers)
"""

REVERSE_FIRST = """\
    from bluegreen.postgres.replication.stream import start_stream

    start_stream(ready.from_side, switchover.reverse_stream(world.name).name)
    stop_stream(
        ready.to_side, stream, clock=clock, deadline=budget.remaining, while_free=free
    )
"""

OF_THE_PAUSE = (
    Bug(
        "PAUSE only, no fence on the data",
        (f"{STALE}::test_no_session_commits_on_the_side_that_was_left[cutover]",),
        (
            Edit(
                "postgres/fence/closer.py",
                'self._closing.execute("CALL bluegreen.set_fence(true)")',
                'self._closing.execute("SELECT 1")',
            ),
        ),
    ),
    Bug(
        "blue's flush position instead of a marker that is seen",
        (ASYNCHRONOUS_COMMIT,),
        (
            Edit(PAUSE, WRITE_MARKER, "    marker = _flushed(ready.from_side)\n"),
            Edit(
                PAUSE,
                AWAIT_MARKER,
                "    _await_position(world, switchover, marker, budget)\n",
            ),
            Edit(PAUSE, END_OF_PAUSE, END_OF_PAUSE + FLUSH_POSITION),
        ),
    ),
    Bug(
        "no barrier: the commit point is asynchronous",
        (f"{EVIDENCE}::test_what_is_committed_outlives_a_power_cut_of_green",),
        (
            Edit(
                "postgres/journal/own_schema.py",
                "set_config('synchronous_commit', 'on', true)",
                "set_config('synchronous_commit', 'off', true)",
            ),
        ),
    ),
    Bug(
        "nobody waits for the marker",
        (f"{EVIDENCE}::test_nothing_is_committed_before_the_last_row_has_arrived",),
        (Edit(PAUSE, AWAIT_MARKER, ""),),
    ),
    Bug(
        "pg_replication_slot_advance instead of the origin's",
        (f"{EVIDENCE}::test_the_way_back_outlives_a_power_cut_of_green",),
        (
            Edit(
                "steps/switchover/reverse_stream.py",
                ORIGIN_ADVANCE,
                SLOT_ADVANCE,
            ),
        ),
    ),
    Bug(
        "green's fence is opened asynchronously",
        (f"{EVIDENCE}::test_what_is_committed_outlives_a_power_cut_of_green",),
        (
            Edit(
                "postgres/journal/own_schema.py",
                "    CALL bluegreen.set_fence(false);\n",
                "",
            ),
            Edit(PAUSE, '    ready.budget.mark("commit")\n', UNFENCE),
        ),
    ),
    Bug(
        "sequences are read before the fence",
        (LATE_ID,),
        (
            Edit(PAUSE, "    left = read_sequences(ready.from_side)\n", ""),
            Edit(
                PAUSE,
                "    _hold_clients(world, switchover.limits",
                "    left = read_sequences(ready.from_side)\n"
                "    _hold_clients(world, switchover.limits",
            ),
        ),
    ),
    Bug(
        "the error path opens blue behind the commit point",
        (f"{EVIDENCE}::test_an_error_behind_the_commit_point_never_opens_blue",),
        (
            Edit(
                "steps/switchover/traffic.py",
                "        except BluegreenError as error:\n",
                OPEN_BLUE,
            ),
        ),
    ),
    Bug(
        "the stream back is enabled before the one there has stopped",
        (f"{EVIDENCE}::test_the_way_back_outlives_a_power_cut_of_green",),
        (
            Edit(
                PAUSE,
                "    stop_stream(\n        ready.to_side, stream, clock=clock,"
                " deadline=budget.remaining, while_free=free\n    )\n",
                REVERSE_FIRST,
            ),
        ),
    ),
)
