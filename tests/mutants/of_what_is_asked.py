"""Bugs of what is asked right before something is done.

Each leaves out one question, so that the tool acts on what is no longer so. Owns their
texts; `bug.py` says what a bug is.
"""

from __future__ import annotations

from tests.mutants.bug import Bug, Edit

PAUSE = "steps/switchover/pause.py"
BEHIND = "tests/fault/test_behind_the_fence.py"
SEEN = f"{BEHIND}::test_a_change_is_seen_before_anything_has_moved"
JOURNAL = "tests/integration/test_engine_journal.py"
GUARD = "tests/fault/test_guard_stands_ready.py"
OPERATORS = "tests/fault/test_two_operators.py"
WOKEN = "tests/fault/test_woken_tool.py"
AFTER_MOVES = f"{WOKEN}::test_a_tool_that_wakes_up_after_later_moves_touches_nothing"
IN_A_PAUSE = (
    f"{WOKEN}::test_a_tool_that_wakes_up_in_a_later_pause_lets_none_of_its_clients_go"
)
WOKEN_BEFORE_ITS_PAUSE = f"{AFTER_MOVES}[move/guarded]"
NEWEST_COMMAND = (
    f"{JOURNAL}::test_a_command_runs_only_while_no_newer_pause_and_no_such_record_is"
    "_there"
)
STRANGERS = (
    "tests/fault/test_strangers_locks.py::"
    "test_over_a_strangers_lock_two_operators_still_see_each_other"
)

OF_WHAT_IS_ASKED = (
    Bug(
        "no look behind the fence: tables and publication",
        (f"{SEEN}[move/paused-a partition is made]",),
        (Edit(PAUSE, "    ready.look.require_unchanged(world)\n", ""),),
    ),
    Bug(
        "no look behind the fence: a copy that began again",
        (f"{SEEN}[move/paused-a copy has begun again]",),
        (Edit(PAUSE, "    ready.look.require_copied(world)\n", ""),),
    ),
    Bug(
        "no look behind the fence: a fence opened by DISABLE TRIGGER",
        (f"{SEEN}[move/paused-triggers are disabled]",),
        (
            Edit(
                "steps/switchover/table_set.py",
                "        if now.unfenced != self.was.unfenced:\n"
                "            raise self._unfenced(unfenced_tables(from_side))\n",
                "",
            ),
        ),
    ),
    Bug(
        "the set that was noted is not held against the one before the pause",
        (f"{SEEN}[move/switch_traffic/before_act-a partition is made]",),
        (
            Edit(
                "steps/switchover/table_set.py",
                "        if noted and now.print != noted:\n",
                "        if noted and not now.print:\n",
            ),
        ),
    ),
    Bug(
        "the guard is not asked right before the pause",
        (f"{GUARD}::test_without_a_guard_that_answers_nobody_is_held_back[9]",),
        (Edit(PAUSE, "    require_monitored()\n    point(", "    point("),),
    ),
    Bug(
        "a PAUSE that comes after a later move is left",
        (WOKEN_BEFORE_ITS_PAUSE,),
        (
            Edit(
                "steps/switchover/traffic.py",
                "if ready.asked_to_pause and end_late_pause(world):",
                "if False:",
            ),
        ),
    ),
    Bug(
        "nobody asks who is newest before the poolers are touched",
        (IN_A_PAUSE,),
        (
            Edit(
                "steps/switchover/newest.py",
                "    newest = _witnessed(world, witnesses)\n",
                "    return act()\n    newest = _witnessed(world, witnesses)\n",
            ),
        ),
    ),
    Bug(
        "nobody asks who is newest before a move is confirmed or backed out",
        (AFTER_MOVES,),
        (
            Edit(
                "steps/switchover/newest.py",
                "    if isinstance(begun, Record) and begun.seq > pause:\n",
                "    if isinstance(begun, Record) and begun.seq < 0:\n",
            ),
        ),
    ),
    Bug(
        "nobody asks for the lease before a record is stored",
        (f"{JOURNAL}::test_a_record_is_stored_only_while_its_writer_holds_the_lease",),
        (
            Edit(
                "postgres/journal/table.py",
                "if lease_session is None else (HOLDS, (lease_session,))\n",
                "if True else (HOLDS, (lease_session,))\n",
            ),
        ),
    ),
    Bug(
        "nobody asks whether the sequences are those of a side that serves by now",
        (f"{OPERATORS}::test_two_in_the_pause_at_once_make_one_move",),
        (
            Edit(
                PAUSE,
                "set_sequences(ready.to_side, behind, while_free=draft.seq)\n",
                "set_sequences(ready.to_side, behind)\n",
            ),
        ),
    ),
    Bug(
        "nobody asks who is newest before a stream is switched",
        (NEWEST_COMMAND,),
        (
            Edit(
                "postgres/journal/table.py",
                "IF EXISTS (SELECT FROM bluegreen.journal WHERE {})",
                "IF EXISTS (SELECT FROM bluegreen.journal WHERE {} AND false)",
            ),
        ),
    ),
    Bug(
        "the lease is taken without a look at the table's lock",
        (STRANGERS,),
        (
            Edit(
                "postgres/journal/lease.py",
                "                return self._table_is_free()\n",
                "                return True\n",
            ),
        ),
    ),
)
