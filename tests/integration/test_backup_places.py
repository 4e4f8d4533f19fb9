"""A backup in a bucket or encrypted: sent whole, asked for again, fetched, broken."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest

from bluegreen.backups import store
from bluegreen.backups.pg_dump import find_fault
from bluegreen.backups.places import Bucket, Folder
from bluegreen.backups.proof import BackupProof
from bluegreen.backups.s3 import ObjectStore, sum_file
from bluegreen.backups.stored import (
    Stored,
    fetch_backup,
    find_stored_fault,
    store_backup,
)
from bluegreen.model.errors import StepError
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied
from bluegreen.steps.backup import Backup
from bluegreen.steps.place_fields import S3Options
from tests.kit.bucket import Service
from tests.kit.databases import DatabasePair
from tests.kit.steps import carry_out, look, open_world

SCHEMA = (
    "CREATE TABLE orders (id int PRIMARY KEY, note text)",
    "INSERT INTO orders SELECT g, md5(g::text) FROM generate_series(1, 500) g",
    "CREATE TABLE lines (order_id int REFERENCES orders)",
)


def identity() -> tuple[str, str]:
    """A recipient, and the identity that opens what it gets."""
    made = pyrage.x25519.Identity.generate()
    return str(made.to_public()), str(made)


@pytest.fixture
def proof(tmp_path: Path) -> BackupProof:
    """A folder as pg_dump leaves it; what is in it is of no matter to its place."""
    archive = tmp_path / "here" / "shop-blue-20260102T030405.678Z.dir"
    archive.mkdir(parents=True)
    (archive / "toc.dat").write_bytes(b"PGDMP" + bytes(500))
    (archive / "3001.dat.gz").write_bytes(os.urandom(70_000))
    lines = store.checksums(archive)
    toc, sums = Path(f"{archive}.toc"), Path(f"{archive}.sha256")
    toc.write_text("; the list")
    sums.write_text(lines)
    return BackupProof(
        path=archive,
        toc=toc,
        side=Side.BLUE,
        tables=(),
        held=1,
        bytes=store.size_of(archive),
        sha256=store.digest(archive, lines),
        lsn="0/1",
        taken_at="2026-01-02T03:04:05.678Z",
        server="16.4",
        tool="18.4",
    )


def same(proof: BackupProof, stored: Stored, folder: Path, *identities: str) -> None:
    """What comes back is what was proved."""
    folder.mkdir()
    back = fetch_backup(proof, stored, folder, identities)
    assert back.path.parent == folder
    assert find_fault(back) == ""


class TestBucket:
    def test_it_comes_back_as_it_went(
        self, proof: BackupProof, s3: Service, tmp_path: Path
    ) -> None:
        bucket = s3.bucket(encryption="AES256")
        stored = store_backup(proof, bucket, ())
        [key] = s3.keys(bucket)
        assert stored.where == f"s3://{bucket.name}/{key}"
        assert key.startswith("shop/nightly/shop-blue-")
        assert key.endswith(".tar")
        head = s3.client.head_object(Bucket=bucket.name, Key=key)
        assert head["ServerSideEncryption"] == "AES256"
        assert stored.checksum
        assert find_stored_fault(stored) == ""
        same(proof, stored, tmp_path / "back")
        assert [p.name for p in proof.path.parent.iterdir() if ".tar" in p.name] == []

    def test_what_is_sent_goes_in_parts_and_is_summed_as_s3_does(
        self, s3: Service, tmp_path: Path
    ) -> None:
        """A checksum of parts is another than that of the whole."""
        bucket = s3.bucket()
        big = tmp_path / "big"
        big.write_bytes(b"0123456789abcdef" * (12 << 16))
        sums = sum_file(big, smallest=5 << 20)
        pieces: list[int] = []
        found = ObjectStore(bucket).send(big, "big", sums, pieces.append)
        assert found.checksum == sums.checksum
        assert found.etag.endswith("-3")
        assert sum(pieces) == sums.bytes == 12 << 20

    def test_a_lock_holds_and_an_overwrite_leaves_our_version(
        self, proof: BackupProof, s3: Service, tmp_path: Path
    ) -> None:
        bucket = s3.bucket(lock=True)
        bucket = replace(bucket, lock=timedelta(days=30))
        stored = store_backup(proof, bucket, ())
        [key] = s3.keys(bucket)
        with pytest.raises(StepError) as caught:
            ObjectStore(bucket).remove(key, stored.version)
        assert caught.value.code == 4002
        assert "AccessDenied" in caught.value.seen
        s3.overwrite(bucket, key, b"another")
        assert find_stored_fault(stored) == ""
        same(proof, stored, tmp_path / "back")

    def test_a_bucket_without_locks_is_refused(
        self, proof: BackupProof, s3: Service
    ) -> None:
        bucket = replace(s3.bucket(), lock=timedelta(days=30))
        with pytest.raises(StepError) as caught:
            store_backup(proof, bucket, ())
        assert caught.value.code == 4002
        assert "object lock" in caught.value.hint

    def test_a_bucket_that_is_not_there_is_told(
        self, proof: BackupProof, s3: Service
    ) -> None:
        bucket = replace(s3.bucket(), name="bluegreen-nowhere")
        with pytest.raises(StepError) as caught:
            store_backup(proof, bucket, ())
        assert "NoSuchBucket" in caught.value.seen
        assert caught.value.hint.startswith("is the name right?")

    def test_a_service_that_is_away_is_no_yes(
        self, proof: BackupProof, s3: Service
    ) -> None:
        stored = store_backup(proof, s3.bucket(), ())
        away = replace(stored, endpoint="http://127.0.0.1:9")
        with pytest.raises(StepError) as caught:
            find_stored_fault(away)
        assert "EndpointConnectionError" in caught.value.seen

    def test_without_keys_it_says_so(
        self, proof: BackupProof, s3: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stored = store_backup(proof, s3.bucket(), ())
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        with pytest.raises(StepError) as caught:
            find_stored_fault(stored)
        assert "NoCredentialsError" in caught.value.seen


KILLED = """
import os, signal, sys
from pathlib import Path
from bluegreen.backups.places import Bucket
from bluegreen.backups.s3 import ObjectStore, sum_file

