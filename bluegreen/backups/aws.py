"""What all calls of AWS here have in common: deadlines, trying again, error codes.

Owns when a call is done again, known by AWS's code and never by words. What is called
is for `s3.py` and `rds.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from bluegreen.model.clock import Clock

CONNECT_TIMEOUT_S = 10
TRIES_OF_A_REQUEST = 4
"""By botocore, with growing waits."""

GIVE_UP_AFTER_S = 120.0
"""A service that has throttled us for two minutes does not want us now."""

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 20.0

_PASSES_BY_ITSELF = frozenset(
    {
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "429",
        "500",
        "502",
        "503",
        "504",
    }
)
Given = TypeVar("Given")


def outlast(call: Callable[[], Given], clock: Clock) -> Given:
    """Do it, and again while the service throttles or is away."""
    retrying = Retrying(
        retry=retry_if_exception(lambda error: code_of(error) in _PASSES_BY_ITSELF),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        stop=stop_after_delay(GIVE_UP_AFTER_S),
        sleep=clock.sleep,
        reraise=True,
    )
    return retrying(call)


def unless(codes: Collection[str], call: Callable[[], Given]) -> Given | None:
    """What the call gives; None where AWS answers with one of these codes."""
    # Only a playbook that names a place in AWS should pay for its import.
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        if code_of(error) in codes:
            return None
        raise


def code_of(error: BaseException) -> str:
    """AWS's code of an error; empty where the error is not the service's."""
    response = getattr(error, "response", None)
    return str(response["Error"]["Code"]) if isinstance(response, dict) else ""
