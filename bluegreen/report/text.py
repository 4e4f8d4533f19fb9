"""Results as text for a person. Owns every verb's answer on a terminal.

Plain words, no colour: it is read at 3 a.m., in a pager, in a ticket.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import singledispatch

from bluegreen.engine.cancel import Cancelled
from bluegreen.engine.drop_slot import Abandoned
from bluegreen.engine.events import RunEnded
from bluegreen.engine.plan import PlannedAction, not_allowed
from bluegreen.engine.status import PointerStatus, SideStatus, Status, StreamStatus
from bluegreen.engine.verify_journal import Chained
from bluegreen.model import bodies
from bluegreen.model.duration import format_bytes, format_duration
from bluegreen.model.errors import error_for
from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.hazard import Hazard
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused
from bluegreen.report.results import (
    Approved,
    Listing,
    Looked,
    PlanResult,
    RollbackResult,
    Verified,
)

SIGNS = {
    "satisfied": "✓",
    "needed": "→",
    "not_yet": "…",
    "refused": "✗",
    "unseen": "?",
    "passed": "·",
}
_LEGEND = {
    "satisfied": "holds",
    "needed": "run acts on it",
    "not_yet": "run waits for it",
    "refused": "run stops here",
    "unseen": "can be looked at once earlier actions are done",
    "passed": "behind us",
}
_WIDEST = 200
"""Characters of a record's body in one line; `--json` has all of it."""


@singledispatch
def text_of(result: object) -> str:
    """The result's text.

    Raises:
        TypeError: a result that has no text.
    """
    raise TypeError(f"no text for {type(result).__name__}")


def columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows with their cells under each other; the last may have several lines."""
    table = [tuple(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    below = "\n" + indent + " " * sum(width + 2 for width in widths)
    return [
        (
            indent
            + "".join(f"{c:<{w}}  " for c, w in zip(row, widths, strict=False))
            + row[-1].replace("\n", below)
        ).rstrip()
        for row in table
    ]


@text_of.register
def _plan(result: PlanResult) -> str:
    made = result.plan
    rows = [_planned(one) for one in made.actions]
    kinds = dict.fromkeys(one.kind for one in made.actions)
    legend = "   ".join(f"{SIGNS[kind]} {_LEGEND[kind]}" for kind in kinds)
    lines = [f"plan {made.digest} of {result.playbook}", "", *columns(rows)]
    lines += ["", f"  {legend}", "", *_verdicts(result)]
    lines += [*_hazards(result), *_shared_fate(result), *_ending(result)]
    return "\n".join(lines)


def _shared_fate(result: PlanResult) -> list[str]:
    ahead = [one for one in result.plan.actions if one.lies_ahead]
    if not result.shared_fate or not any(
        Hazard.MOVES_TRAFFIC in one.hazards for one in ahead
    ):
        return []
    fate = f"the end of {result.shared_fate} would end the tool and its guard together"
    then = "clients then wait until `bluegreen run` is called again, or the pooler's"
    return [f"{fate}; in a pause", then, "query_wait_timeout ends it", ""]


def _verdicts(result: PlanResult) -> list[str]:
    if not result.verdicts:
        return []
    from bluegreen.report.compat_text import table_of

    return ["what the judge says", "", *table_of(result.verdicts)]


def _planned(one: PlannedAction) -> tuple[str, str, str]:
    why = one.verdict.why
    said = f"{one.title}: {why}" if one.title else why
    return SIGNS[one.kind], one.id, said


def _hazards(result: PlanResult) -> list[str]:
    where: dict[Hazard, list[str]] = {}
    for one in result.plan.actions:
        if one.lies_ahead:
            for hazard in one.hazards:
                where.setdefault(hazard, []).append(one.id)
    if not where:
        return []
    missing = set(result.plan.not_allowed)
    rows = [
        (
            name,
            "NOT ALLOWED" if name in missing else "allowed",
            f"{name.meaning} ({', '.join(ids)})",
        )
        for name, ids in sorted(where.items())
    ]
    return ["hazards", *columns(rows), ""]


def _ending(result: PlanResult) -> list[str]:
    made = result.plan
    if made.not_allowed:
        line = not_allowed(made.not_allowed, result.allow).wanted
        first = "`bluegreen run` would refuse; if it is meant, put into the playbook:"
        return [first, f"  {line}"]
    refused = made.refused
    if refused is not None and isinstance(refused.verdict, Refused):
        no = refused.verdict
        error = error_for(no.code, no.why, seen=no.seen, wanted=no.wanted, hint=no.hint)
        return [f"`bluegreen run` would stop at {refused.id}:", str(error)]
    if all(one.kind in {"satisfied", "passed"} for one in made.actions):
        return ["nothing is left to do"]
    return [f"run exactly this: bluegreen run {result.playbook} --plan {made.digest}"]


@text_of.register
def _rollback(result: RollbackResult) -> str:
    made = result.plan
    if result.serving is Side.BLUE:
        first = "blue serves: there is nothing to roll back"
    elif result.exit_status:
        first = "no: a rollback would be refused now"
    else:
        first = "yes: a rollback would work now"
    lines = [first, "", *columns(_planned(one) for one in made.actions)]
    refused = made.refused
    if refused is not None and isinstance(refused.verdict, Refused):
        no = refused.verdict
        error = error_for(no.code, no.why, seen=no.seen, wanted=no.wanted, hint=no.hint)
        lines += ["", str(error)]
    return "\n".join(lines)


@text_of.register
def _run_ended(ended: RunEnded) -> str:
    count = len(ended.acted)
    did = "Nothing had to be changed" if not count else f"{count} actions ran"
    if count == 1:
        did = "1 action ran"
    serves = f" {ended.serving.capitalize()} is serving." if ended.serving else ""
    took = format_duration(ended.seconds)
    lines = [f"Done in {took} ({ended.run}). {did}.{serves}"]
    if ended.waiting:
        lines.append(f"left to time: {ended.waiting}")
    return "\n".join(lines)


@text_of.register
def _approved(yes: Approved) -> str:
    at = f"{yes.at:%Y-%m-%d %H:%M:%S} UTC"
    if yes.new:
        then = f"; the run goes on with step {yes.next}" if yes.next else ""
        return f"approved {yes.step} as {yes.by} at {at}{then}"
    return f"{yes.step} was approved before, by {yes.by} at {at}"


@text_of.register
def _verified(held: Verified) -> str:
    """What it was not held against is said too: a hash alone proves little."""
    if len(held.held_against) == len(Side):
        against = "both journals and both servers say the same"
    elif held.held_against:
        against = f"{held.held_against[0]} says the same; blue was released and is gone"
    else:
        against = "the journals were not asked; name the playbook too"
    return (
        f"{held.file} holds: {held.kind} of {held.playbook} to {held.to}, epoch "
        f"{held.epoch}, {held.committed:%Y-%m-%d %H:%M:%S} UTC\n"
        f"its hash {held.hash[:12]} fits its content; {against}"
    )


@text_of.register
def _looked(looked: Looked) -> str:
    if not looked.findings:
        return "nothing was found"
    lines: list[str] = []
    for finding in looked.findings:
        lines += [*_finding(finding, accepted=looked.accepts(finding)), ""]
    total, blocking = len(looked.findings), len(looked.blocking)
    found = "1 finding" if total == 1 else f"{total} findings"
    blocks = "none blocks" if not blocking else f"{blocking} of them block a run"
    return "\n".join([*lines, f"{found}, {blocks}"])


def _finding(finding: Finding, *, accepted: bool) -> list[str]:
    weight = "note"
    if finding.is_blocking:
        weight = "accepted" if accepted else "blocks"
    rows = [("seen:", finding.seen), ("why:", finding.why), ("fix:", finding.fix)]
    lines = [f"{weight}  {finding.id} on {finding.where}"]
    for name, said in rows:
        if said:
            lines.append(f"  {name:<7}" + said.replace("\n", "\n" + " " * 9))
    return lines


@text_of.register
def _cancelled(done: Cancelled) -> str:
    """What was taken away, and what a person finds afterwards."""
    lines = [f"taken away: {action}" for action in done.undone]
    return "\n".join([*lines, *(f"stays: {what}" for what in done.stays)])


@text_of.register
def _abandoned(done: Abandoned) -> str:
    if not done.slot:
        return f"nothing was dropped: {done.why}"
    return (
        f"dropped slot {done.slot} on {done.serving}, which kept "
        f"{format_bytes(done.kept)} of WAL; the next checkpoint frees it\n{done.why}"
    )


@text_of.register
def _listing(listing: Listing) -> str:
    if not listing.total:
        return f"nothing was done yet for {listing.name}"
    lines = columns((_record(record) for record in listing.records), indent="")
    left = listing.total - len(listing.records)
    return "\n".join([f"({left} earlier records)"] * bool(left) + lines)


@text_of.register
def _chained(told: Chained) -> str:
    blue = "blue is gone" if told.blue is None else f"{told.blue} on blue"
    return (
        f"{told.green} records on green, {blue}: one story, and each record follows "
        f"the one before it\nhead: {told.head}"
    )


def _record(record: Record) -> tuple[str, ...]:
    what = str(record.kind).replace("_", " ")
    return (
        f"{record.seq:>4}",
        f"{record.at:%Y-%m-%d %H:%M:%S}",
        record.run,
        what,
        record.action or "-",
        say_body(record),
    )


def say_body(record: Record) -> str:
    """A record's facts in one line."""
    body = record.body
    match record.kind:
        case Kind.FAILED:
            failed = bodies.Failed.from_body(body)
            return f"BG-{failed.code}: {failed.problem}"
        case Kind.INTENT:
            return bodies.Intent.from_body(body).why
        case Kind.RUN_STARTED:
            run = bodies.RunStarted.from_body(body)
            return f"{run.verb or 'run'} {run.file or run.playbook}, by {record.writer}"
        case Kind.APPROVED:
            given = bodies.Approved.from_body(body)
            return f"{given.step}, by {given.by}"
        case Kind.CERTIFIED:
            certified = bodies.Certified.from_body(body)
            return f"{certified.kind}, hash {certified.hash[:12]}"
        case _:
            told = ", ".join(f"{k} {v}" for k, v in body.items() if v not in (None, ""))
            said = " ".join(told.split())
            return said if len(said) <= _WIDEST else said[: _WIDEST - 1] + "…"


