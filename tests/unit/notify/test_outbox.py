"""Notices on their way: who is told what, in turn, and never while clients wait."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bluegreen.model.notice import Notice, Occasion
from bluegreen.notify import outbox as outbox_module
from bluegreen.notify.outbox import TRIES, Entry, Outbox
from bluegreen.notify.ways import NotSent

HOUR = timedelta(hours=1)
ALL = frozenset(Occasion)


def notice(occasion: Occasion | None, lead: timedelta | None = None) -> Notice:
    return Notice(occasion, "shop", "a subject", "text", datetime.now(UTC), lead)


@dataclass
class Heard:
    """A way that remembers; it fails as often as it is told to."""

    fails: int = 0
    name: str = "fake"
    got: list[Notice] = field(default_factory=list)
    tries: int = 0
    gate: threading.Event | None = None
    begun: threading.Event = field(default_factory=threading.Event)

    def send(self, one: Notice) -> None:
        self.tries += 1
        self.begun.set()
        if self.gate is not None:
            assert self.gate.wait(20)
        if self.tries <= self.fails:
            raise NotSent("no answer")
        self.got.append(one)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "BETWEEN_TRIES_S", 0.0)


def test_each_hears_what_it_asked_for_and_a_test_goes_to_all() -> None:
    one, two = Heard(), Heard()
    entries = (
        Entry(one, frozenset({Occasion.MOVED}), HOUR),
        Entry(two, ALL, 2 * HOUR),
    )
    with Outbox(entries, pytest.fail) as outbox:
        outbox.put(notice(Occasion.MOVED))
        outbox.put(notice(Occasion.WINDOW_ENDS, HOUR))
        outbox.put(notice(Occasion.WINDOW_ENDS, 2 * HOUR))
        outbox.put(notice(None))
    assert [n.name for n in one.got] == ["moved", "test"]
    assert [(n.name, n.lead) for n in two.got] == [
        ("moved", None),
        ("window_ends", 2 * HOUR),
        ("test", None),
    ]


@pytest.mark.parametrize("fails", range(TRIES + 1))
def test_it_is_tried_again_and_then_given_up_and_named(fails: int) -> None:
    deaf, other, said = Heard(fails), Heard(), list[str]()
    entries = (Entry(deaf, ALL, HOUR), Entry(other, ALL, HOUR))
    with Outbox(entries, said.append) as outbox:
        outbox.put(notice(Occasion.FAILED))
    assert deaf.tries == min(fails + 1, TRIES)
    assert len(other.got) == 1
    assert said == (
        ["notify entry 1 (fake) was not told failed: no answer"]
        if fails == TRIES
        else []
    )


def test_none_is_told_while_it_is_held_and_all_are_afterwards() -> None:
    slow = Heard(gate=threading.Event())
    assert slow.gate is not None
    with Outbox((Entry(slow, ALL, HOUR),), pytest.fail) as outbox:
        outbox.put(notice(Occasion.MOVED))
        assert slow.begun.wait(20)
        holding = threading.Thread(target=outbox.hold)
        holding.start()
        # The try that is on its way ends first.
        assert holding.is_alive()
        slow.gate.set()
        holding.join(20)
        slow.begun.clear()
        outbox.put(notice(Occasion.FAILED))
        assert not slow.begun.wait(0.2)
        outbox.release()
        assert slow.begun.wait(20)
    assert [n.name for n in slow.got] == ["moved", "failed"]


def test_one_that_hangs_holds_up_neither_a_pause_nor_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_module, "LAST_WAIT_S", 0.05)
    hung, said = Heard(gate=threading.Event()), list[str]()
    assert hung.gate is not None
    with Outbox((Entry(hung, ALL, HOUR),), said.append) as outbox:
        outbox.put(notice(Occasion.MOVED))
        assert hung.begun.wait(20)
        outbox.hold()
        outbox.release()
    assert said == ["a notice was not sent within 0 s"]
    hung.gate.set()


def test_without_entries_no_thread_is_started() -> None:
    before = threading.active_count()
    with Outbox((), pytest.fail) as outbox:
        outbox.hold()
        outbox.put(notice(Occasion.MOVED))
        outbox.release()
        assert threading.active_count() == before
