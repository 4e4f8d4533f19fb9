"""One file of a backup: packed with its restore list and checksums, and encrypted.

Owns the form: a tar that `tar x` opens and `sha256sum -c` checks, inside of age's
encryption where a recipient was given. Where that file goes is for `stored.py`.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from bluegreen.backups import store
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError

RECIPIENT_WANTED = "an age recipient, age1…, as `age-keygen` prints it"

_BLOCK = 1 << 20


def sealed_name(archive: Path, *, encrypted: bool) -> str:
    """`shop-blue-20260102T030405.678Z.tar`, and `.age` behind it."""
    stem = archive.name.removesuffix(".dump").removesuffix(".dir")
    return f"{stem}.tar" + ".age" * encrypted


def find_recipient_fault(text: str) -> str:
    """What a recipient must be, where this is none; empty where it is."""
    import pyrage

    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        return RECIPIENT_WANTED
    return ""


def pack(members: Sequence[Path], sealed: Path, recipients: Sequence[str]) -> None:
    """Write files and folders into one file, encrypted where there are recipients.

    Every file must be what its checksum says as it is read: what goes out was not
    changed since it was proved. The checksums are in the member that ends in `.sha256`.

    Raises:
        OSError: something cannot be read or written.
        StepError: 4002; a file has changed since it was proved.
    """
    wanted = _wanted(members)
    with open(sealed, "xb", opener=store.for_us_alone) as file:
        if recipients:
            _encrypted(members, wanted, file, recipients)
        else:
            _write_tar(members, wanted, file)
        file.flush()
        os.fsync(file.fileno())
    store.sync(sealed.parent)


def unpack(sealed: Path, folder: Path, identities: Sequence[str]) -> None:
    """Decrypt and open one file into a folder.

    Raises:
        StepError: 4002; no identity fits, or it is damaged.
        OSError: no room, no rights.
    """
    try:
        with _opened(sealed, identities) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                tar.extractall(folder, filter="data")
            # What stands behind the tar's end is part of the checksum as well.
            while stream.read(_BLOCK):
                pass
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(sealed, f"{type(error).__name__}: {error}") from None


def read_identities(path: Path) -> tuple[str, ...]:
    """The identities of a file as `age-keygen` writes it.

    Raises:
        StepError: 4002; it cannot be read or holds none.
    """
    import pyrage

    try:
        lines = path.read_text().splitlines()
        found = tuple(line for line in lines if line and not line.startswith("#"))
        for one in found:
            pyrage.x25519.Identity.from_str(one)
        seen = "" if found else "no line with an identity"
    except (OSError, UnicodeDecodeError) as error:
        found, seen = (), type(error).__name__
    except pyrage.IdentityError:
        # The line itself may be a secret.
        found, seen = (), "a line that is no identity"
    if not found:
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            "the identity file cannot be used",
            seen=f"{path}: {seen}",
            wanted="lines AGE-SECRET-KEY-1…, as `age-keygen` writes them",
            hint="name the file that belongs to a recipient of the backup",
        )
    return found


def _wanted(members: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each file by its path in the tar, as the list of checksums has it."""
    lists = [m for m in members if m.name.endswith(".sha256")]
    wanted = {}
    for one in lists:
        archive = one.with_name(one.name.removesuffix(".sha256"))
        inside = f"{archive.name}/" if archive.is_dir() else ""
        for line in one.read_text().splitlines():
            digest, _, name = line.partition("  ")
            wanted[f"{inside}{name}"] = digest
    return wanted


def _write_tar(members: Sequence[Path], wanted: dict[str, str], out: IO[bytes]) -> None:
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            inside = sorted(member.rglob("*")) if member.is_dir() else []
            for path in (member, *inside):
                _add(tar, path, str(path.relative_to(member.parent)), wanted)


def _add(tar: tarfile.TarFile, path: Path, name: str, wanted: dict[str, str]) -> None:
    entry = tar.gettarinfo(str(path), name)
    # Who made it is of no use elsewhere.
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    if not entry.isfile():
        tar.addfile(entry)
        return
    with path.open("rb") as file:
        hashing = _Hashing(file)
        tar.addfile(entry, cast("IO[bytes]", hashing))
    if name in wanted and hashing.digest.hexdigest() != wanted[name]:
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            "a backup has changed since it was proved",
            seen=f"{path} has another checksum",
            wanted="the archive as it was when it was proved",
            hint="does the disk fail? Run again to take a new one",
        )


class _Hashing:
    """A file that is summed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        block = self._file.read(count)
        self.digest.update(block)
        return block


def _encrypted(
    members: Sequence[Path],
    wanted: dict[str, str],
    file: IO[bytes],
    recipients: Sequence[str],
) -> None:
    """Through a pipe: what is not encrypted yet is on no disk a second time."""
    import pyrage

    known = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
    reading, writing = os.pipe()

    def fill() -> None:
        with os.fdopen(writing, "wb") as pipe:
            _write_tar(members, wanted, pipe)

    with os.fdopen(reading, "rb") as pipe, ThreadPoolExecutor(1) as pool:
        filled = pool.submit(fill)
        try:
            pyrage.encrypt_io(pipe, file, known)
        finally:
            # A writer that waits for room hears that no one reads any more.
            pipe.close()
        filled.result()


@contextmanager
def _opened(sealed: Path, identities: Sequence[str]) -> Iterator[IO[bytes]]:
    with sealed.open("rb") as file:
        if not sealed.name.endswith(".age"):
            yield file
            return
        with _decrypted(sealed, file, identities) as stream:
            yield stream


@contextmanager
def _decrypted(
    sealed: Path, file: IO[bytes], identities: Sequence[str]
) -> Iterator[IO[bytes]]:
    import pyrage

    if not identities:
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            f"the backup {sealed.name} is encrypted",
            wanted="the identity of one of its recipients",
            hint="name the file with it: --identity FILE",
        )
    known = [pyrage.x25519.Identity.from_str(one) for one in identities]
    reading, writing = os.pipe()

    def fill() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pyrage.decrypt_io(file, pipe, known)

    broken: Exception | None = None
    with os.fdopen(reading, "rb") as pipe, ThreadPoolExecutor(1) as pool:
        filled = pool.submit(fill)
        try:
            yield pipe
        except (tarfile.TarError, EOFError) as error:
            broken = error
        finally:
            # A writer that waits for room hears that no one reads any more.
            pipe.close()
        failed = filled.exception()
    # What age says of it comes before what the tar lacks because of it.
    if isinstance(failed, pyrage.DecryptError):
        hint = "is it the identity of one of its recipients?"
        raise _damaged(sealed, f"age: {failed}", hint)
    if broken or failed:
        raise broken or failed or AssertionError


def _damaged(sealed: Path, seen: str, hint: str = "") -> StepError:
    return StepError(
        Code.BACKUP_NOT_PROVED,
        f"the backup {sealed.name} cannot be opened",
        seen=seen,
        wanted="the file as it was written",
        hint=hint or "was it changed or cut short? Take another backup",
    )
