"""Several pointers as one: all paused or none, all moved, all resumed.

Owns acting on all of them at once and adding up what went wrong. What one pointer does
is its own business. One that could not be told is never passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, TrafficUnknownError
from bluegreen.model.side import Side
from bluegreen.pointers.pointer import Pointer

Failures = list[tuple[Pointer, BluegreenError]]


def pause_all(pointers: Sequence[Pointer], budget: timedelta) -> None:
    """Hold back the clients of every pointer, or of none.

    Raises:
        BudgetError: 5001, and the other errors of Pointer.pause; no client is held
            back.
        TrafficUnknownError: 7001, a pooler could not be resumed after that.
    """
    finished = False
    try:
        failed = _on_all(pointers, lambda pointer: pointer.pause(budget))
        finished = True
    finally:
        # An interrupt or a bug: who was paused is not known, so all are resumed.
        if not finished:
            resume_all(pointers)
    if failed:
        # One that failed has backed out itself, or said that it could not.
        resume_all(_others(pointers, failed))
        raise _worst(failed)


def prove_all(pointers: Sequence[Pointer], side: Side) -> None:
    """Try that what we write is what they read, and that it leads clients to `side`.

    Once for each place.

    Raises:
        ServerRefused: 3007.
    """
    for first, *others in by_place(pointers):
        first.prove(side, others)


def stage_all(pointers: Sequence[Pointer], side: Side) -> None:
    """Write beforehand what `move_all` will put in place, once for each place.

    Raises:
        ServerRefused: 3007 or 3008.
    """
    for first, *others in by_place(pointers):
        first.stage(side, others)


def require_unchanged(pointers: Sequence[Pointer]) -> None:
    """Refuse where what was proved and staged is not so any more.

    Raises:
        ServerRefused: 3001 or 3007.
        StepError: 4011.
    """
    for first, *_ in by_place(pointers):
        first.require_unchanged()


def apart(
    pointers: Sequence[Pointer],
) -> tuple[tuple[Pointer, ...], tuple[Pointer, ...]]:
    """Those that hold clients back, and those that do not.

    Clients who wait come first: a name may take seconds until every server gives it.
    """
    held = tuple(one for one in pointers if one.holds_clients)
    return held, tuple(one for one in pointers if not one.holds_clients)


def by_place(pointers: Sequence[Pointer]) -> list[list[Pointer]]:
    """Pointers that stand in one file and one process, together."""
    places: dict[object, list[Pointer]] = {}
    for pointer in pointers:
        places.setdefault(pointer.place, []).append(pointer)
    return list(places.values())


def move_all(pointers: Sequence[Pointer], side: Side) -> None:
    """Let every pointer name `side`; all are tried.

    Only behind the commit point: a client that comes through one that did not follow
    meets the fence of the side that was left.

    Raises:
        TrafficUnknownError: 7001, says which did and which did not.
    """
    failed = _moved(by_place(pointers), side)
    if not failed:
        return
    done = ", ".join(pointer.id for pointer in _others(pointers, failed))
    raise TrafficUnknownError(
        Code.TRAFFIC_UNKNOWN,
        f"not every pointer names {side}: {_names(failed)} could not be moved",
        seen=_told(failed),
        wanted=f"all of them on {side}",
        traffic=f"{side} serves; {done or 'no pointer'} names it. All writes through "
        f"{_names(failed)} fail until that is repaired",
        hint="repair what is named above, then run again; it goes on from here. "
        "By hand:\n" + "\n".join(f"{one.id}: {one.by_hand(side)}" for one, _ in failed),
    )


def _moved(places: Sequence[Sequence[Pointer]], side: Side) -> Failures:
    """Move each place as one, all at once, and give back who failed."""
    if not places:
        return []
    with ThreadPoolExecutor(len(places), "pointer") as pool:
        running = [
            (ours, pool.submit(ours[0].move_with, ours[1:], side)) for ours in places
        ]
    failed: Failures = []
    for ours, future in running:
        try:
            late = future.result()
        except BluegreenError as error:
            late = {pointer.id: error for pointer in ours}
        failed += [(one, late[one.id]) for one in ours if one.id in late]
    return failed


def name_side(ours: Sequence[Pointer], side: Side) -> None:
    """Let pointers of one place name `side` where they do not; all are tried.

    Raises:
        BluegreenError: the worst of what went wrong; its hint says what to type.
    """
    failed: Failures = []
    astray = []
    for pointer in ours:
        try:
            if pointer.observe().names is not side:
                astray.append(pointer)
        except BluegreenError as error:
            failed.append((pointer, error))
    failed += _moved([astray] if astray else [], side)
    if failed:
        worst = _worst(failed)
        worst.hint = "\n".join(f"{one.id}: {one.by_hand(side)}" for one, _ in failed)
        raise worst


def acts_until_served(
    pointers: Sequence[Pointer], side: Side
) -> Iterator[Callable[[], None]]:
    """What lets clients be served by `side`, in acts between which one may stop."""
    held, names = apart(pointers)
    for ours in (*by_place(held), *by_place(names)):
        yield partial(name_side, ours, side)
        for pointer in ours:
            yield partial(_let_go, pointer, side)


def _let_go(pointer: Pointer, side: Side) -> None:
    """One that does not name it keeps its clients: they would meet the fence."""
    if pointer.observe().names is side:
        pointer.resume()


def resume_all(pointers: Sequence[Pointer]) -> None:
    """Let the clients of every pointer go on; all are tried.

    Raises:
        TrafficUnknownError: 7001, names those that were not confirmed.
    """
    failed = _on_all(pointers, lambda pointer: pointer.resume())
    if failed:
        raise TrafficUnknownError(
            Code.TRAFFIC_UNKNOWN,
            f"it is not confirmed that clients go on at: {_names(failed)}",
            seen=_told(failed),
            wanted="RESUME, confirmed by each of them",
            hint="a pooler that is down holds no clients, and forgets PAUSE when it "
            "starts. For one that runs type:\n"
            + "\n".join(f"{one.id}: `{one.resume_by_hand()}`" for one, _ in failed),
        )


def _on_all(pointers: Sequence[Pointer], do: Callable[[Pointer], None]) -> Failures:
    """Do it on all at once, and give back who failed. Bugs are raised."""
    if not pointers:
        return []
    with ThreadPoolExecutor(len(pointers), "pointer") as pool:
        running = [(pointer, pool.submit(do, pointer)) for pointer in pointers]
    failed = []
    for pointer, future in running:
        try:
            future.result()
        except BluegreenError as error:
            failed.append((pointer, error))
    return failed


def _others(pointers: Sequence[Pointer], failed: Failures) -> list[Pointer]:
    return [p for p in pointers if not any(p is one for one, _ in failed)]


def _worst(failed: Failures) -> BluegreenError:
    """The error with the highest exit status; what the others said is added."""
    first = max((error for _, error in failed), key=lambda error: error.exit_status)
    if len(failed) > 1:
        first.seen = _told(failed)
    return first


def _names(failed: Failures) -> str:
    return ", ".join(pointer.id for pointer, _ in failed)


def _told(failed: Failures) -> str:
    return "\n".join(
        f"{pointer.id}: {error.problem}" + (f" ({error.seen})" if error.seen else "")
        for pointer, error in failed
    )
