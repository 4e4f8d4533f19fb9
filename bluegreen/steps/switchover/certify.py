"""The certificate that ends every move: kept in the journal, and filed.

Owns when there must be one and where its file stands. What it says is in `draw_up.py`,
its form and its hash in `model/certificate.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluegreen.backups.store import give_name, write_durably
from bluegreen.model.body import Body
from bluegreen.model.certificate import SideToldOf, file_name, text_of
from bluegreen.model.history import State, fold
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.postgres.catalog.identity import read_identity, version_of
from bluegreen.steps.action import Action, Result
from bluegreen.steps.switchover.draw_up import draw_up, lacking
from bluegreen.steps.world import World

FOLDER = "certificates"
"""Beside the playbook."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What there is of the certificate.

    Attributes:
        records: the journal.
        state: what it tells.
        content: the certificate of the last move, None where the journal has none.
        path: where its file stands, or would.
        filed: whether it stands there.
        trouble: why this run could not write it; empty where it did not fail.
    """

    records: Sequence[Record]
    state: State
    content: Mapping[str, Any] | None = None
    path: Path = Path()
    filed: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Filed(Body):
    """The result: where the file stands, its hash, and why it could not be written."""

    file: str = ""
    hash: str = ""
    trouble: str = ""


class WriteCertificate(Action[CertificateFacts]):
    """The move has its certificate, in both journals and as a file.

    A file that cannot be written fails nothing: the journal holds the certificate, and
    every later run tries again.

    Crash: the journal has the certificate or not; the next run does what is missing. A
    file is there whole or not at all.
    """

    no_undo = "it tells of a move that was made"

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"the move to {to_side} has its certificate"

    def observe(self, world: World) -> CertificateFacts:
        """The journal, and the file."""
        records = world.journal.records()
        state = fold(records)
        last = state.last_move
        record = state.certificates.get(last.epoch) if last else None
        if record is None:
            return CertificateFacts(records, state)
        path, filed = find_place(world.home / FOLDER, record.body)
        trouble = _trouble_of_run(records, state)
        return CertificateFacts(records, state, record.body, path, filed, trouble)

    def judge(self, facts: CertificateFacts) -> Verdict:
        """In the journal; and in the file, unless this run failed to write it."""
        last = facts.state.last_move
        if last is None or last.to_side is not self.to_side or not last.way_back_open:
            return NotYet("the way back is not open yet")
        if facts.content is None:
            return Needed(f"epoch {last.epoch} has none")
        if facts.filed:
            return Satisfied(f"{facts.path.name} is there")
        if facts.trouble:
            return Satisfied(f"it stands in the journal; no file: {facts.trouble}")
        return Needed(f"{facts.path} is missing")

    def act(self, world: World, facts: CertificateFacts) -> Result:
        """Draw it up and keep it in the journal first; then write its file."""
        contents = [facts.content] if facts.content else self._record(world, facts)
        world.point("certificate/recorded")
        result: dict[str, Any] = {}
        for content in contents:
            path, _ = find_place(world.home / FOLDER, content)
            trouble = _write(path, text_of(content))
            filed = Filed(str(path), content["hash"], trouble)
            result = filed.as_body()
            world.tell(_told(filed))
        return result

    def _record(
        self, world: World, facts: CertificateFacts
    ) -> Sequence[Mapping[str, Any]]:
        """An earlier move that was cut short right before this gets its own too."""
        sides = {side: tell_of(world, side) for side in Side}
        contents = []
        for epoch in lacking(facts.records, sides):
            certificate = draw_up(world.name, facts.records, epoch, sides)
            if certificate is not None:
                body = certificate.content()
                told = world.journal.append(Kind.CERTIFIED, action=self.id, body=body)
                contents.append(told.body)
        return contents


def _trouble_of_run(records: Sequence[Record], state: State) -> str:
    """Why this run failed to write the file. A run tries once, the next one again."""
    tries = [
        Filed.from_body(record.body).trouble
        for record in records
        if record.kind is Kind.RESULT
        and record.run in state.runs[-1:]
        and record.action.endswith("/" + WriteCertificate.name())
    ]
    return tries[-1] if tries else ""


def _told(filed: Filed) -> Progress:
    values = filed.as_body()
    if filed.trouble:
        text = (
            f"{filed.file} could not be written ({filed.trouble}); the journal "
            "holds the certificate, and the next run tries again"
        )
        return Progress("certificate_not_written", text, values=values)
    return Progress("certificate_written", f"certificate {filed.file}", values=values)


def find_place(folder: Path, content: Mapping[str, Any]) -> tuple[Path, bool]:
    """Where the file of a certificate stands or would stand, and whether it does.

    A file of that name with another text is left alone: it may be the certificate of
    another pair of databases, or one that was changed. The hash then stands in ours.
    """
    path = folder / file_name(content)
    text = text_of(content)
    there = _read(path)
    if there in {None, text}:
        return path, there is not None
    beside = path.with_name(f"{path.stem}-{content['hash'][:8]}.json")
    return beside, _read(beside) == text


def _read(path: Path) -> str | None:
    """The file's text; None where there is no such file."""
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError):
        return ""


def _write(path: Path, text: str) -> str:
    """Write the file whole, for its owner alone; returns why it could not be."""
    draft = path.with_suffix(".draft")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600, exist_ok=False)
        write_durably(draft, text)
        give_name(draft, path)
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    return ""


def tell_of(world: World, side: Side) -> SideToldOf:
    """Ask a side who it is."""
    database = world.on(side)
    identity = read_identity(database)
    return SideToldOf(
        identity=identity.id,
        system=str(identity.system),
        database=database.dbname,
        server_version=version_of(database),
    )
