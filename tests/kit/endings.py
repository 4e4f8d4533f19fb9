"""How each history ends: all is repaired, and one run puts everything in place."""

from __future__ import annotations

from tests.kit.promises import Promises, takes_writes, travelling
from tests.kit.simulated_actors import Actor
from tests.kit.simulated_verbs import settle_only
from tests.kit.turns import WentBack


class Endings(Promises):
    """The end of a history."""

    def teardown(self) -> None:
        try:
            self.come_to_rest()
        finally:
            for actor in self.world.actors:
                actor.kill()

    def come_to_rest(self) -> None:
        """All is fixed, and one run begins: everything must fall into place."""
        world = self.world
        for actor in self.tools:
            if actor not in self.asleep:
                actor.kill()
        self.heal()
        self.look_around()
        for actor in self.living:
            self.to_the_end(actor)
        world.advance(60)
        self.all_promises_are_kept()
        if not self.trouble:
            self.require_served()
        if world.set_aside is not None or world.destroyed:
            return
        if self.back is not None:
            self.come_back_with_the_newest_disk(self.back)
        before = world.serving
        passed_by = self.passes_markers_by()
        last = self.run_last()
        if passed_by and getattr(last.error, "code", None) == 5002:
            last = self.run_last()
        if self.is_told_after_all(last.error):
            return
        if last.error is not None:
            raise AssertionError("nothing hinders it") from last.error
        assert world.serving is before, "the commit record does not decide"
        self.require_served()
        self.require_shut()
        self.require_followed()

    def heal(self) -> None:
        for server in self.world.servers.values():
            server.start()
            server.end_writers()
            server.says_nothing = server.stalled = False
        for pooler in self.world.poolers:
            pooler.start()
            pooler.busy = False
        for actor in self.world.actors:
            actor.cut.clear()

    def run_last(self) -> Actor:
        last = Actor(self.world, f"last {self.world.number()}", settle_only)
        self.to_the_end(last)
        return last

    def passes_markers_by(self) -> bool:
        """The side that serves went back behind what the other has taken: what
        it writes next is passed by, as at positions that were taken before."""
        blue, green = self.world.servers.values()
        serving = blue if self.world.serving is blue.side else green
        other = green if serving is blue else blue
        origins = [stream.origin for _, stream in other.data.subscriptions]
        return any(origin > len(serving.data.wal) for origin in origins)

    def is_told_after_all(self, error: BaseException | None) -> bool:
        """A tool wrote one record more, and so proved that a side lacks the other."""
        if self.missed is None or getattr(error, "code", None) != 8002:
            return False
        side, lost = self.missed
        known = len(self.world.servers[side].data.journal)
        there = self.world.servers[side.other].data.journal[known:]
        return len(there) > 1 and there[0] == lost

    def come_back_with_the_newest_disk(self, back: WentBack) -> None:
        """Nothing was done that would keep it from being what it was."""
        refused = self.run_last().error
        assert refused is not None, f"{back.side} went back and nobody says so"
        assert refused.code == 8002, refused
        self.all_promises_are_kept()
        self.back = None
        self.world.servers[back.side].come_back(back.newest)
        self.world.advance(60)

    def require_followed(self) -> None:
        """Both sides hold the same, and only one of them takes writes."""
        self.world.advance(60)
        blue, green = self.world.servers.values()
        assert not takes_writes(self.world.servers[self.world.serving.other])
        if any(row[2] == "released" for row in blue.data.journal):
            return
        if not self.unlike:
            alike = travelling(blue) == travelling(green)
            assert alike, "one side does not follow"
        self.one_side_takes_writes()
        self.no_acknowledged_write_is_lost_or_doubled()
