"""One hosted zone of Route 53: reading a record, changing it, waiting for the change.

Owns the wire, by boto3: credentials by its own chain, a time-out on every call and one
over all tries, and what its error codes mean. Which record, and why, is for
`pointer.py`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, ServerRefused, StepError

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.type_defs import (
        ChangeBatchTypeDef,
        ResourceRecordSetOutputTypeDef,
    )

CONNECT_S, READ_S = 2, 5
"""Route 53 answers within a second; a call that takes longer is tried again."""

GIVE_UP_S = 20.0
"""All tries of one call. Its limit is five calls a second for a whole account, so
throttling by what else runs there is common, and over soon."""

_BUSY = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "PriorRequestNotComplete",
        "ServiceUnavailable",
        "InternalFailure",
        "InternalError",
        "RequestTimeout",
    }
)
_NO_RIGHT = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "InvalidClientTokenId",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NO_KEY = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)


class StaleChangeError(Exception):
    """The batch was refused as it does not fit what is there; the text is AWS's."""


class HostedZone:
    """One hosted zone, by its id."""

    def __init__(self, zone: str) -> None:
        self.id = zone

    def records(self, name: str, kind: str) -> list[ResourceRecordSetOutputTypeDef]:
        """All record sets of a name and type; more than one where they are weighted.

        Raises:
            ServerRefused: 3001, 3007 or 3008.
        """
        answer = self._call(
            "list_resource_record_sets",
            HostedZoneId=self.id,
            StartRecordName=name,
            StartRecordType=kind,
        )
        return [
            one
            for one in answer["ResourceRecordSets"]
            if one["Type"] == kind and _plain(one["Name"]) == name
        ]

    def change(self, batch: ChangeBatchTypeDef) -> str:
        """Make all changes of a batch or none; gives the id of the change.

        Raises:
            StaleChangeError: it does not fit what is there.
            ServerRefused: 3001, it may have been made; 3007 or 3008.
        """
        answer = self._call(
            "change_resource_record_sets", HostedZoneId=self.id, ChangeBatch=batch
        )
        return str(answer["ChangeInfo"]["Id"])

    def is_everywhere(self, change: str) -> bool:
        """Whether all servers of Route 53 give what a change has made.

        Raises:
            ServerRefused: 3001 or 3008.
        """
        answer = self._call("get_change", Id=change)
        return bool(answer["ChangeInfo"]["Status"] == "INSYNC")

    @cached_property
    def _client(self) -> Route53Client:
        # It is one service for all regions; a session without one has none to use.
        return boto3.Session().client(
            "route53",
            region_name="us-east-1",
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                # Tries are counted here, under one deadline.
                retries={"total_max_attempts": 1},
            ),
        )

    def _call(self, name: str, **words: Any) -> Any:
        tries = Retrying(
            retry=retry_if_exception(_passes),
            stop=stop_after_delay(GIVE_UP_S),
            wait=wait_random_exponential(multiplier=0.3, max=3),
            reraise=True,
        )
        try:
            return tries(lambda: getattr(self._client, name)(**words))
        except ClientError as error:
            raise self._meant(error, name) from None
        except _NO_KEY as error:
            raise self._no_right(str(error), name) from None
        except BotoCoreError as error:
            raise self._away(str(error)) from None

    def _meant(self, error: ClientError, name: str) -> BluegreenError | Exception:
        code = str(error.response["Error"]["Code"])
        seen = f"{code}: {error.response['Error'].get('Message', '')}"
        if code == "InvalidChangeBatch":
            return StaleChangeError(seen)
        if code in _BUSY:
            return self._away(seen)
        if code in _NO_RIGHT:
            return self._no_right(seen, name)
        if code in {"NoSuchHostedZone", "InvalidInput"}:
            return ServerRefused(
                Code.POINTER_ELSEWHERE,
                f"Route 53 knows no hosted zone {self.id}",
                seen=seen,
                wanted="the id of the zone that holds the record",
                hint="`aws route53 list-hosted-zones` names it; without `/hostedzone/`",
            )
        return StepError(
            Code.POOLER_FAILED,
            "Route 53 refused what it was asked",
            seen=seen,
            hint="look the code up in the API reference of Route 53; then run again",
        )

    def _away(self, seen: str) -> ServerRefused:
        return ServerRefused(
            Code.SERVER_UNREACHABLE,
            "Route 53 cannot be reached, or is too busy",
            seen=seen,
            wanted=f"an answer within {GIVE_UP_S:.0f} s",
            hint="does this machine reach route53.amazonaws.com? Then run again",
        )

    def _no_right(self, seen: str, name: str) -> ServerRefused:
        action = "".join(word.capitalize() for word in name.split("_"))
        return ServerRefused(
            Code.RIGHT_MISSING,
            "Route 53 does not let us read or change the record",
            seen=seen,
            wanted=f"credentials with the right route53:{action}",
            hint="bluegreen takes credentials as the aws command does: environment, "
            "profile, or the machine's role. See docs/pointers/route53.md",
        )


def _passes(error: BaseException) -> bool:
    """Whether another try may do; a change is made of a condition, so twice is once."""
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in _BUSY
    return isinstance(error, BotoCoreError) and not isinstance(error, _NO_KEY)


def _plain(name: str) -> str:
    """A name as Route 53 gives it, with octal escapes, in the form that we compare."""
    return name.lower().replace(r"\137", "_").replace(r"\052", "*")
