"""The journal's records as pages."""

from __future__ import annotations

from bluegreen.engine.verify_journal import Chained
from bluegreen.model import bodies
from bluegreen.model.record import Kind, Record
from bluegreen.report.page import Page, columns
from bluegreen.report.results import Listing

_WIDEST = 200
"""Characters of a record's body in one line; `--json` has all of it."""


def listing_page(listing: Listing) -> Page:
    """The newest records of a journal."""
    if not listing.total:
        return [f"nothing was done yet for {listing.name}"]
    left = listing.total - len(listing.records)
    earlier = [f"({left} earlier records)"] if left else []
    return [*earlier, *columns(map(row_of, listing.records), indent=0)]


def chained_page(told: Chained) -> Page:
    """How many records hold together."""
    blue = "blue is gone" if told.blue is None else f"{told.blue} on blue"
    one = f"{told.green} records on green, {blue}: the same"
    return [
        f"{one}, and each record follows the one before it",
        f"head: {told.head}",
    ]


def row_of(record: Record) -> tuple[str, ...]:
    """A record as a row of a table."""
    what = str(record.kind).replace("_", " ")
    return (
        f"{record.seq:>4}",
        f"{record.at:%Y-%m-%d %H:%M:%S}",
        record.run,
        what,
        record.action or "-",
        _say_body(record),
    )


def _say_body(record: Record) -> str:
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
