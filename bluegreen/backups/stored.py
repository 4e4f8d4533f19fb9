"""A proved backup in its place: sealed, sent, asked for again, and fetched.

Owns what the journal keeps of it and whether it still stands there. Packing is for
`sealing.py`, S3 for `s3.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bluegreen.backups import store
from bluegreen.backups.places import Bucket, Folder, Place, is_bucket, split_bucket
from bluegreen.backups.proof import BackupProof
from bluegreen.backups.s3 import ObjectStore, Sums, sum_file
from bluegreen.backups.sealing import pack, sealed_name, unpack
from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.duration import format_bytes
from bluegreen.model.errors import StepError
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind, Record

Tell = Callable[[Progress], None]

_ROOM = 1.05
"""A tar's headers, and age's 16 bytes for each 64 kB."""


@dataclass(frozen=True, slots=True)
class Stored(Body):
    """What stands in a place.

    Attributes:
        archive: SHA-256 of the archive in it, which names the proof it belongs to.
        where: a path, or `s3://bucket/key`.
        bytes: its size there.
        sha256: of what stands there; another than `archive`, as it is packed.
        version: the object's version; empty without versions, and in a folder.
        etag: the object's; empty in a folder.
        checksum: S3's own SHA-256 of it, base64.
        region: the bucket's, where the playbook named one.
        endpoint: the service's URL, where it is not AWS's own.
        recipients: for whom it is encrypted; empty where it is not.
    """

    archive: str
    where: str
    bytes: int
    sha256: str
    version: str = ""
    etag: str = ""
    checksum: str = ""
    region: str = ""
    endpoint: str = ""
    recipients: tuple[str, ...] = ()


def stored_copies(records: Iterable[Record]) -> dict[str, Stored]:
    """What the journal tells of places, by the archive's checksum; the newest each."""
    return {
        str(record.body["archive"]): Stored.from_body(record.body)
        for record in records
        if record.kind is Kind.RESULT and {"archive", "where"} <= record.body.keys()
    }


def where_it_goes(proof: BackupProof, place: Place, recipients: Sequence[str]) -> str:
    """The address that a backup has in a place."""
    return place.where(sealed_name(proof.path, encrypted=bool(recipients)))


def store_backup(
    proof: BackupProof,
    place: Place,
    recipients: Sequence[str],
    *,
    begun: Iterable[BackupProof] = (),
    tell: Tell = lambda _: None,
) -> Stored:
    """Seal a backup and bring it to its place; it stands there whole or not at all.

    Args:
        proof: of an archive that stands in a folder here.
        place: where it goes.
        recipients: for whom it is encrypted.
        begun: backups whose upload may have been cut short; it is given up.
        tell: hears of bytes sent.

    Raises:
        StepError: 4002; no room, it changed since it was proved, or S3 refused it.
    """
    name = sealed_name(proof.path, encrypted=bool(recipients))
    folder = place.path if isinstance(place, Folder) else proof.path.parent
    try:
        sealed = _seal(proof, folder, name, recipients)
        sums = sum_file(sealed)
        if isinstance(place, Folder):
            final = folder / name
            store.give_name(sealed, final)
            return Stored(
                proof.sha256,
                str(final),
                sums.bytes,
                sums.sha256,
                recipients=tuple(recipients),
            )
        keys = {
            place.key(sealed_name(one.path, encrypted=bool(recipients)))
            for one in (proof, *begun)
        }
        stored = _send(proof, sealed, place, name, keys, sums, tell)
        store.remove(sealed)
    except OSError as error:
        raise _no_room(folder, error) from None
    return Stored.from_body({**stored.as_body(), "recipients": list(recipients)})


def find_stored_fault(stored: Stored) -> str:
    """What is wrong with a backup in its place, empty when nothing is.

    A file is read for its checksum; S3 is asked for what it keeps of the object.

    Raises:
        StepError: 4002; S3 could not be asked.
    """
    if not is_bucket(stored.where):
        return _find_file_fault(stored)
    name, key = split_bucket(stored.where)
    found = ObjectStore(_bucket(stored, name)).look(key, stored.version)
    if found is None:
        return f"{stored.where} is not there"
    if found.bytes != stored.bytes:
        return f"{stored.where} has {found.bytes} bytes, and had {stored.bytes}"
    if (found.version, found.etag) != (stored.version, stored.etag):
        return f"{stored.where} was overwritten: it has another version or ETag"
    if found.checksum != stored.checksum:
        return f"{stored.where} was overwritten: S3 has another checksum of it"
    return ""


