"""What S3 is asked again for, and how places and their options are read: no sockets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import ValidationError

from bluegreen.backups.aws import GIVE_UP_AFTER_S
from bluegreen.backups.places import Bucket, Folder, split_bucket
from bluegreen.backups.s3 import ObjectStore
from bluegreen.model.errors import StepError
from bluegreen.steps.backup import Backup
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.place_fields import S3Options, place_of

HEAD = {"ContentLength": 3, "ETag": '"e"', "ChecksumSHA256": "abc=-2"}


class Client:
    """Refuses with each code in turn, then answers."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.calls = 0

    def head_object(self, **_: Any) -> dict[str, Any]:
        self.calls += 1
        if self.codes:
            code = self.codes[0] if len(self.codes) == 1 else self.codes.pop(0)
            if code == "end":
                return HEAD
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "HeadObject")
        return HEAD


def store_of(client: Client, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    now = 0.0

    class Hurried:
        def monotonic(self) -> float:
            return now

        def sleep(self, seconds: float) -> None:
            nonlocal now
            now += seconds

    monkeypatch.setattr("tenacity.time.monotonic", lambda: now)
    made = ObjectStore(Bucket("bucket"), Hurried())
    made.__dict__["_client"] = client
    return made


@pytest.mark.parametrize("code", ["SlowDown", "503", "RequestTimeout", "InternalError"])
def test_what_passes_by_itself_is_asked_again(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(code, code, "end")
    found = store_of(client, monkeypatch).look("key")
    assert found is not None
    assert (found.checksum, found.etag, client.calls) == ("abc=", "e", 3)


def test_a_service_that_throttles_without_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client("SlowDown")
    made = store_of(client, monkeypatch)
    with pytest.raises(StepError) as caught:
        made.look("key")
    assert "SlowDown" in caught.value.seen
    assert 3 < client.calls < GIVE_UP_AFTER_S


@pytest.mark.parametrize("code", ["AccessDenied", "403", "InvalidAccessKeyId"])
def test_a_refusal_is_not_asked_again(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(code)
    with pytest.raises(StepError) as caught:
        store_of(client, monkeypatch).look("key")
    assert client.calls == 1
    assert caught.value.code == 4002
    assert code in caught.value.seen


@pytest.mark.parametrize("code", ["404", "NoSuchKey", "NoSuchVersion"])
def test_nothing_there_is_an_answer(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_of(Client(code), monkeypatch).look("key") is None


def test_an_address_is_split() -> None:
    assert split_bucket("s3://acme-1/a/b/") == ("acme-1", "a/b")
    assert split_bucket("s3://acme-1") == ("acme-1", "")
    assert Bucket("acme-1").where("x.tar") == "s3://acme-1/x.tar"
    assert Bucket("acme-1", "a/b").where("x.tar") == "s3://acme-1/a/b/x.tar"


def test_a_place_is_what_the_fields_say() -> None:
    given = S3Options(lock=timedelta(days=30), lock_mode="COMPLIANCE", region="eu-1")
    assert place_of("s3://acme-1/a", given, Path("/playbooks")) == Bucket(
        "acme-1", "a", "eu-1", lock=timedelta(days=30), lock_mode="COMPLIANCE"
    )
    assert place_of("kept", None, Path("/playbooks")) == Folder(Path("/playbooks/kept"))


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "bucket in capitals": (lambda: Backup(to="s3://Acme/x"), "the bucket by its name"),
    "no bucket": (lambda: Backup(to="s3://"), "the bucket by its name"),
    "options without": (lambda: Backup(s3=S3Options()), "beside `s3`"),
    "spool without": (lambda: Decommission(spool="x"), "beside `spool`"),
    "recipient": (lambda: Backup(encrypt=("age1x",)), "an age recipient"),
    "identity": (lambda: Backup(encrypt=("AGE-SECRET-KEY-1X",)), "an age recipient"),
    "key alone": (lambda: S3Options(kms_key="k"), "`encryption: aws:kms` beside"),
    "mode alone": (lambda: S3Options(lock_mode="GOVERNANCE"), "`lock` beside"),
    "short lock": (lambda: S3Options(lock=timedelta(hours=1)), "one day or more"),
    "endpoint": (lambda: S3Options(endpoint_url="minio:9000"), "the URL of a service"),
    "user in it": (lambda: S3Options(endpoint_url="http://u:p@h"), "without a user"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_together_is_refused(name: str) -> None:
    make, says = WRONG[name]
    with pytest.raises(ValidationError, match=says):
        make()
