"""Objects in S3: sent whole, asked for again, fetched.

Owns every call of S3 and the words of a refusal.
What an archive is, is for `stored.py`.

Keys come from AWS's own chain (environment, profile, role of the machine); none is in
a playbook.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bluegreen.backups.aws import (
    CONNECT_TIMEOUT_S,
    TRIES_OF_A_REQUEST,
    code_of,
    outlast,
    unless,
)
from bluegreen.backups.places import Bucket
from bluegreen.model.clock import Clock, SystemClock, host_time
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

READ_TIMEOUT_S = 60
"""Between two bytes of one request; a part of 16 MB takes seconds."""

SMALLEST_PART = 16 << 20
MOST_PARTS = 9_000
"""S3 takes 10,000 parts; less, so that no rounding comes near it."""

_BLOCK = 1 << 20

_NOT_THERE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_HINTS = {
    "AccessDenied": "may this role s3:PutObject, s3:GetObject, s3:ListBucket, "
    "s3:ListBucketMultipartUploads and s3:AbortMultipartUpload there (with a lock also "
    "s3:PutObjectRetention, with aws:kms the key's kms:GenerateDataKey)?",
    "InvalidRequest": "has the bucket object lock? It is chosen when a bucket is made",
    "NoSuchBucket": "is the name right? A bucket must stand before it is used",
    "ObjectLockConfigurationNotFoundError": "the bucket has no object lock; it is "
    "chosen when a bucket is made. Take `lock` out or name another bucket",
    "ExpiredToken": "the credentials are over; get new ones",
}
_HINT = "the code is AWS's; its credentials, region and bucket policy decide"
Given = TypeVar("Given")
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What S3 says of an object.

    Attributes:
        bytes: its size.
        version: its version in a bucket that keeps versions; else empty.
        etag: without quotes.
        checksum: SHA-256 as S3 keeps it, base64; of an upload in parts that of the
            parts' checksums; empty where the service keeps none.
        locked: whether object lock keeps it.
    """

    bytes: int
    version: str
    etag: str
    checksum: str
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """What a file is, read once: its size, SHA-256, and the form S3 gives it."""

    bytes: int
    sha256: str
    checksum: str
    part: int