def fetch_backup(
    proof: BackupProof, stored: Stored, folder: Path, identities: Sequence[str]
) -> BackupProof:
    """Bring a stored backup into a folder here; returns the proof with its new path.

    Args:
        proof: what the archive must be; the caller compares it.
        stored: where it stands.
        folder: an empty one.
        identities: of which one is a recipient's, where it is encrypted.

    Raises:
        StepError: 4002; it is gone, damaged, or no identity fits.
    """
    fault = find_stored_fault(stored)
    if fault:
        raise _does_not_hold(stored, fault)
    try:
        sealed = _fetch(stored, folder)
        unpack(sealed, folder, identities)
    except OSError as error:
        raise _no_room(folder, error) from None
    return proof.moved_to(folder)


def members_of(proof: BackupProof) -> tuple[Path, ...]:
    """The archive and what stands beside it, as far as it is there."""
    beside = (proof.path, proof.toc, Path(f"{proof.path}.sha256"))
    return tuple(path for path in beside if path.exists())


def _seal(
    proof: BackupProof, folder: Path, name: str, recipients: Sequence[str]
) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    sealed = folder / f".{name}.part"
    store.remove(sealed)
    free, needed = store.free_bytes(folder), int(proof.bytes * _ROOM)
    if free < needed:
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            "there is no room to pack the backup",
            seen=f"{format_bytes(free)} free in {folder}",
            wanted=f"{format_bytes(needed)}, as much as the archive has",
            hint="make room, or give `spool` another folder; then run again",
        )
    try:
        pack(members_of(proof), sealed, recipients)
    except BaseException:
        store.remove(sealed)
        raise
    return sealed


def _send(
    proof: BackupProof,
    sealed: Path,
    place: Bucket,
    name: str,
    keys: Iterable[str],
    sums: Sums,
    tell: Tell,
) -> Stored:
    objects, key = ObjectStore(place), place.key(name)
    objects.abort_uploads(sorted(keys))
    sent = 0

    def advance(count: int) -> None:
        nonlocal sent
        sent += count
        tell(
            Progress(
                "backup_sent",
                "backup sent",
                done=sent,
                total=sums.bytes,
                unit="bytes",
            )
        )

    # A kill right behind the upload left the whole object and no record of it.
    found = objects.holds(key, sums) or objects.send(sealed, key, sums, advance)
    return Stored(
        proof.sha256,
        place.where(name),
        sums.bytes,
        sums.sha256,
        found.version,
        found.etag,
        found.checksum,
        place.region,
        place.endpoint,
    )


def _find_file_fault(stored: Stored) -> str:
    path = Path(stored.where)
    try:
        if not path.is_file():
            return f"{path} is not there"
        if sum_file(path).sha256 != stored.sha256:
            return f"{path} has changed"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""


def _fetch(stored: Stored, folder: Path) -> Path:
    if not is_bucket(stored.where):
        return Path(stored.where)
    name, key = split_bucket(stored.where)
    path = folder / key.rpartition("/")[2]
    ObjectStore(_bucket(stored, name)).fetch(key, stored.version, path)
    if sum_file(path).sha256 != stored.sha256:
        raise _does_not_hold(stored, f"{stored.where} was fetched with another content")
    return path


def _bucket(stored: Stored, name: str) -> Bucket:
    return Bucket(name, region=stored.region, endpoint=stored.endpoint)


def _does_not_hold(stored: Stored, fault: str) -> StepError:
    return StepError(
        Code.BACKUP_NOT_PROVED,
        "the backup in its place does not hold",
        seen=fault,
        wanted=f"{stored.where} as it was stored: SHA-256 {stored.sha256}",
        hint="who wrote there? Take another backup, or look for an older one with "
        "`bluegreen journal`",
    )


def _no_room(folder: Path, error: OSError) -> StepError:
    return StepError(
        Code.BACKUP_NOT_PROVED,
        "the backup cannot be brought to its place",
        seen=f"{error.filename or folder}: {error.strerror or type(error).__name__}",
        wanted="a folder that we may write, with room for the archive",
        hint="make room or fix the rights, then run again",
    )
