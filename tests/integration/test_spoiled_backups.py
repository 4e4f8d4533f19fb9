"""What may befall a backup, and that every one who counts on it finds out.

Those are the next `run`, `decommission`, and `restore`. Each way to spoil one is a row.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
import pytest

from bluegreen.backups.way_back import KeptBackup, kept_backups
from bluegreen.lab.server import Server
from bluegreen.model.verdict import Needed, Satisfied
from bluegreen.steps.backup import Backup
from bluegreen.steps.release.due import read_release
from tests.kit.bucket import Service
from tests.kit.cli import call
from tests.kit.databases import DatabasePair, create_database, drop_databases
from tests.kit.steps import carry_out, look, open_world

TABLE = (
    "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS x FROM generate_series(1, 900) g"
)


@dataclass
class Stand:
    """A backup where it stands, as the one who spoils it reaches it."""

    kept: KeptBackup
    s3: Service

    @property
    def archive(self) -> Path:
        """The file that holds the rows, or the sealed file in a folder."""
        path = Path(self.kept.where)
        if path.is_dir():
            return max(path.iterdir(), key=lambda one: one.stat().st_size)
        return path

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        if not self.kept.where.startswith("s3://"):
            self.archive.write_bytes(change(self.archive.read_bytes()))
            return
        bucket, key = self._object
        body = self.s3.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        self.s3.client.put_object(Bucket=bucket, Key=key, Body=change(body))

    def remove(self) -> None:
        if not self.kept.where.startswith("s3://"):
            self.archive.unlink()
            return
        bucket, key = self._object
        self.s3.client.delete_object(Bucket=bucket, Key=key)

    @property
    def _object(self) -> tuple[str, str]:
        bucket, _, key = self.kept.where.removeprefix("s3://").partition("/")
        return bucket, key


def flip(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def without_member(body: bytes) -> bytes:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(body)) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for entry in [one for one in old if not one.name.endswith(".dump")]:
            new.addfile(entry, old.extractfile(entry))
    return out.getvalue()


def for_another(body: bytes) -> bytes:
    """As somebody who has the recipients' file and not the archive may write it."""
    other = pyrage.x25519.Identity.generate().to_public()
    return pyrage.encrypt(body[:-200], [other])


def emptied_list(stand: Stand) -> None:
    """The restore list says what a restore leaves out: here the rows."""
    toc = stand.kept.proof.toc
    lines = toc.read_text().split("\n")
    toc.write_text("\n".join(f";{n}" if "TABLE DATA" in n else n for n in lines))


EVERYWHERE: dict[str, Callable[[Stand], None]] = {
    "truncated": lambda stand: stand.rewrite(lambda body: body[:-1]),
    "byte flipped": lambda stand: stand.rewrite(flip),
    "another file": lambda stand: stand.rewrite(lambda _: Path(__file__).read_bytes()),
    "empty": lambda stand: stand.rewrite(lambda _: b""),
    "gone": Stand.remove,
}
FORMS: dict[str, dict[str, Any]] = {
    "file": {"workers": 1},
    "folder": {"workers": 2},
    "sealed": {"workers": 1, "encrypt": True},
    "bucket": {"workers": 1, "bucket": True},
    "sealed in a bucket": {"workers": 1, "bucket": True, "encrypt": True},
}
BESIDES: dict[tuple[str, str], Callable[[Stand], None]] = {
    ("file", "list changed"): emptied_list,
    ("file", "list gone"): lambda stand: stand.kept.proof.toc.unlink(),
    ("folder", "list changed"): emptied_list,
    ("bucket", "member missing"): lambda stand: stand.rewrite(without_member),
    ("sealed", "for another key"): lambda stand: stand.rewrite(for_another),
    ("sealed in a bucket", "for another key"): lambda stand: stand.rewrite(for_another),
}
CASES = {
    **{(form, name): spoil for form in FORMS for name, spoil in EVERYWHERE.items()},
    **BESIDES,
}


@pytest.fixture(scope="module")
def pair(servers: Callable[..., Server]) -> Iterator[DatabasePair]:
    """One pair for all cases: each takes a backup of its own."""
    made = DatabasePair(*(create_database(servers(n), "x") for n in (16, 18)))
    made.blue.run(TABLE)
    yield made
    drop_databases(made.blue, made.green)


@pytest.mark.parametrize(("form", "name"), CASES, ids=" ".join)
def test_a_spoiled_backup_is_found_by_all(
    form: str, name: str, pair: DatabasePair, s3: Service, tmp_path: Path
) -> None:
    identity = pyrage.x25519.Identity.generate()
    key = tmp_path / "key.txt"
    key.write_text(str(identity))
    given = dict(FORMS[form])
    if given.pop("encrypt", False):
        given["encrypt"] = [str(identity.to_public())]
    to = str(tmp_path / "kept")
    if given.pop("bucket", False):
        to = f"s3://{s3.bucket().name}/shop"
        given["s3"] = {"endpoint_url": s3.endpoint}
    step = Backup(to=to, spool=None, **given)
    with open_world(pair, tmp_path) as world:
        for action in step.actions():
            carry_out(action, world)
        assert isinstance(look(step.actions()[0], world), Satisfied)
        assert read_release(world, over=True).fault == ""
        kept = kept_backups(world.journal.records())[-1]
        CASES[form, name](Stand(kept, s3))

        again = look(step.actions()[0], world)
        assert isinstance(again, Needed), again
        assert again.why.startswith("the backup does not hold: ")
        facts = read_release(world, over=True)
        assert facts.fault
        assert facts.fault in again.why
    playbook = tmp_path / "shop.yml"
    told = {
        "version": 1,
        "name": "shop",
        "blue": {"dsn": pair.blue.conninfo()},
        "green": {"dsn": pair.green.conninfo()},
        "steps": [{"step": "backup"}],
    }
    playbook.write_text(json.dumps(told))
    into = create_database(pair.green.server, "again")
    try:
        words = ("--into", into.conninfo(), "--yes", "--identity", key)
        ended = call("restore", playbook, *words, "--backup", kept.id).require(4)
        assert ended.error.startswith("error BG-4002: ")
        assert facts.fault.splitlines()[0] in ended.error
        empty = "SELECT count(*) FROM pg_class WHERE relname = 't'"
        assert into.value(empty) == 0
    finally:
        drop_databases(into)
