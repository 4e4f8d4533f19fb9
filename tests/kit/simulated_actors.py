"""Who acts in the simulated world: tools and guards, each held at any effect.

Owns handing the turn to one of them at a time, and killing it where it stands. Each
lives in a thread of its own, as our code does not know that it can be held; but only
the one whose turn it is ever runs, so a history is the same each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from bluegreen.model.errors import BluegreenError
from bluegreen.model.side import Side
from tests.kit.simulated import World

TOO_MANY = 30_000
"""No verb comes near; one that does turns in a circle."""

ENOUGH = 100_000
"""Effects that no verb comes near."""

_HERE = threading.local()


class Killed(BaseException):
    """kill -9. Nothing of ours may catch it."""


class Actor:
    """A process of ours.

    Attributes:
        error: what it ended with, when it ended with one of our errors.
        gave_up: it has ended without having done what it was there for.
        cut: sides to which its network is cut.
        effects: how many it has had so far.
        move: the run whose move it may end: its own, or that of a guard's tool.
        asked: at which effect of the world it last looked at a journal.
        has_asked: that was its last statement: what it does now rests on it.
    """

    def __init__(self, world: World, name: str, work: Callable[[Actor], None]) -> None:
        self.world = world
        self.name = name
        self.error: BluegreenError | None = None
        self.cut: set[Side] = set()
        self.effects = 0
        self.move = name
        self.asked = 0
        self.has_asked = False
        self.dead = self.ended = self.gave_up = False
        self._work = work
        self._left = 0
        self._stop_at, self._behind = "", 0
        self._bug: BaseException | None = None
        self._mine, self._theirs = threading.Lock(), threading.Lock()
        self._mine.acquire()
        self._theirs.acquire()
        self._thread: threading.Thread | None = None
        world.actors.append(self)

    @property
    def alive(self) -> bool:
        return not (self.ended or self.dead)

    def turn(self, effects: int) -> None:
        """Let it have so many effects, or come to its end."""
        if self.alive:
            self._left = effects
            self._hand_over()

    def stop_at(self, point: str, behind: int) -> None:
        """The turn that comes to a named point ends so many effects behind it."""
        self._stop_at, self._behind = point, behind

    @property
    def has_come(self) -> bool:
        """Whether it was there, or will never be."""
        return not self.alive or not self._stop_at

    def point(self, name: str) -> None:
        """It has come to a point that our code names."""
        if self._stop_at and name.endswith(self._stop_at):
            self._left, self._stop_at = self._behind, ""

    def kill(self) -> None:
        """End it where it stands; its open sessions are left to the servers."""
        if not self.alive:
            return
        self.dead = True
        if self._thread is not None:
            self._hand_over()
        self.drop_sessions()

    def drop_sessions(self) -> None:
        """The servers give its sessions up: it is dead, or they think so."""
        for server in self.world.servers.values():
            for session in [s for s in server.sessions if s.actor is self]:
                server.drop(session)

    def effect(self) -> None:
        """Called by everything that it does to the world, right before."""
        if not self.dead:
            self.effects += 1
            assert self.effects < TOO_MANY, f"{self.name} turns in a circle"
            self._left -= 1
            if self._left < 0:
                self._theirs.release()
                self._mine.acquire()
                self._left -= 1
        if self.dead:
            raise Killed

    @property
    def is_overtaken(self) -> bool:
        """Whether another run has announced a pause since its own."""
        pauses = self.world.pauses
        return self.move in pauses and self.world.newest_pause_but(self.move) > 0

    def asks(self) -> None:
        """It looks at a journal."""
        self.asked = self.world.number()
        self.has_asked = True

    def sleep(self, seconds: float) -> None:
        self.effect()
        self.world.advance(seconds)

    def monotonic(self) -> float:
        return self.world.now

    def _hand_over(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, daemon=True)
            self._thread.start()
        else:
            self._mine.release()
        self._theirs.acquire()
        if self.ended:
            self._thread.join()
        if self._bug is not None:
            bug, self._bug = self._bug, None
            raise bug

    def _live(self) -> None:
        _HERE.actor = self
        try:
            self._work(self)
        except BluegreenError as error:
            self.error = error
        except Killed:
            pass
        except BaseException as bug:  # noqa: BLE001 - raised again where it is watched
            self._bug = bug
        self.ended = True
        self._theirs.release()


def here() -> Actor:
    """Whose turn it is."""
    actor: Actor = _HERE.actor
    return actor
