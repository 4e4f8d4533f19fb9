"""The named dangers that a plan prints and a playbook allows by name."""

from __future__ import annotations

from enum import StrEnum


class Hazard(StrEnum):
    """A danger that comes with an action. `meaning` says what it is in one line."""

    STOPS_WRITES = "STOPS_WRITES"
    MOVES_TRAFFIC = "MOVES_TRAFFIC"
    RETAINS_WAL_ON_BLUE = "RETAINS_WAL_ON_BLUE"
    LOADS_BLUE = "LOADS_BLUE"
    LOADS_GREEN = "LOADS_GREEN"
    CHANGES_GREEN_SCHEMA = "CHANGES_GREEN_SCHEMA"
    CHANGES_BLUE_SCHEMA = "CHANGES_BLUE_SCHEMA"
    RUNS_A_COMMAND = "RUNS_A_COMMAND"
    DELETES_DATA = "DELETES_DATA"
    ENDS_ROLLBACK = "ENDS_ROLLBACK"
    UNVERIFIED_TLS = "UNVERIFIED_TLS"
    ABANDONS_GREEN = "ABANDONS_GREEN"
    ENDS_SESSIONS = "ENDS_SESSIONS"

    @property
    def meaning(self) -> str:
        """One line for the person who must allow it."""
        return _MEANINGS[self]


_MEANINGS = {
    Hazard.STOPS_WRITES: "writes wait for the length of the pause",
    Hazard.MOVES_TRAFFIC: "clients are sent to the other side",
    Hazard.RETAINS_WAL_ON_BLUE: "a slot keeps WAL on blue until green has it",
    Hazard.LOADS_BLUE: "blue is read from end to end",
    Hazard.LOADS_GREEN: "a whole copy of blue is written and read beside green",
    Hazard.CHANGES_GREEN_SCHEMA: "green's schema changes",
    Hazard.CHANGES_BLUE_SCHEMA: "blue's schema changes while it serves",
    Hazard.RUNS_A_COMMAND: "a program named by the playbook runs here",
    Hazard.DELETES_DATA: "data is deleted for good",
    Hazard.ENDS_ROLLBACK: "the way back to blue closes",
    Hazard.UNVERIFIED_TLS: "a server on the network need not prove who it is",
    Hazard.ABANDONS_GREEN: "green's slot goes when it keeps too much WAL on blue; "
    "green must be made again then",
    Hazard.ENDS_SESSIONS: "sessions on the side that was left are ended; clients that "
    "no pooler holds back meet errors until they come to the other side",
}
