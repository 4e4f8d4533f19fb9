"""Bugs of what is known: journal, proofs, the other side, a pooler's file, clocks.

Each takes for true what nobody has seen. Owns their texts; `bug.py` says what a bug is.
"""

from __future__ import annotations

from tests.mutants.bug import Bug, Edit

CLOCKS = "tests/unit/test_clocks_of_the_end.py"
PARTITIONS = "tests/fault/test_new_partitions.py"
POOLER = "tests/fault/test_pooler_file.py"
PROOF = "tests/fault/test_proof_ends.py"
TIME = "tests/fault/test_time_goes_back.py"
BLUE_CAME_BACK = (
    f"{TIME}::test_a_side_of_before_the_cutover_comes_back_behind_it[blue-restored]"
)
CHANGED_BEHIND = (
    f"{PROOF}::test_a_publication_changed_and_put_back_behind_the_proof_stops_the_move"
)
TRIGGER_OFF = f"{PROOF}::test_a_trigger_that_was_disabled_on_the_other_side_is_a_doubt"
ROLLBACK_REFUSED = (
    f"{PARTITIONS}::test_rows_of_a_partition_that_only_green_has_refuse_a_rollback"
)
NAMED = (
    f"{PARTITIONS}::test_the_loss_is_accepted_by_its_name_alone_and_stands_in"
    "_the_certificate"
)
ELSEWHERE = (
    f"{POOLER}::test_a_file_that_the_pooler_does_not_read_is_found_before_the_pause"
)

OF_WHAT_IS_KNOWN = (
    Bug(
        "the journal is completed silently where a side went back",
        (BLUE_CAME_BACK,),
        (
            Edit(
                "engine/journal.py",
                "    require_whole(Side.BLUE, blue, records)\n"
                "    require_whole(Side.GREEN, green, records)\n",
                "",
            ),
        ),
    ),
    Bug(
        "the newest record that green alone lacks is no loss",
        ("tests/unit/engine/test_missing.py::test_who_went_back",),
        (
            Edit(
                "engine/missing.py",
                "    return bool(lost) and side is Side.GREEN and not"
                " _first_on_blue(lost[0])\n",
                "    return False\n",
            ),
        ),
    ),
    Bug(
        "a proof has no age",
        ("tests/integration/test_validate.py::test_a_proof_of_rows_has_an_age",),
        (
            Edit(
                "steps/validation/proof.py",
                "        if self.max_age and (why",
                "        if False and (why",
            ),
        ),
    ),
    Bug(
        "a proof is not bound to its stream",
        (f"{PROOF}::test_a_publication_that_was_changed_and_put_back_ends_the_proof",),
        (
            Edit(
                "steps/validation/proof.py",
                "            read_route(world.blue, world.green, stream),\n",
                "",
            ),
        ),
    ),
    Bug(
        "a proof is not bound to the servers' start",
        (f"{PROOF}::test_a_follower_set_back_before_the_cutover_is_compared_again",),
        (
            Edit(
                "steps/validation/proof.py",
                "            witness.started,\n",
                "",
            ),
            Edit(
                "postgres/replication/witness.py",
                "    told = (sent, taken, read_start(subscriber))\n",
                "    told = (sent, taken)\n",
            ),
        ),
    ),
    Bug(
        "a proof of another stream is not seen right before the move",
        (CHANGED_BEHIND,),
        (
            Edit(
                "steps/switchover/table_set.py",
                "        if facts.outlived:\n",
                "        if False:\n",
            ),
        ),
    ),
    Bug(
        "a restart of the follower in the window is no doubt",
        (f"{PROOF}::test_a_follower_that_was_set_back_in_the_window",),
        (
            Edit(
                "model/witness.py",
                "        same = (self.side, self.started) == (now.side, now.started)\n",
                "        same = self.side == now.side\n",
            ),
        ),
    ),
    Bug(
        "the other side's fence is not looked at",
        (f"{PROOF}::test_a_fence_found_open_on_the_other_side_is_closed_and_a_doubt",),
        (
            Edit(
                "steps/switchover/recover.py",
                "        ends = [*_left_open(facts), *find_inconsistencies(facts)]\n",
                "        ends = find_inconsistencies(facts)\n",
            ),
        ),
    ),
    Bug(
        "a fence opened by DISABLE TRIGGER for a while is not seen",
        (TRIGGER_OFF,),
        (
            Edit(
                "steps/switchover/inconsistencies.py",
                "    if fence.touched:\n        return True\n",
                "",
            ),
        ),
    ),
    Bug(
        "a partition that stays behind refuses no rollback",
        (ROLLBACK_REFUSED,),
        (
            Edit(
                "postgres/replication/left_behind.py",
                "        if one.name in BOOKKEEPING or own in names or through:\n",
                "        if one.name in BOOKKEEPING or own in names or above:\n",
            ),
        ),
    ),
    Bug(
        "a partition left behind is not named",
        (NAMED,),
        (
            Edit(
                "steps/switchover/left_behind.py",
                "        return LeftBehind(rows).as_body()\n",
                "        return LeftBehind(()).as_body()\n",
            ),
        ),
    ),
    Bug(
        "a file with edits that are not ours is RELOADed",
        (f"{POOLER}::test_an_edit_of_our_own_entry_is_never_loaded_by_a_look",),
        (
            Edit(
                "pointers/pgbouncer/proof.py",
                "        if strange:\n",
                "        if strange and False:\n",
            ),
        ),
    ),
    Bug(
        "a file that the pooler does not read is taken for its own",
        (ELSEWHERE,),
        (
            Edit(
                "pointers/pgbouncer/proof.py",
                "if not set(names.values()) <= self._rows",
                "if False and set() <= self._rows",
            ),
        ),
    ),
    Bug(
        "one clock alone decides that a window or a quarantine ends",
        (
            f"{CLOCKS}::test_when_the_quarantine_is_over",
            f"{CLOCKS}::test_a_window_is_not_promised_by_a_clock_that_is_off",
        ),
        (
            Edit(
                "steps/release/clocks.py",
                "        return self.apart <= CLOCKS_APART\n",
                "        return True\n",
            ),
        ),
    ),
)
