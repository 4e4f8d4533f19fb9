"""Which backups the journal names, and the way back from each by hand.

Owns reading them from records and choosing one; running it is for `restore_into.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bluegreen.backups.places import is_bucket, split_bucket
from bluegreen.backups.proof import BackupProof
from bluegreen.backups.stored import Stored, stored_copies
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused, StepError
from bluegreen.model.record import Kind, Record

ID_LENGTH = 12
"""Characters of the archive's SHA-256: enough to be one alone, few enough to type."""

SHORTEST_ID = 4
_TRIAL = frozenset({"sha256", "tables", "rows"})


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """A backup that the journal names.

    Attributes:
        proof: what was proved of it.
        stored: its place, where it was brought on from the folder of its draft.
        restored: whether it was restored once and found alike.
    """

    proof: BackupProof
    stored: Stored | None = None
    restored: bool = False

    @property
    def id(self) -> str:
        """What the call names it by."""
        return self.proof.sha256[:ID_LENGTH]

    @property
    def where(self) -> str:
        """A path, or `s3://bucket/key`."""
        return self.stored.where if self.stored else str(self.proof.path)

    @property
    def bytes(self) -> int:
        """Its size where it stands."""
        return self.stored.bytes if self.stored else self.proof.bytes

    @property
    def is_encrypted(self) -> bool:
        """Whether an identity of age is needed."""
        return self.stored is not None and bool(self.stored.recipients)


def kept_backups(records: Iterable[Record]) -> tuple[KeptBackup, ...]:
    """All that the journal names, oldest first. Pure.

    A record that another version wrote in a form of its own is passed over.
    """
    results = [one for one in records if one.kind is Kind.RESULT]
    stored = stored_copies(results)
    restored = {
        str(one.body["sha256"])
        for one in results
        if one.body.keys() >= _TRIAL and "path" not in one.body
    }
    found: dict[str, KeptBackup] = {}
    for record in results:
        if {"path", "toc", "sha256"} <= record.body.keys():
            try:
                proof = BackupProof.from_result(record.body)
            except StepError:
                continue
            key = proof.sha256
            found[key] = KeptBackup(proof, stored.get(key), key in restored)
    return tuple(found.values())


def choose(backups: Sequence[KeptBackup], given: str | None) -> KeptBackup:
    """The one that a call means: the newest of the whole database where it names none.

    Raises:
        StepError: 4002; the journal names none that fits.
        PlaybookRefused: 2008; the id names none, or more than one.
    """
    if given is not None:
        return _by_id(backups, given)
    whole = [one for one in backups if not one.proof.tables]
    if not whole:
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            "the journal names no backup of the whole database",
            seen=f"backups of some tables: {len(backups)}",
            wanted="a backup that the step `backup` or `decommission` has proved",
            hint="name one with --backup ID where some tables are enough; an archive "
            "that stands in no journal is restored by pg_restore",
        )
    return max(whole, key=lambda one: one.proof.taken_at)


def by_hand(kept: KeptBackup, into: str, workers: int = 1) -> tuple[str, ...]:
    """The commands that do what `restore` does, for where it cannot run. Pure."""
    lines = list(_fetching(kept)) if kept.stored else []
    folder = Path() if kept.stored else kept.proof.path.parent
    archive = shlex.quote(str(folder / kept.proof.path.name))
    if kept.proof.path.suffix == ".dir":
        sums = shlex.quote(f"../{kept.proof.path.name}.sha256")
        lines.append(f"(cd {archive} && sha256sum -c {sums})")
    else:
        sums = shlex.quote(f"{kept.proof.path.name}.sha256")
        lines.append(f"(cd {shlex.quote(str(folder))} && sha256sum -c {sums})")
    toc = shlex.quote(str(folder / kept.proof.toc.name))
    lines.append(
        f"pg_restore --use-list={toc} --no-owner --no-privileges --no-publications"
        f" --exit-on-error --jobs={workers} --dbname={shlex.quote(into)} {archive}"
    )
    return tuple(lines)


def _fetching(kept: KeptBackup) -> Iterable[str]:
    assert kept.stored is not None, "the caller asked"
    sealed = kept.stored.where
    if is_bucket(sealed):
        bucket, key = split_bucket(sealed)
        words = ["aws", "s3api", "get-object", "--bucket", bucket, "--key", key]
        words += ["--version-id", kept.stored.version] * bool(kept.stored.version)
        words += ["--region", kept.stored.region] * bool(kept.stored.region)
        words += ["--endpoint-url", kept.stored.endpoint] * bool(kept.stored.endpoint)
        sealed = key.rpartition("/")[2]
        yield shlex.join([*words, sealed])
    yield f"echo {kept.stored.sha256}'  '{shlex.quote(sealed)} | sha256sum -c"
    if kept.is_encrypted:
        yield f"age -d -i IDENTITY {shlex.quote(sealed)} | tar x"
    else:
        yield f"tar xf {shlex.quote(sealed)}"


def _by_id(backups: Sequence[KeptBackup], given: str) -> KeptBackup:
    found = [one for one in backups if one.proof.sha256.startswith(given)]
    if len(given) >= SHORTEST_ID and len(found) == 1:
        return found[0]
    raise PlaybookRefused(
        Code.CALL_NOT_VALID,
        f"--backup names {'no backup' if not found else 'more than one backup'}",
        seen=repr(given),
        wanted=", ".join(one.id for one in found or backups)
        or "a backup in the journal; it names none",
        hint=f"the id is the start of its SHA-256, {SHORTEST_ID} characters or more; "
        "`bluegreen restore PLAYBOOK` lists them",
    )
