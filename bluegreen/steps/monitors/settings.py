"""Monitor: do both servers keep what they commit, and does a commit return?

Owns what an unsafe setting stops right before traffic moves: one may be changed after
`check` has looked. Which settings these are is in `postgres/catalog/durability.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.durability import Harm, Unsafe, read_unsafe
from bluegreen.postgres.sync_wait import REPAIR, SyncWait, read_sync_wait
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh


@dataclass(frozen=True, slots=True)
class SettingsFacts:
    """A side's unsafe settings, and whether it serves.

    Attributes:
        database: its name, for the statement that repairs.
        wait: what a commit there waits for.
    """

    side: Side
    serves: bool
    unsafe: tuple[Unsafe, ...]
    database: str
    wait: SyncWait = field(default_factory=SyncWait)


class MonitorSettings(Monitor[SettingsFacts]):
    """Neither side has settings by which a commit is no promise, or hangs.

    The commit point rests on the side that traffic goes to, the closed fence on the
    side that it leaves: both must outlive a crash.
    """

    id: ClassVar[str] = "settings"
    if_unknown: ClassVar[Blocks] = Blocks.SWITCHOVER
    every_s: ClassVar[float] = 30.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """Both; green alone once blue was released."""
        return (Side.GREEN,) if world.state.released else tuple(Side)

    def observe(self, world: Round, side: Side) -> SettingsFacts | None:
        """Three catalog queries."""
        database = world.on(side)
        unsafe = read_unsafe(database)
        name = database.dbname if unsafe else ""
        serves = side is world.state.serving
        wait = read_sync_wait(database)
        return SettingsFacts(side, serves, unsafe, name, wait)

    def judge(self, facts: SettingsFacts, limits: Limits) -> Iterator[Finding]:
        """The worst in words first, one finding a side."""
        yield self.say(str(facts.side), _weigh(facts))


def _weigh(facts: SettingsFacts) -> Finding:
    if facts.wait.hangs:
        do = f"on {facts.side}: {REPAIR}"
        return weigh(Severity.CRITICAL, facts.wait.say(), do, Blocks.SWITCHOVER)
    stopping = [one for one in facts.unsafe if _stops(facts, one)]
    bad = [one for one in facts.unsafe if one.harm is Harm.VACUUM]
    rest = [one for one in facts.unsafe if one not in (*stopping, *bad)]
    if not facts.unsafe:
        return weigh(Severity.OK, "what it commits, it keeps")
    told = [*stopping, *bad, *rest]
    return weigh(
        Severity.CRITICAL if stopping or bad else Severity.WARNING,
        "; ".join(f"{one.say()}: {one.rule.why}" for one in told),
        f"on {facts.side}: {' '.join(one.repair(facts.database) for one in told)}",
        Blocks.SWITCHOVER if stopping else Blocks.NOTHING,
    )


def _stops(facts: SettingsFacts, one: Unsafe) -> bool:
    """A side that hides its damage may be left; nothing may be brought to it."""
    if one.name == "data_sync_retry":
        return False
    return one.harm is Harm.CRASH or (one.harm is Harm.DAMAGE and not facts.serves)