@text_of.register
def _status(seen: Status) -> str:
    lines = [f"{seen.name}: {_serving(seen)}", f"rollback: {seen.way_back}"]
    lines += [f"  doubt: {doubt}" for doubt in seen.doubts]
    lines += ["", *columns(_side(one) for one in seen.sides)]
    lines += columns(_pointer(one) for one in seen.pointers)
    lines += columns(_stream(one) for one in seen.streams)
    lines += _monitors(seen.monitors)
    lines += ["", *_journal(seen)]
    return "\n".join(lines)


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
    return str(one.side), one.address, f"{fence}, {one.tables} tables{lease}"


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
        parts.append(f"{one.errors} errors")
    return name, ", ".join(parts)


def _monitors(monitors: Sequence[Finding]) -> list[str]:
    """Worst first; what to do stands under what is wrong."""
    if not monitors:
        return []
    # What one side that is away hides from many is told once.
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for one in monitors:
        alone = () if one.severity is Severity.UNKNOWN else (one.id, one.where)
        groups[_SEVERITIES[one.severity], _said(one), one.fix, *alone].append(one)
    rows = columns(
        (severity, *_place(group), said)
        for (severity, said, *_), group in groups.items()
    )
    lines = ["", "monitors"]
    for group, row in zip(groups.values(), rows, strict=True):
        lines.append(row)
        if len(group) > 1:
            lines.append(f"      these: {', '.join(one.id for one in group)}")
        if group[0].fix:
            lines.append(f"      fix: {group[0].fix}")
    return lines


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


def _journal(seen: Status) -> list[str]:
    if not seen.journal.tail:
        return ["journal: nothing was done yet"]
    tail = [_record(record) for record in seen.journal.tail]
    return ["journal, the last records", *columns(tail)]
