"""A service that speaks S3, on loopback, and buckets in it."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bluegreen.backups.places import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KEYS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    # What this machine may be set up for is of no matter here.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_counter = itertools.count(1)


@dataclass(frozen=True)
class Service:
    """A running service and a client of it."""

    endpoint: str
    client: S3Client

    def bucket(self, *, lock: bool = False, **words: Any) -> Bucket:
        """A fresh bucket; with `lock` it keeps versions and takes locks."""
        name = f"bluegreen-{os.getpid()}-{next(_counter)}"
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        return Bucket(name, "shop/nightly", endpoint=self.endpoint, **words)

    def keys(self, bucket: Bucket) -> list[str]:
        found = self.client.list_objects_v2(Bucket=bucket.name).get("Contents", [])
        return sorted(one["Key"] for one in found)

    def uploads(self, bucket: Bucket) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=bucket.name)
        return [one["Key"] for one in found.get("Uploads", [])]

    def overwrite(self, bucket: Bucket, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=bucket.name, Key=key, Body=body)

    def read(self, bucket: Bucket, key: str) -> bytes:
        return self.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()


@contextmanager
def serving() -> Iterator[Service]:
    """Start moto's server on a free port; the environment must have `KEYS`."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.session.Session().client("s3", endpoint_url=endpoint)
        yield Service(endpoint, client)
        client.close()
    finally:
        server.stop()
