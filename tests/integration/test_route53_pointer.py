"""A record of Route 53 as a pointer, at moto's server, and AWS's ways to say no."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from bluegreen.lab.proxy import Mode, Proxy
from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.side import Side
from bluegreen.pointers.handover import of_spec, require_guardable, spec_of
from bluegreen.pointers.names.values import Held
from tests.kit.route53 import (
    ACCOUNT,
    RECORD,
    ZONE,
    FakeRoute53,
    a_record,
    fake_route53,
)

VALUES = {Side.BLUE: ("10.0.0.5",), Side.GREEN: ("10.0.0.6",)}
BLUE = Held(("10.0.0.5",), 30)
GREEN = Held(("10.0.0.6",), 30)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoute53]:
    with fake_route53(monkeypatch) as running:
        running.put(a_record("10.0.0.5"))
        yield running


def answering(
    monkeypatch: pytest.MonkeyPatch, operation: str, *answers: Any
) -> list[str]:
    """Let calls of one operation end so, one after the other; then really."""
    real, left, called = BaseClient._make_api_call, list(answers), []

    def call(self: Any, name: str, words: Any) -> Any:
        called.append(name)
        if name != operation or not left:
            return real(self, name, words)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return called


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Any")


def test_it_names_the_side_that_it_was_told_again_and_again(aws: FakeRoute53) -> None:
    pointer = aws.pointer(VALUES)
    for side, held in ((Side.GREEN, GREEN), (Side.GREEN, GREEN), (Side.BLUE, BLUE)):
        pointer.move(side)
        assert pointer.observe().names is side
        assert pointer.read() == held
    sets = aws.client.list_resource_record_sets(HostedZoneId=aws.zone)
    assert [r["Type"] for r in sets["ResourceRecordSets"]].count("A") == 1
    assert not [f for f in pointer.check() if f.is_blocking]
    assert pointer.read() == BLUE


def test_a_guard_opens_the_same_pointer_and_no_secret_goes_along(
    aws: FakeRoute53,
) -> None:
    spec = spec_of(require_guardable(aws.pointer(VALUES)))
    assert ACCOUNT["AWS_SECRET_ACCESS_KEY"] not in json.dumps(spec)
    of_spec(json.loads(json.dumps(spec))).move(Side.GREEN)
    assert aws.pointer(VALUES).observe().names is Side.GREEN


def test_of_weighted_sets_only_the_one_that_is_named_is_changed(
    aws: FakeRoute53,
) -> None:
    name = f"weighted.{ZONE}"
    for identifier, value, weight in (
        ("ours", "10.0.0.5", 7),
        ("other", "10.0.0.9", 3),
    ):
        aws.put(a_record(value, name, SetIdentifier=identifier, Weight=weight))
    pointer = aws.pointer(VALUES, name=name, set_identifier="ours")
    pointer.move(Side.GREEN)
    sets = aws.client.list_resource_record_sets(HostedZoneId=aws.zone)
    told = {
        one["SetIdentifier"]: (one["Weight"], one["ResourceRecords"][0]["Value"])
        for one in sets["ResourceRecordSets"]
        if one["Name"] == f"{name}."
    }
    assert told == {"ours": (7, "10.0.0.6"), "other": (3, "10.0.0.9")}
    with pytest.raises(BluegreenError) as caught:
        aws.pointer(VALUES, name=name).read()
    assert caught.value.seen == "sets with the identifiers other, ours"


@pytest.mark.parametrize("between", [False, True])
def test_a_record_that_was_changed_is_not_overwritten(
    aws: FakeRoute53, monkeypatch: pytest.MonkeyPatch, *, between: bool
) -> None:
    pointer = aws.pointer(VALUES)
    held = pointer.read()
    if between:
        # It is changed after our last look: what is sent then does not fit.
        real = pointer.zone.change

        def change(batch: Any) -> str:
            aws.put(a_record("10.0.0.9"), "UPSERT")
            return real(batch)

        monkeypatch.setattr(pointer.zone, "change", change)
    else:
        aws.put(a_record("10.0.0.9"), "UPSERT")
    with pytest.raises(StepError) as caught:
        pointer.replace(held, GREEN)
    assert caught.value.code == 4009
    seen = "do not match the current values" if between else "10.0.0.9"
    assert caught.value.seen.endswith(seen)
    assert pointer.read() == Held(("10.0.0.9",), 30)


def test_a_batch_carries_the_condition_and_who_sent_it(
    aws: FakeRoute53, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    real = BaseClient._make_api_call

    def call(self: Any, name: str, words: Any) -> Any:
        sent.append((name, words))
        return real(self, name, words)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    aws.pointer(VALUES).move(Side.GREEN)
    (batch,) = [w["ChangeBatch"] for n, w in sent if n.startswith("Change")]
    assert batch["Comment"].startswith("bluegreen move ")
    assert [
        (one["Action"], one["ResourceRecordSet"]["ResourceRecords"])
        for one in batch["Changes"]
    ] == [("DELETE", [{"Value": "10.0.0.5"}]), ("CREATE", [{"Value": "10.0.0.6"}])]


def test_throttling_is_outlasted_and_a_lost_answer_is_no_second_change(
    aws: FakeRoute53, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = aws.pointer(VALUES)
    busy = [refusal("Throttling"), refusal("PriorRequestNotComplete")]
    called = answering(monkeypatch, "ChangeResourceRecordSets", *busy)
    pointer.move(Side.GREEN)
    assert called.count("ChangeResourceRecordSets") == 3
    assert pointer.observe().names is Side.GREEN
    # The change was made, its answer was lost, and the next try does not fit.
    answering(monkeypatch, "ChangeResourceRecordSets", refusal("InvalidChangeBatch"))
    held = pointer.read()
    pointer.replace(held, held)


def test_it_waits_until_the_change_is_everywhere(
    aws: FakeRoute53, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluegreen.pointers.route53.pointer.POLL_S", 0.01)
    pending = {"ChangeInfo": {"Status": "PENDING"}}
    called = answering(monkeypatch, "GetChange", *[pending] * 3)
    pointer = aws.pointer(VALUES)
    pointer.move(Side.GREEN)
    assert called.count("GetChange") == 4
    monkeypatch.setattr("bluegreen.pointers.route53.pointer.CONFIRM_S", 0.1)
    answering(monkeypatch, "GetChange", *[pending] * 1000)
    with pytest.raises(StepError) as caught:
        pointer.move(Side.BLUE)
    assert (caught.value.code, caught.value.wanted) == (4009, "INSYNC")
    assert "is PENDING after" in caught.value.seen


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("AccessDenied", 3008),
        ("ExpiredToken", 3008),
        ("NoSuchHostedZone", 3007),
        ("Mystery", 4009),
    ],
)
def test_what_aws_refuses_is_told_at_once(
    aws: FakeRoute53, monkeypatch: pytest.MonkeyPatch, code: str, ours: int
) -> None:
    called = answering(monkeypatch, "ListResourceRecordSets", *[refusal(code)] * 10)
    pointer = aws.pointer(VALUES)
    with pytest.raises(BluegreenError) as caught:
        pointer.read()
    assert (caught.value.code, caught.value.seen) == (ours, f"{code}: no")
    assert len(called) == 1
    assert [f.id for f in pointer.check() if f.is_blocking] == [f"name-{ours}"]


def test_the_right_to_change_is_tried_beforehand(
    aws: FakeRoute53, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "ChangeResourceRecordSets", refusal("AccessDenied"))
    (found,) = [f for f in aws.pointer(VALUES).check() if f.is_blocking]
    assert found.id == "name-3008"


def test_no_credentials_are_told(
    aws: FakeRoute53, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ACCOUNT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(BluegreenError) as caught:
        aws.pointer(VALUES).read()
    assert (caught.value.code, caught.value.seen) == (
        3008,
        "Unable to locate credentials",
    )


def test_a_network_that_swallows_everything_has_a_deadline(
    aws: FakeRoute53, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluegreen.pointers.route53.zone.READ_S", 0.3)
    monkeypatch.setattr("bluegreen.pointers.route53.zone.GIVE_UP_S", 1.0)
    host, _, port = aws.endpoint.removeprefix("http://").partition(":")
    with Proxy(host, int(port)) as proxy:
        proxy.set(Mode.BLACK_HOLE)
        where = f"http://{proxy.host}:{proxy.port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_ROUTE_53", where)
        pointer = aws.pointer(VALUES)
        began = time.monotonic()
        with pytest.raises(BluegreenError) as caught:
            pointer.read()
        assert caught.value.code == 3001
        assert time.monotonic() - began < 60, "it has no end"
        proxy.set(Mode.OK)
        assert pointer.read() == BLUE


def test_by_hand_is_one_call_of_the_aws_command(aws: FakeRoute53) -> None:
    told = aws.pointer(VALUES).by_hand(Side.GREEN)
    assert told.startswith("`aws route53 change-resource-record-sets --hosted-zone-id ")
    assert f'"Name": "{RECORD}."' in told
    assert '"Value": "10.0.0.6"' in told
