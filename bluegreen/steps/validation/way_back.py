"""The proof that every row of green is on blue, while green serves.

Owns when it is asked for and what a difference means for a rollback. Comparing is the
same as before a cutover, with the sides exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bluegreen.model.bodies import Witnessed
from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, RollbackUnavailable
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.compare.rows import TableResult
from bluegreen.postgres.compare.table_plans import read_plans, sent_only
from bluegreen.postgres.replication.publication import read_publication
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.postgres.replication.witness import read_witness
from bluegreen.postgres.schema.mapping_triggers import read_given
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.validation.rows import CompareRows
from bluegreen.steps.world import World

WITHIN = timedelta(hours=6)
WORKERS = 2


class ProveWayBack(Action[str]):
    """Every row of green that blue takes is on blue, or no row is in doubt.

    Crash: nothing was changed but marker rows; the proof is made again.
    """

    title = "blue holds green's rows"
    no_undo = "a proof changes nothing"

    def observe(self, world: World) -> str:
        """Why rows must be compared; empty where a proof stands."""
        state = fold(world.journal.records())
        if state.serving is Side.BLUE or state.released:
            return ""
        then = state.witness
        if then is None:
            return "nothing was proved since the cutover"
        name = ReplicationStream(world.name, Side.GREEN).name
        if not then.holds(read_witness(world.blue, name, world.green, then)):
            return (
                "blue was restarted, its subscription or green's publication altered, "
                "or a server failed over since its last proof"
            )
        return ""

    def judge(self, facts: str) -> Verdict:
        """Satisfied by a proof that stands."""
        return Needed(facts) if facts else Satisfied("no row is in doubt")

    def act(self, world: World, facts: str) -> Result:
        """Compare every table that the stream feeds; remember how blue was.

        Raises:
            RollbackUnavailable: 6001, naming the tables that differ.
        """
        name = ReplicationStream(world.name, Side.GREEN).name
        witness = read_witness(world.blue, name, world.green)
        results = _compare(world, name, self.id)
        if different := [one for one in results if one.differences]:
            raise _differ(different)
        rows = sum(one.rows for one in results)
        return {
            **Witnessed(witness).as_body(),
            "summary": f"{rows} rows in {len(results)} tables are alike",
        }


def _compare(world: World, name: str, step_id: str) -> Sequence[TableResult]:
    plans = sent_only(
        read_plans(world.green, world.blue, name),
        read_publication(world.green, name) or (),
        read_given(world.blue),
    )
    if not plans:
        raise _nothing_compared()
    comparing = CompareRows(step_id, "checksum", WORKERS, WITHIN)
    try:
        return comparing.compare(world, Side.GREEN, plans, streams=True)
    except BluegreenError as error:
        error.traffic = str(Side.GREEN)
        raise


def _nothing_compared() -> RollbackUnavailable:
    return RollbackUnavailable(
        Code.ROLLBACK_LOSES_DATA,
        "no table was compared, which proves nothing of the way back",
        seen="blue's subscription feeds no table that green publishes",
        wanted="the tables that were published when the way back was opened",
        traffic="green serves and nothing has moved",
        hint="who changed the publication on green or the subscription on blue? Put "
        "the tables back, then run `bluegreen rollback PLAYBOOK --prove` again",
    )


def _differ(different: Sequence[TableResult]) -> RollbackUnavailable:
    tables = "1 table" if len(different) == 1 else f"{len(different)} tables"
    return RollbackUnavailable(
        Code.ROLLBACK_LOSES_DATA,
        f"blue does not hold the rows of green in {tables}",
        seen="\n".join(f"{one.table} differs" for one in different),
        wanted="every row that green took, on blue too",
        traffic="green serves and nothing has moved",
        hint="a rollback would lose these rows. Copy them from green to blue by hand "
        "(as a role with session_replication_role = replica), then run `bluegreen "
        "rollback PLAYBOOK --prove` again, or stay on green",
    )
