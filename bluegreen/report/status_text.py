"""A status as a page: who serves and whether a rollback is open come first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bluegreen.engine.status import PointerStatus, SideStatus, Status, StreamStatus
from bluegreen.model.counted import counted
from bluegreen.model.duration import format_bytes
from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.report.page import Page, columns
from bluegreen.report.records_text import row_of


def status_page(seen: Status) -> Page:
    """What is true now, what needs a person first."""
    return [
        f"{seen.name}: {_serving(seen)}",
        f"rollback: {seen.way_back}",
        *(f"  doubt: {doubt}" for doubt in seen.doubts),
        "",
        *columns(map(_side, seen.sides)),
        *columns(map(_pointer, seen.pointers)),
        *columns(map(_stream, seen.streams)),
        *_monitors(seen.monitors),
        "",
        *_journal(seen),
    ]


def _serving(seen: Status) -> str:
    if seen.serving is None:
        return f"NOT CONFIRMED ({seen.state.serving} serves, if the journal is right)"
    move = seen.state.last_move
    if move is None or move.committed is None:
        return f"{seen.serving} serves, nothing has moved"
    return (
        f"{seen.serving} serves since {move.committed:%Y-%m-%d %H:%M:%S} UTC"
        f" (epoch {move.epoch})"
    )


def _side(one: SideStatus) -> tuple[str, str, str]:
    if one.problem:
        return str(one.side), one.address, f"not seen: {one.problem}"
    fence = "no fence" if one.fence == "none" else f"fence {one.fence}"
    lease = f"; lease: {one.lease}" if one.lease else ""
    return str(one.side), one.address, f"{fence}, {counted(one.tables, 'table')}{lease}"


def _pointer(one: PointerStatus) -> tuple[str, str]:
    if one.problem:
        return f"pointer {one.id}", f"not seen: {one.problem}"
    paused = ", PAUSED" if one.paused else ""
    return (
        f"pointer {one.id}",
        f"names {one.names or 'neither side'} ({one.seen}){paused}",
    )


def _stream(one: StreamStatus) -> tuple[str, str]:
    name = f"stream {one.publisher} → {one.publisher.other}"
    if one.problem:
        return name, f"not seen: {one.problem}"
    parts = ["runs" if one.running else "is off" if not one.enabled else "NOT RUNNING"]
    parts.append(f"{one.ready} of {one.tables} tables copied")
    if one.replay_lag_bytes is not None:
        parts.append(f"replay lag {format_bytes(one.replay_lag_bytes)}")
    if one.kept_bytes is not None:
        parts.append(f"keeps {format_bytes(one.kept_bytes)} of WAL on {one.publisher}")
    if one.errors:
        parts.append(counted(one.errors, "error"))
    return name, ", ".join(parts)


def _monitors(monitors: Sequence[Finding]) -> Page:
    """Worst first; what to do stands under what is wrong."""
    if not monitors:
        return []
    # What one side that is away hides from many is told once.
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for one in monitors:
        alone = () if one.severity is Severity.UNKNOWN else (one.id, one.where)
        groups[_SEVERITIES[one.severity], _said(one), one.fix, *alone].append(one)
    rows = [
        (severity, *_place(group), "\n".join([said, *_below(group)]))
        for (severity, said, *_), group in groups.items()
    ]
    return ["", "monitors", *columns(rows)]


def _below(group: Sequence[Finding]) -> Iterator[str]:
    if len(group) > 1:
        yield f"these: {', '.join(one.id for one in group)}"
    if group[0].fix:
        yield f"fix: {group[0].fix}"


def _place(group: Sequence[Finding]) -> tuple[str, str]:
    if len(group) == 1:
        return group[0].id, group[0].where
    return f"{len(group)} monitors", ""


_SEVERITIES = {
    Severity.OK: "ok",
    Severity.WARNING: "warning",
    Severity.UNKNOWN: "UNKNOWN",
    Severity.CRITICAL: "CRITICAL",
}


def _said(one: Finding) -> str:
    if one.blocks is Blocks.NOTHING:
        return one.seen
    what = "a" if one.blocks is Blocks.SWITCHOVER else "run and"
    return f"{one.seen} [blocks {what} switchover]"


def _journal(seen: Status) -> Page:
    if not seen.journal.tail:
        return ["journal: nothing was done yet"]
    return ["journal, the last records", *columns(map(row_of, seen.journal.tail))]