def sum_file(path: Path, *, smallest: int = SMALLEST_PART) -> Sums:
    """Read a file once for its checksums.

    Raises:
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    part = max(smallest, -(-size // MOST_PARTS))
    whole, parts = hashlib.sha256(), []
    with path.open("rb") as file:
        for start in range(0, max(size, 1), part):
            one = hashlib.sha256()
            for block in _blocks(file.read, min(part, size - start)):
                whole.update(block)
                one.update(block)
            parts.append(one.digest())
    if size < part:
        checksum = whole.digest()
    else:
        checksum = hashlib.sha256(b"".join(parts)).digest()
    return Sums(size, whole.hexdigest(), base64.b64encode(checksum).decode(), part)


class ObjectStore:
    """One bucket, by a client that is made when it is first used."""

    def __init__(self, bucket: Bucket, clock: Clock | None = None) -> None:
        self._bucket = bucket
        self._clock = clock or SystemClock()

    @cached_property
    def _client(self) -> S3Client:
        # It costs 0.3 s, which only a playbook that names a bucket should pay.
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": TRIES_OF_A_REQUEST},
            tcp_keepalive=True,
            s3={"addressing_style": "path" if self._bucket.endpoint else "auto"},
        )
        return boto3.session.Session().client(
            "s3",
            region_name=self._bucket.region or None,
            endpoint_url=self._bucket.endpoint or None,
            config=config,
        )

    def look(self, key: str, version: str = "") -> ObjectFacts | None:
        """What stands under a key; None where nothing does.

        Raises:
            StepError: 4002; it could not be seen.
        """
        words: dict[str, Any] = {"VersionId": version} if version else {}
        with self._translated("asked for", key):
            answer = unless(
                _NOT_THERE,
                lambda: self._outlast(
                    lambda: self._client.head_object(
                        Bucket=self._bucket.name,
                        Key=key,
                        ChecksumMode="ENABLED",
                        **words,
                    )
                ),
            )
        if answer is None:
            return None
        return ObjectFacts(
            answer["ContentLength"],
            answer.get("VersionId", ""),
            answer["ETag"].strip('"'),
            # A service may write the number of parts behind it.
            answer.get("ChecksumSHA256", "").partition("-")[0],
            "ObjectLockRetainUntilDate" in answer,
        )

    def send(
        self, path: Path, key: str, sums: Sums, advance: Advance = lambda _: None
    ) -> ObjectFacts:
        """Upload a file in parts; nothing stands under the key until all are there.

        Args:
            path: the file.
            key: where it goes.
            sums: of the file as it was read before.
            advance: called with the bytes of each piece; from any thread.

        Raises:
            StepError: 4002; it could not be sent, or is not what was read.
        """
        with self._translated("sent", key):
            self._outlast(lambda: self._upload(path, key, sums, advance))
        found = self.holds(key, sums)
        if found is None:
            locked = ", locked" * (self._bucket.lock is not None)
            raise self._error(
                "what was sent is not what stands there",
                seen=f"{key}: {self.look(key) or 'nothing'}",
                wanted=f"{sums.bytes} bytes with the SHA-256 {sums.checksum}{locked}",
                hint="does something else write to this prefix? A lock is seen only "
                "with s3:GetObjectRetention. Then run again",
            )
        return found

    def holds(self, key: str, sums: Sums) -> ObjectFacts | None:
        """What stands under a key, if it is this very file, whole and locked as asked.

        Raises:
            StepError: 4002; it could not be seen.
        """
        found = self.look(key)
        return found if found and self._is_same(key, found, sums) else None

    def fetch(self, key: str, version: str, path: Path) -> None:
        """Download an object into a file that is not there yet.

        Raises:
            StepError: 4002; it could not be fetched.
        """
        words = {"VersionId": version} if version else {}

        def whole() -> None:
            with path.open("wb") as file:
                for block in self._read(key, words):
                    file.write(block)

        with self._translated("fetched", key):
            self._outlast(whole)

    def abort_uploads(self, keys: Iterable[str]) -> int:
        """Give up uploads of these keys that were begun and never ended.

        Their parts are kept, and paid for, until someone does.

        Raises:
            StepError: 4002; they cannot be listed or given up.
        """
        return sum(self._abort(key) for key in keys)

    def remove(self, key: str, version: str = "") -> None:
        """Delete one object, that very version where it has one.

        Raises:
            StepError: 4002; it could not be deleted, for a lock as well.
        """
        words: dict[str, Any] = {"VersionId": version} if version else {}
        with self._translated("deleted", key):
            self._outlast(
                lambda: self._client.delete_object(
                    Bucket=self._bucket.name, Key=key, **words
                )
            )

    def _upload(self, path: Path, key: str, sums: Sums, advance: Advance) -> None:
        from boto3.s3.transfer import TransferConfig, create_transfer_manager
        from s3transfer.subscribers import BaseSubscriber

        class Listener(BaseSubscriber):
            def on_progress(
                self, future: Any, bytes_transferred: int, **_: Any
            ) -> None:
                advance(bytes_transferred)

        config = TransferConfig(
            multipart_threshold=sums.part, multipart_chunksize=sums.part
        )
        with create_transfer_manager(self._client, config) as manager:
            manager.upload(
                str(path), self._bucket.name, key, self._given(), [Listener()]
            ).result()

    def _given(self) -> dict[str, Any]:
        """What an object is given beside its bytes."""
        bucket = self._bucket
        given: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"}
        if bucket.encryption:
            given["ServerSideEncryption"] = bucket.encryption
        if bucket.kms_key:
            given["SSEKMSKeyId"] = bucket.kms_key
        if bucket.lock is not None:
            given["ObjectLockMode"] = bucket.lock_mode
            given["ObjectLockRetainUntilDate"] = host_time() + bucket.lock
        return given

    def _is_same(self, key: str, found: ObjectFacts, sums: Sums) -> bool:
        if found.bytes != sums.bytes or (self._bucket.lock and not found.locked):
            return False
        if found.checksum:
            return found.checksum == sums.checksum
        # A service that keeps no checksum is read once from end to end.
        digest = hashlib.sha256()
        words = {"VersionId": found.version} if found.version else {}
        with self._translated("read", key):
            for block in self._read(key, words):
                digest.update(block)
        return digest.hexdigest() == sums.sha256

    def _read(self, key: str, words: dict[str, Any]) -> Iterator[bytes]:
        answer = self._client.get_object(Bucket=self._bucket.name, Key=key, **words)
        with closing(answer["Body"]) as body:
            yield from body.iter_chunks(_BLOCK)

    def _abort(self, key: str) -> int:
        def all_of_it() -> int:
            given_up = 0
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket.name, Prefix=key):
                for upload in page.get("Uploads", ()):
                    if upload["Key"] == key:
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket.name,
                            Key=key,
                            UploadId=upload["UploadId"],
                        )
                        given_up += 1
            return given_up

        with self._translated("cleared of cut uploads", key):
            return self._outlast(all_of_it)

    def _outlast(self, call: Callable[[], Given]) -> Given:
        return outlast(call, self._clock)

    @contextmanager
    def _translated(self, done: str, key: str) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, Boto3Error, ClientError, OSError) as error:
            code = code_of(error)
            raise self._error(
                f"an object in S3 cannot be {done}",
                seen=f"{self._bucket.name}/{key}: {code or type(error).__name__}: "
                f"{error}",
                wanted="a bucket that answers and that we may use",
                hint=_HINTS.get("AccessDenied" if code == "403" else code, _HINT),
            ) from None

    @staticmethod
    def _error(problem: str, *, seen: str, wanted: str, hint: str) -> StepError:
        return StepError(
            Code.BACKUP_NOT_PROVED, problem, seen=seen, wanted=wanted, hint=hint
        )


def _blocks(read: Callable[[int], bytes], count: int) -> Iterator[bytes]:
    while count > 0 and (block := read(min(count, _BLOCK))):
        count -= len(block)
        yield block
