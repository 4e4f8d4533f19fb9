"""Where a backup stands in the end: a folder here, or a bucket of S3.

Owns the values and how an address is read. Reaching a bucket is for `s3.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

BUCKET_WANTED = "s3://BUCKET/PREFIX, the bucket by its name: s3://acme-backups/shop"

_SCHEME = "s3://"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""AWS's rule for the names of buckets."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that this machine reaches by a path."""

    path: Path

    def where(self, name: str) -> str:
        """The full path of an archive of that name."""
        return str(self.path / name)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and what an object in it is given.

    Attributes:
        name: of the bucket.
        prefix: what stands before an archive's name, without slashes at its ends.
        region: the bucket's; what AWS's own configuration says where empty.
        endpoint: URL of a service that is not AWS's own; AWS where empty.
        encryption: `AES256` or `aws:kms`; the bucket's own rule where empty.
        kms_key: the key's id for `aws:kms`; AWS's own key where empty.
        lock: how long object lock keeps an archive; None for no lock.
        lock_mode: `GOVERNANCE` or `COMPLIANCE`.
    """

    name: str
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    encryption: str = ""
    kms_key: str = ""
    lock: timedelta | None = None
    lock_mode: str = "GOVERNANCE"

    def key(self, name: str) -> str:
        """The key of an archive of that name."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def where(self, name: str) -> str:
        """`s3://bucket/prefix/name`."""
        return f"{_SCHEME}{self.name}/{self.key(name)}"


Place = Folder | Bucket


def is_bucket(text: str) -> bool:
    """Whether an address means a bucket and not a folder."""
    return text.startswith(_SCHEME)


def split_bucket(text: str) -> tuple[str, str]:
    """The bucket's name and the rest of `s3://bucket/rest`, without slashes around.

    Raises:
        ValueError: it is no such address.
    """
    name, _, rest = text.removeprefix(_SCHEME).partition("/")
    if not is_bucket(text) or not _NAME.fullmatch(name):
        raise ValueError(BUCKET_WANTED)
    return name, rest.strip("/")


def find_endpoint_fault(url: str) -> str:
    """What a URL of a service must be, where this is none; empty where it is."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        whole = False
    if not whole:
        return "the URL of a service that speaks S3: https://minio.example:9000"
    if parts.username or parts.password:
        return "a URL without a user; keys come from AWS's own configuration"
    return ""
