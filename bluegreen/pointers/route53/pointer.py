"""A record of Route 53 as a pointer.

Owns the compare-and-set there: one batch deletes the record as it was read and creates
it as it is wanted. Route 53 takes a batch whole or not at all, and refuses to delete
what is not there in just that form.
"""

from __future__ import annotations

import json
import shlex
import time
from typing import TYPE_CHECKING, Any

from bluegreen.model.finding import Finding
from bluegreen.model.side import Side
from bluegreen.pointers.names import errors
from bluegreen.pointers.names.pointer import NamePointer
from bluegreen.pointers.names.values import Held, in_one_form
from bluegreen.pointers.pointer import move_name
from bluegreen.pointers.route53.zone import HostedZone, StaleChangeError

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import (
        ResourceRecordSetOutputTypeDef,
        ResourceRecordSetTypeDef,
    )

CONFIRM_S = 120.0
"""Amazon says that changes are everywhere within 60 s, as a rule."""

POLL_S = 2.0
"""Each look is one of the five calls a second that an account has; boto3's own waiter
looks every 30 s."""


class Route53Pointer(NamePointer):
    """One record set of a hosted zone."""

    def __init__(
        self, *, hosted_zone: str, set_identifier: str | None = None, **given: Any
    ) -> None:
        """Describe it; nothing is asked yet.

        Args:
            hosted_zone: id of the zone.
            set_identifier: which of several record sets of that name, where they are
                weighted or the like.
            given: as `NamePointer` takes it.
        """
        self.zone = HostedZone(hosted_zone.removeprefix("/hostedzone/"))
        self._identifier = set_identifier
        self._change = ""
        super().__init__(**given)
        self._given |= {"hosted_zone": hosted_zone, "set_identifier": set_identifier}

    @property
    def record(self) -> str:
        """As a person names it."""
        of_set = f" ({self._identifier})" if self._identifier else ""
        return f"{super().record}{of_set}"

    def read(self) -> Held:
        """Ask Route 53's API, where a change shows at once.

        Raises:
            ServerRefused: 3001, 3007 or 3008.
        """
        return self._held(self._found())

    def replace(self, held: Held, wanted: Held) -> None:
        """One batch: delete it as it was read, create it as it is wanted.

        What else the record set has, a weight or a health check, stays.

        Raises:
            StepError: 4009, it holds something else by now.
            ServerRefused: 3001, 3007 or 3008.
        """
        found = self._found()
        if (seen := self._held(found)) != held:
            raise errors.changed(self.id, self.record, str(seen), str(held))
        try:
            self._change = self.zone.change(
                {
                    "Comment": move_name(),
                    "Changes": [
                        {"Action": "DELETE", "ResourceRecordSet": _as_given(found)},
                        {
                            "Action": "CREATE",
                            "ResourceRecordSet": _with(found, wanted),
                        },
                    ],
                }
            )
        except StaleChangeError as error:
            # A call whose answer was lost is tried again, and does not fit any more.
            if self.read() != wanted:
                raise errors.changed(
                    self.id, self.record, str(error), str(held)
                ) from None

    def confirm(self, side: Side) -> None:
        """Wait until every server of Route 53 gives what was changed here.

        Raises:
            StepError: 4009, it did not within the deadline.
            ServerRefused: 3001 or 3008.
        """
        until = time.monotonic() + CONFIRM_S
        while self._change and not self.zone.is_everywhere(self._change):
            if time.monotonic() > until:
                raise errors.did_not_follow(
                    self.id,
                    self.record,
                    f"change {self._change} is PENDING after {CONFIRM_S:.0f} s",
                    "INSYNC",
                )
            time.sleep(POLL_S)

    def look_around(self, held: Held) -> list[Finding]:
        """Route 53's servers are its own business."""
        return []

    def look_up(self, host: str) -> str:
        """Left to libpq."""
        return ""

    def by_hand(self, side: Side) -> str:
        """The call of the aws command; it compares nothing."""
        record = {
            "Name": self.name,
            "Type": str(self.type),
            **({"SetIdentifier": self._identifier} if self._identifier else {}),
            "TTL": int(self.max_ttl.total_seconds()),
            "ResourceRecords": [{"Value": value} for value in self.values[side]],
        }
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        told = (
            "aws route53 change-resource-record-sets --hosted-zone-id "
            f"{self.zone.id} --change-batch {shlex.quote(json.dumps(batch))}"
        )
        # Its weight is Route 53's to know, and an UPSERT must name it.
        also = "; add the set's own keys, such as Weight" if self._identifier else ""
        return f"`{told}`{also}"

    def _found(self) -> ResourceRecordSetOutputTypeDef:
        """The one record set that is meant.

        Raises:
            ServerRefused: 3001, 3007 or 3008.
        """
        sets = self.zone.records(self.name, str(self.type))
        ours = [one for one in sets if one.get("SetIdentifier") == self._identifier]
        if len(ours) == 1 and "AliasTarget" not in ours[0]:
            return ours[0]
        named = ", ".join(one.get("SetIdentifier", "") for one in sets)
        seen = "nothing"
        if ours:
            seen = "an alias" if len(ours) == 1 else "it is there more than once"
        elif sets:
            seen = f"sets with the identifiers {named}"
        raise errors.no_record(self.id, self.record, seen)

    def _held(self, found: ResourceRecordSetOutputTypeDef) -> Held:
        values = (one["Value"] for one in found.get("ResourceRecords", []))
        return Held(in_one_form(self.type, values), int(found.get("TTL", 0)))


def _as_given(found: ResourceRecordSetOutputTypeDef) -> ResourceRecordSetTypeDef:
    """What was read, as a change takes it."""
    return {**found}


def _with(
    found: ResourceRecordSetOutputTypeDef, wanted: Held
) -> ResourceRecordSetTypeDef:
    """The same record set with other values and TTL."""
    changed = _as_given(found)
    changed["TTL"] = wanted.ttl_s
    changed["ResourceRecords"] = [{"Value": value} for value in wanted.values]
    return changed
