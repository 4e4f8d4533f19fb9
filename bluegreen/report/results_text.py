"""Results as pages for a person. Owns which page belongs to which result.

Plain words: they are read at 3 a.m., in a pager, in a ticket.
"""

from __future__ import annotations

from functools import singledispatch

from bluegreen.engine.cancel import Cancelled
from bluegreen.engine.drop_slot import Abandoned
from bluegreen.engine.events import RunEnded
from bluegreen.model.counted import counted
from bluegreen.model.duration import format_bytes, format_duration
from bluegreen.model.finding import Finding
from bluegreen.model.side import Side
from bluegreen.report.page import Page, Part, columns
from bluegreen.report.plan_text import plan_page, rollback_page
from bluegreen.report.records_text import chained_page, listing_page
from bluegreen.report.restores import restore_plan_page, restored_page
from bluegreen.report.results import Approved, Looked, Verified
from bluegreen.report.status_text import status_page
from bluegreen.steps.release.window import WindowMoved, say


@singledispatch
def page_of(result: object) -> Page:
    """The result's page.

    Raises:
        TypeError: a result that has no page.
    """
    raise TypeError(f"no text for {type(result).__name__}")


for page in (
    chained_page,
    listing_page,
    plan_page,
    restore_plan_page,
    restored_page,
    rollback_page,
    status_page,
):
    page_of.register(page)


@page_of.register
def _run_ended(ended: RunEnded) -> Page:
    count = len(ended.acted)
    did = f"{counted(count, 'action')} ran" if count else "Nothing had to be changed"
    took = format_duration(ended.seconds)
    page: list[Part] = [f"Done in {took} ({ended.run}). {did}.{_serves(ended)}"]
    if ended.rollback:
        until = ended.rollback_until
        window = f", promised until {until:%Y-%m-%d %H:%M:%S} UTC" if until else ""
        page.append(f"The way back{window}: {ended.rollback}")
    if ended.waiting:
        page.append(f"left to time: {ended.waiting}")
    if ended.goes_on:
        page.append(f"Stopped where --until says. To go on: {ended.goes_on}")
    return page


def _serves(ended: RunEnded) -> str:
    if not ended.serving:
        return ""
    felt = ""
    if ended.pause_ms is not None:
        errors = ended.client_errors
        met = "" if errors is None else f", {counted(len(errors), 'client error')}"
        if ended.not_held:
            met += f"; clients of {', '.join(ended.not_held)} met errors"
        felt = f" (pause {ended.pause_ms:.0f} ms{met})"
    return f" {ended.serving.capitalize()} is serving{felt}."


@page_of.register
def _approved(yes: Approved) -> Page:
    at = f"{yes.at:%Y-%m-%d %H:%M:%S} UTC"
    if yes.new:
        then = f"; the run goes on with step {yes.next}" if yes.next else ""
        return [f"approved {yes.step} as {yes.by} at {at}{then}"]
    return [f"{yes.step} was approved before, by {yes.by} at {at}"]


@page_of.register
def _verified(held: Verified) -> Page:
    """What it was not held against is said too: a hash alone proves little."""
    if len(held.held_against) == len(Side):
        against = "both journals and both servers say the same"
    elif held.held_against:
        against = f"{held.held_against[0]} says the same; blue was released and is gone"
    else:
        against = "the journals were not asked; name the playbook too"
    return [
        (
            f"{held.file} holds: {held.kind} of {held.playbook} to {held.to}, epoch "
            f"{held.epoch}, {held.committed:%Y-%m-%d %H:%M:%S} UTC"
        ),
        f"its hash {held.hash[:12]} fits its content; {against}",
    ]


@page_of.register
def _looked(looked: Looked) -> Page:
    if not looked.findings:
        return ["nothing was found"]
    parts: list[Part] = []
    for finding in looked.findings:
        parts += [*_finding(finding, accepted=looked.accepts(finding)), ""]
    total, blocking = len(looked.findings), len(looked.blocking)
    found = counted(total, "finding")
    blocks = counted(blocking, "of them blocks a run", "of them block a run")
    return [*parts, f"{found}, {blocks if blocking else 'none blocks'}"]


def _finding(finding: Finding, *, accepted: bool) -> Page:
    weight = "note"
    if finding.is_blocking:
        weight = "accepted" if accepted else "blocks"
    rows = [("seen:", finding.seen), ("why:", finding.why), ("fix:", finding.fix)]
    said = columns(row for row in rows if row[1])
    return [f"{weight}  {finding.id} on {finding.where}", *said]


@page_of.register
def _window_moved(moved: WindowMoved) -> Page:
    was = f" (was {say(moved.was)})" if moved.was else ""
    return [f"rollback is promised until {say(moved.until)}{was}, by {moved.by}"]


@page_of.register
def _cancelled(done: Cancelled) -> Page:
    """What was taken away, and what a person finds afterwards."""
    lines = [f"taken away: {action}" for action in done.undone]
    return [*lines, *(f"stays: {what}" for what in done.stays)]


@page_of.register
def _abandoned(done: Abandoned) -> Page:
    if not done.slot:
        return [f"nothing was dropped: {done.why}"]
    return [
        (
            f"dropped slot {done.slot} on {done.serving}, which kept "
            f"{format_bytes(done.kept)} of WAL; the next checkpoint frees it"
        ),
        done.why,
    ]
