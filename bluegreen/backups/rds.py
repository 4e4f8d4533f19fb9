"""Snapshots of an instance of RDS: begun, asked for again.

Owns every call of RDS and the words of a refusal.
When one is taken, and that the instance is blue, is for `steps/snapshot.py`.

Keys come from AWS's own chain; none is in a playbook. We poll at our own pace: the
waiters of boto3 ask every 30 seconds and end with words of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from bluegreen.backups.aws import (
    CONNECT_TIMEOUT_S,
    TRIES_OF_A_REQUEST,
    code_of,
    outlast,
    unless,
)
from bluegreen.model.clock import Clock, SystemClock
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError

if TYPE_CHECKING:
    from mypy_boto3_rds.client import RDSClient

READ_TIMEOUT_S = 20

_NO_SNAPSHOT = frozenset({"DBSnapshotNotFound", "DBSnapshotNotFoundFault"})
_BEGUN_BEFORE = frozenset({"DBSnapshotAlreadyExists", "DBSnapshotAlreadyExistsFault"})

_HINTS = {
    "AccessDenied": "may this role rds:DescribeDBInstances, rds:DescribeDBSnapshots, "
    "rds:CreateDBSnapshot and rds:AddTagsToResource there?",
    "DBInstanceNotFound": "is the identifier right, and the region?",
    "InvalidDBInstanceState": "the instance is being changed; wait until it is "
    "available, then run again",
    "SnapshotQuotaExceeded": "delete snapshots that are not needed, or have the quota "
    "raised",
    "ExpiredToken": "the credentials are over; get new ones",
}
_HINT = "the code is AWS's; its credentials, region and policies decide"
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """What RDS says of an instance.

    Attributes:
        address: host name of its endpoint; empty while it is made.
        port: of its endpoint.
        status: RDS's word, `available` where all is well.
        cluster: of Aurora, which keeps snapshots for a whole cluster; else empty.
    """

    address: str
    port: int
    status: str
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What RDS says of a snapshot.

    Attributes:
        status: `creating`, `available`, `failed`.
        percent: how much of it is there.
        instance: of which instance it is.
        arn: its name in AWS.
    """

    status: str
    percent: int
    instance: str
    arn: str


class Rds:
    """RDS in one region, by a client that is made when it is first used.

    Args:
        region: empty for that of AWS's own configuration.
        endpoint: URL of a service that speaks RDS and is not AWS's own.
    """

    def __init__(
        self, region: str = "", endpoint: str = "", clock: Clock | None = None
    ) -> None:
        self._region, self._endpoint = region, endpoint
        self._clock = clock or SystemClock()

    @cached_property
    def _client(self) -> RDSClient:
        # It costs 0.3 s, which only a playbook that names an instance should pay.
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": TRIES_OF_A_REQUEST},
        )
        return boto3.session.Session().client(
            "rds",
            region_name=self._region or None,
            endpoint_url=self._endpoint or None,
            config=config,
        )

    def instance(self, name: str) -> InstanceFacts:
        """Ask for an instance.

        Raises:
            StepError: 4002; there is none, or it could not be seen.
        """
        with _translated(f"instance {name}"):
            [found] = self._outlast(
                lambda: self._client.describe_db_instances(DBInstanceIdentifier=name)
            )["DBInstances"]
        endpoint = found.get("Endpoint", {})
        return InstanceFacts(
            endpoint.get("Address", ""),
            endpoint.get("Port", 0),
            found["DBInstanceStatus"],
            found.get("DBClusterIdentifier", ""),
        )

    def snapshot(self, name: str) -> SnapshotFacts | None:
        """Ask for a snapshot; None where there is none of that name.

        Raises:
            StepError: 4002; it could not be seen.
        """
        with _translated(f"snapshot {name}"):
            answer = unless(
                _NO_SNAPSHOT,
                lambda: self._outlast(
                    lambda: self._client.describe_db_snapshots(
                        DBSnapshotIdentifier=name
                    )
                ),
            )
        if answer is None:
            return None
        [found] = answer["DBSnapshots"]
        return SnapshotFacts(
            found["Status"],
            found.get("PercentProgress", 0),
            found["DBInstanceIdentifier"],
            found["DBSnapshotArn"],
        )

    def begin_snapshot(self, instance: str, name: str, tags: dict[str, str]) -> None:
        """Begin a snapshot; one of that name that was begun before is kept.

        Raises:
            StepError: 4002; it could not be begun.
        """
        given = [{"Key": key, "Value": value} for key, value in tags.items()]
        with _translated(f"instance {instance}"):
            unless(
                _BEGUN_BEFORE,
                lambda: self._outlast(
                    lambda: self._client.create_db_snapshot(
                        DBSnapshotIdentifier=name,
                        DBInstanceIdentifier=instance,
                        Tags=given,  # type: ignore[arg-type]
                    )
                ),
            )

    def _outlast(self, call: Callable[[], Given]) -> Given:
        return outlast(call, self._clock)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        code = code_of(error)
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            f"RDS does not do what was asked of {what}",
            seen=f"{code or type(error).__name__}: {error}",
            wanted="an answer of RDS, and the right to ask",
            hint=_HINTS.get(code.removesuffix("Fault"), _HINT),
        ) from None
