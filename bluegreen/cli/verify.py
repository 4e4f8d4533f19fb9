"""The verb `verify`: does a certificate hold? Owns what it is held against.

Its form and its own hash are in `model/certificate.py`; how one is drawn up from a
journal in `steps/switchover/draw_up.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson
from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, PlaybookRefused, StepError
from bluegreen.model.side import Side

if TYPE_CHECKING:
    from bluegreen.model.certificate import Certificate
    from bluegreen.model.record import Record
    from bluegreen.steps.world import World

EXAMPLE = "Example: bluegreen verify certificates/shop-epoch-1-cutover.json shop.yml"

_MOST_SHOWN = 20
"""Lines of differences that fit a screen with the error around them."""


def verify(
    certificate: Annotated[
        Path, typer.Argument(metavar="CERTIFICATE", help="The certificate's file.")
    ],
    playbook: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLAYBOOK]", help="Compare it with both databases as well."
        ),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Check the certificate of a switchover.

    With the playbook it is also compared with the journals of both databases, and with
    the servers as they are now. Without it only its form and its hash are checked; who
    changes a certificate can write a new hash, so this shows damage and not forgery.

    Raises:
        PlaybookRefused: 2001, the file cannot be read.
        StepError: 4008, it does not hold; line by line, what differs.
    """
    from bluegreen.model.certificate import read_certificate
    from bluegreen.report.answer import show
    from bluegreen.report.results import Verified

    held = read_certificate(_bytes(certificate), certificate.name)
    against: tuple[Side, ...] = ()
    if playbook is not None:
        against = _held_against(held, certificate.name, playbook)
    result = Verified(
        certificate.name,
        held.kind,
        held.playbook,
        held.epoch,
        held.to,
        held.times.committed,
        held.hash,
        against,
    )
    show(result, as_json=json_)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PlaybookRefused(
            Code.PLAYBOOK_UNREADABLE,
            f"{path} cannot be read",
            seen=(error.strerror or type(error).__name__).lower(),
            wanted="a certificate's file",
            hint="is the path right, as seen from here?",
        ) from None


def _held_against(
    certificate: Certificate, name: str, playbook: Path
) -> tuple[Side, ...]:
    """Hold it against both sides; returns those that could be asked."""
    from bluegreen.cli.context import open_context

    with open_context(playbook, "verify") as open_:
        world = open_.world
        found = {side: _told_on(world, side) for side in (Side.GREEN, Side.BLUE)}
        asked = {side: told for side, told in found.items() if told is not None}
        lines = _playbook_line(certificate, world)
        for side in asked:
            lines += _identity_line(certificate, world, side)
        lines += _journal_lines(certificate, world.name, asked)
    if lines:
        raise _does_not_hold(name, lines)
    return tuple(asked)


def _told_on(world: World, side: Side) -> Sequence[Record] | None:
    """The side's own journal; None for a blue that was released and is gone.

    Raises:
        BluegreenError: the side cannot be asked: that is no yes.
    """
    from bluegreen.model.history import fold
    from bluegreen.postgres.database import ServerGoneError
    from bluegreen.postgres.journal.table import read_records

    try:
        return read_records(world.on(side))
    except BluegreenError as error:
        gone = error.code is Code.SERVER_UNREACHABLE or isinstance(
            error, ServerGoneError
        )
        if side is Side.BLUE and gone and fold(read_records(world.green)).released:
            return None
        raise


def _playbook_line(certificate: Certificate, world: World) -> list[str]:
    if certificate.playbook == world.name:
        return []
    return [
        f"the playbook is {world.name}, the certificate is of {certificate.playbook}"
    ]


def _identity_line(certificate: Certificate, world: World, side: Side) -> list[str]:
    from bluegreen.postgres.catalog.identity import read_identity

    now, told = read_identity(world.on(side)), certificate.sides[side]
    if (now.id, str(now.system)) == (told.identity, told.system):
        return []
    line = (
        f"{world.on(side).describe()} is identity {now.id or '(none)'} of system "
        f"{now.system}; the certificate names {told.identity} of system {told.system}"
    )
    return [line]


def _journal_lines(
    certificate: Certificate, name: str, asked: dict[Side, Sequence[Record]]
) -> list[str]:
    """What differs in each journal; what differs in all of them is said once."""
    found = {side: against_journal(certificate, name, r) for side, r in asked.items()}
    lines = dict.fromkeys(line for told in found.values() for line in told)
    return [f"{_whose(line, found)}: {line}" for line in lines]


def _whose(line: str, found: dict[Side, list[str]]) -> str:
    sides = [side for side, lines in found.items() if line in lines]
    return "both journals" if len(sides) == len(Side) else f"{sides[0]}'s journal"


def against_journal(
    certificate: Certificate, name: str, records: Sequence[Record]
) -> list[str]:
    """What differs between a certificate and one side's journal, in words. Pure.

    The certificate is drawn up again from the records and compared value by value;
    then the one that the journal holds is compared as well.
    """
    from bluegreen.model.certificate import differences
    from bluegreen.steps.switchover.draw_up import draw_up

    rests_on = certificate.journal.records
    if len(records) < rests_on:
        return [
            f"it ends at record {len(records)}; the certificate rests on {rests_on}"
        ]
    try:
        drawn = draw_up(name, records, certificate.epoch, certificate.sides)
    except (LookupError, ValueError):
        return ["its records are not those of a move"]
    if drawn is None:
        return [f"it tells of no finished move with epoch {certificate.epoch}"]
    return [
        *differences(certificate, drawn, "by its records"),
        *_against_kept(certificate, records),
    ]


def _against_kept(certificate: Certificate, records: Sequence[Record]) -> list[str]:
    from bluegreen.model.certificate import canonical, differences, read_certificate
    from bluegreen.model.history import fold

    record = fold(records).certificates.get(certificate.epoch)
    if record is None:
        return [f"it holds no certificate of epoch {certificate.epoch}"]
    try:
        kept = read_certificate(canonical(record.body), "the certificate that it holds")
    except StepError as error:
        return [error.problem]
    return differences(certificate, kept, "as it holds it")


def _does_not_hold(name: str, lines: list[str]) -> StepError:
    more = [f"and {len(lines) - _MOST_SHOWN} more"] * (len(lines) > _MOST_SHOWN)
    return StepError(
        Code.CERTIFICATE_NOT_VALID,
        f"{name} does not hold",
        seen="\n".join([*lines[:_MOST_SHOWN], *more]),
        wanted="what the journals of both databases and the servers themselves say",
        hint="is it the certificate of these two databases? Was a journal cut short or "
        "a side made again? A side that only lacks the end gets it by `bluegreen run`",
    )
