"""Route 53 on loopback: moto's server, and the words of a pointer at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import ChangeList, Route53Backend
from moto.server import ThreadedMotoServer

from bluegreen.model.side import Side
from bluegreen.pointers.route53.pointer import Route53Pointer

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

ZONE = "shop.test"
RECORD = f"db.{ZONE}"
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "s3cret-of-aws",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


@dataclass
class FakeRoute53:
    """A hosted zone at moto's server."""

    endpoint: str
    zone: str
    client: Route53Client

    def put(self, record: Mapping[str, Any], action: str = "CREATE") -> None:
        """Change a record as another writer does."""
        change: Any = {"Action": action, "ResourceRecordSet": record}
        self.client.change_resource_record_sets(
            HostedZoneId=self.zone, ChangeBatch={"Changes": [change]}
        )

    def words(
        self, values: Mapping[Side, Sequence[str]], **words: Any
    ) -> dict[str, Any]:
        """What a Route53Pointer in this zone is made of."""
        return {
            "id": "name",
            "name": RECORD,
            "type": "A",
            "values": {side: tuple(of) for side, of in values.items()},
            "max_ttl_s": 60,
            "lower_ttl": False,
            "client": None,
            "client_password": None,
            "hosted_zone": self.zone,
            **words,
        }

    def pointer(
        self, values: Mapping[Side, Sequence[str]], **words: Any
    ) -> Route53Pointer:
        """A pointer to a record of the zone."""
        return Route53Pointer(**self.words(values, **words))


class _DoesNotMatch(Route53ClientError):
    """As Route 53 refuses to delete what is not there in that form."""

    code = 400

    def __init__(self, name: str) -> None:
        super().__init__(
            "InvalidChangeBatch",
            f"Tried to delete resource record set [name='{name}'] but the values "
            "provided do not match the current values",
        )


def _be_as_strict_as_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto holds a DELETE against all that ever was, and a CREATE against what the same
    batch deletes; AWS holds the first against what is there, and takes the second.
    """
    real = Route53Backend.change_resource_record_sets

    def change(self: Any, zoneid: str, changes: list[dict[str, Any]]) -> None:
        for one in changes:
            if one["Action"] == "DELETE":
                _require_there(self.get_hosted_zone(zoneid), one["ResourceRecordSet"])
        real(self, zoneid, changes)

    monkeypatch.setattr(Route53Backend, "change_resource_record_sets", change)
    monkeypatch.setattr(ChangeList, "__contains__", lambda *_: False)
    monkeypatch.setattr(ChangeList, "has_insert_or_update", lambda *_: True)


def _require_there(zone: Any, wanted: Mapping[str, Any]) -> None:
    values = [one["Value"] for one in wanted["ResourceRecords"]]
    for there in zone.rrsets:
        if (
            there.name.strip(".") == wanted["Name"].strip(".")
            and there.type == wanted["Type"]
            and there.set_identifier == wanted.get("SetIdentifier")
            and str(there.ttl) == str(wanted["TTL"])
            and there.records == values
        ):
            return
    raise _DoesNotMatch(wanted["Name"])


@contextmanager
def fake_route53(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoute53]:
    """A server with an empty zone; boto3 finds it by the environment, as anywhere."""
    _be_as_strict_as_aws(monkeypatch)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        for name, value in ACCOUNT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ROUTE_53", endpoint)
        client: Route53Client = boto3.client("route53")
        made = client.create_hosted_zone(Name=ZONE, CallerReference="1")
        yield FakeRoute53(endpoint, made["HostedZone"]["Id"].split("/")[-1], client)
    finally:
        server.stop()


def a_record(value: str, name: str = RECORD, **words: Any) -> dict[str, Any]:
    """A record set of type A."""
    return {
        "Name": name,
        "Type": "A",
        "TTL": 30,
        "ResourceRecords": [{"Value": value}],
        **words,
    }