_, endpoint, name, key, path = sys.argv
sums = sum_file(Path(path), smallest=5 << 20)

def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)

ObjectStore(Bucket(name, endpoint=endpoint)).send(Path(path), key, sums, die)
"""


def test_a_killed_upload_leaves_no_object_and_the_next_gives_it_up(
    proof: BackupProof, s3: Service, tmp_path: Path
) -> None:
    bucket = s3.bucket()
    big = tmp_path / "big"
    big.write_bytes(bytes(11 << 20))
    key = bucket.key(f"{proof.path.name.removesuffix('.dir')}.tar")
    words = (s3.endpoint, bucket.name, key, str(big))
    done = subprocess.run([sys.executable, "-c", KILLED, *words])
    assert done.returncode == -signal.SIGKILL
    assert s3.keys(bucket) == []
    assert s3.uploads(bucket) == [key]
    theirs = s3.client.create_multipart_upload(Bucket=bucket.name, Key=f"{key}.theirs")
    stored = store_backup(proof, bucket, ())
    assert s3.keys(bucket) == [key]
    assert s3.uploads(bucket) == [theirs["Key"]]
    assert find_stored_fault(stored) == ""


def test_a_whole_object_without_a_record_is_not_sent_again(
    proof: BackupProof, s3: Service
) -> None:
    bucket = s3.bucket(lock=True)
    first = store_backup(proof, bucket, ())
    told: list[object] = []
    again = store_backup(proof, bucket, (), tell=told.append)
    assert again == first
    assert told == []


class TestEncrypted:
    def test_only_a_recipient_opens_it(
        self, proof: BackupProof, s3: Service, tmp_path: Path
    ) -> None:
        (one, first), (two, second), (_, stranger) = (identity() for _ in range(3))
        bucket = s3.bucket()
        stored = store_backup(proof, bucket, (one, two))
        [key] = s3.keys(bucket)
        assert key.endswith(".tar.age")
        body = s3.read(bucket, key)
        assert body.startswith(b"age-encryption.org/v1")
        assert b"toc" not in body
        same(proof, stored, tmp_path / "first", first)
        same(proof, stored, tmp_path / "second", stranger, second)
        for number, (given, says) in enumerate(
            [((stranger,), "age: No matching keys found"), ((), "")]
        ):
            (tmp_path / f"{number}").mkdir()
            with pytest.raises(StepError) as caught:
                fetch_backup(proof, stored, tmp_path / f"{number}", given)
            assert caught.value.code == 4002
            assert caught.value.seen == says
            assert stranger not in str(caught.value)

    def test_a_folder_takes_it_too(self, proof: BackupProof, tmp_path: Path) -> None:
        recipient, opens = identity()
        (tmp_path / "there").mkdir(mode=0o755)
        stored = store_backup(proof, Folder(tmp_path / "there"), (recipient,))
        assert Path(stored.where).stat().st_mode & 0o077 == 0
        assert [p.name for p in (tmp_path / "there").iterdir()] == [
            Path(stored.where).name
        ]
        assert find_stored_fault(stored) == ""
        same(proof, stored, tmp_path / "back", opens)

    def test_a_full_disk_is_told_and_leaves_nothing(
        self, proof: BackupProof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recipient, _ = identity()
        monkeypatch.setattr("bluegreen.backups.store.free_bytes", lambda _: 17)
        with pytest.raises(StepError) as caught:
            store_backup(proof, Folder(tmp_path / "there"), (recipient,))
        assert "no room" in caught.value.problem
        assert list((tmp_path / "there").iterdir()) == []


def test_what_changed_since_it_was_proved_is_not_sent(
    proof: BackupProof, s3: Service
) -> None:
    bucket = s3.bucket()
    member = max(proof.path.iterdir(), key=lambda one: one.stat().st_size)
    member.write_bytes(member.read_bytes()[:-1])
    with pytest.raises(StepError) as caught:
        store_backup(proof, bucket, ())
    assert member.name in caught.value.seen
    assert s3.keys(bucket) == []
    assert not list(proof.path.parent.glob(".*.part"))


def flip(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def without_member(body: bytes) -> bytes:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(body)) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for entry in [one for one in old if not one.name.endswith("toc.dat")]:
            new.addfile(entry, old.extractfile(entry))
    return out.getvalue()


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda body: body[:-1],
    "byte flipped": flip,
    "member missing": without_member,
    "another file": lambda body: bytes(len(body)),
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("place", ["folder", "bucket"])
@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_one_is_found_where_it_stands(
    name: str, place: str, proof: BackupProof, s3: Service, tmp_path: Path
) -> None:
    bucket = s3.bucket()
    to: Bucket | Folder = bucket if place == "bucket" else Folder(tmp_path / "there")
    stored = store_backup(proof, to, ())
    assert find_stored_fault(stored) == ""
    if isinstance(to, Bucket):
        [key] = s3.keys(to)
        s3.overwrite(to, key, SPOILED[name](s3.read(to, key)))
    else:
        path = Path(stored.where)
        path.write_bytes(SPOILED[name](path.read_bytes()))
    assert stored.where in find_stored_fault(stored)
    (tmp_path / "back").mkdir()
    with pytest.raises(StepError) as caught:
        fetch_backup(proof, stored, tmp_path / "back", ())
    assert caught.value.code == 4002


def test_one_that_is_gone_is_found(proof: BackupProof, s3: Service) -> None:
    bucket = s3.bucket()
    stored = store_backup(proof, bucket, ())
    ObjectStore(bucket).remove(s3.keys(bucket)[0])
    assert find_stored_fault(stored) == f"{stored.where} is not there"


class TestStep:
    """The actions, in the order that a run takes them."""

    def test_a_run_goes_from_draft_to_bucket_and_keeps_no_draft(
        self,
        database_pair: Callable[[int, int], DatabasePair],
        s3: Service,
        tmp_path: Path,
    ) -> None:
        pair = database_pair(16, 18)
        pair.blue.run(*SCHEMA)
        bucket = s3.bucket()
        recipient, _ = identity()
        backup = Backup(
            to=f"s3://{bucket.name}/shop",
            s3=S3Options(endpoint_url=s3.endpoint),
            encrypt=(recipient,),
            proof="restore",
        )
        taken, tried, stored, removed = backup.actions()
        with open_world(pair, tmp_path) as world:
            assert look(stored, world) == NotYet("the backup is not taken yet")
            for action in (taken, tried, stored, removed):
                carry_out(action, world)
            assert sorted(p.name for p in (tmp_path / "backups").iterdir()) == [
                ".shop-blue.lock"
            ]
            for action in backup.actions():
                assert isinstance(look(action, world), Satisfied)
            [key] = s3.keys(bucket)
            s3.overwrite(bucket, key, b"another")
            verdict = look(taken, world)
            assert isinstance(verdict, Needed)
            assert f"{bucket.name}/{key}" in verdict.why
            for action in backup.actions():
                carry_out(action, world)
            assert len(s3.keys(bucket)) == 2

    def test_another_place_or_recipient_asks_for_another_backup(
        self,
        database_pair: Callable[[int, int], DatabasePair],
        s3: Service,
        tmp_path: Path,
    ) -> None:
        pair = database_pair(16, 18)
        bucket = s3.bucket()
        given = S3Options(endpoint_url=s3.endpoint)
        first = Backup(to=f"s3://{bucket.name}/a", s3=given)
        with open_world(pair, tmp_path) as world:
            for action in first.actions():
                carry_out(action, world)
            for other, says in (
                (Backup(to=f"s3://{bucket.name}/b", s3=given), "another place"),
                (Backup(to="backups"), "the playbook names a folder"),
                (first.model_copy(update={"encrypt": (identity()[0],)}), "another"),
            ):
                verdict = look(other.actions()[0], world)
                assert isinstance(verdict, Needed)
                assert says in verdict.why

    def test_a_kill_between_storing_and_removing_is_gone_on_with(
        self,
        database_pair: Callable[[int, int], DatabasePair],
        s3: Service,
        tmp_path: Path,
    ) -> None:
        pair = database_pair(16, 18)
        bucket = s3.bucket()
        backup = Backup(
            to=f"s3://{bucket.name}/a", s3=S3Options(endpoint_url=s3.endpoint)
        )
        taken, stored, removed = backup.actions()
        with open_world(pair, tmp_path) as world:
            carry_out(taken, world)
            # Killed behind the upload, before the result was written.
            stored.act(world, stored.observe(world))
            carry_out(stored, world)
            assert len(s3.keys(bucket)) == 1
            # Killed while it removed the draft.
            draft = next((tmp_path / "backups").glob("*.sha256"))
            draft.unlink()
            assert isinstance(look(taken, world), Satisfied)
            carry_out(removed, world)
            kinds = [record.kind for record in world.journal.records()]
            assert kinds.count(Kind.RESULT) == 3
