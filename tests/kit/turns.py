"""The state of a history, and the turns of its processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from bluegreen.model.side import Side
from tests.kit.simulated import World
from tests.kit.simulated_actors import Actor
from tests.kit.simulated_data import Change, Data
from tests.kit.simulated_verbs import decommission, prove, rollback, run

VERBS: dict[str, Callable[..., None]] = {
    "run": run,
    "rollback": rollback,
    "prove": prove,
    "decommission": decommission,
}


@dataclass
class WentBack:
    """A side without records that it had confirmed.

    Attributes:
        newest: the disk that is missing.
        left: what stood on both sides when it came back.
        before: processes that had begun before, and may still end what they do.
    """

    side: Side
    newest: Data
    left: tuple[Any, ...]
    before: list[Actor]


class Turns(RuleBasedStateMachine):
    """A history and its processes.

    Attributes:
        trouble: what has happened so far that may keep a process from its end.
        began: by process, how much there had been when it began.
        asleep: tools that were stopped, and will wake up.
        excused: acknowledged rows that were taken from the side that served.
        unlike: the sides may differ for ever, and it is for a person to say how.
        back: a side that went back in time, as both journals tell together.
        missed: a side that went back in time, and the record that it alone lost, which
            a journal may still tell of: a tool that lives may write one more elsewhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.trouble = 0
        self.began: dict[Actor, int] = {}
        self.seen: set[Actor] = set()
        self.asleep: set[Actor] = set()
        self.commits: dict[int, tuple[Any, ...]] = {}
        self.excused: set[Change] = set()
        self.unlike = False
        self.back: WentBack | None = None
        self.missed: tuple[Side, tuple[Any, ...]] | None = None
        self._chained: dict[Side, tuple[Any, ...]] = {}

    # Processes and their turns.

    @property
    def living(self) -> list[Actor]:
        return [actor for actor in self.world.actors if actor.alive]

    @property
    def tools(self) -> list[Actor]:
        return [a for a in self.living if not a.name.startswith("guard")]

    def start(self, verb: str, *, exchanged: bool = False) -> Actor:
        def work(actor: Actor) -> None:
            VERBS[verb](actor, exchanged=exchanged)

        actor = Actor(self.world, f"{verb} {self.world.number()}", work)
        self.began[actor] = self.trouble
        return actor

    def give_turn(self, actor: Actor, effects: int) -> None:
        actor.turn(effects)
        self.look_around()

    def look_around(self) -> None:
        for guard in self.world.guards:
            guard.look()
            if guard.acting is not None:
                self.began.setdefault(guard.acting, self.trouble)

    def to_the_end(
        self, actor: Actor, unless: Callable[[], bool] = lambda: False
    ) -> None:
        """Run a process to its end, and with it the guards that it waits for."""
        while actor.alive and not unless():
            self.give_turn(actor, 200)
            for one in self.living:
                if one.name == f"guard of {actor.name}":
                    self.give_turn(one, 200)
