"""The table of error codes: what an error is, by what the operator does next.

Owns the numbers, which are in messages, scripts and the journal and never change their
meaning. `docs/errors.md` has a section on each.
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """An error code; the thousands are the exit status, and `text` says what it is."""

    text: str

    def __new__(cls, number: int, text: str = "") -> Code:
        """One of the table; `Code(4003)` finds it by its number alone."""
        code = int.__new__(cls, number)
        code._value_ = number
        code.text = text
        return code

    # 2: the playbook
    PLAYBOOK_UNREADABLE = 2001, "the playbook cannot be read"
    PLAYBOOK_NOT_YAML = 2002, "the playbook is not the YAML that is accepted"
    PLAYBOOK_NOT_VALID = 2003, "the playbook does not fit its schema"
    REFERENCE_WITHOUT_VALUE = 2004, "a reference in the playbook has no value"
    PASSWORD_IN_PLAYBOOK = 2005, "a password is written in the playbook"
    HAZARD_NOT_ALLOWED = 2006, "a hazard is not allowed by the playbook"
    PLAN_OUT_OF_DATE = 2007, "the plan is out of date"
    CALL_NOT_VALID = 2008, "the words of the call do not fit together"
    STEP_DOES_NOT_FIT = 2009, "a step's parameters do not fit the servers"
    # 3: the servers, nothing touched
    SERVER_UNREACHABLE = 3001, "a server cannot be reached"
    NOT_A_PAIR = 3002, "the databases are not a pair"
    CHECK_BLOCKS = 3003, "the check found something that blocks"
    GREEN_NOT_EMPTY = 3004, "green is not empty"
    TOO_OLD = 3005, "a server or tool is too old for what is asked"
    PROGRAM_MISSING = 3006, "a needed program is missing"
    POINTER_ELSEWHERE = 3007, "a pointer does not name what the playbook says"
    RIGHT_MISSING = 3008, "a right is missing"
    ROWS_DO_NOT_FLOW = 3009, "rows would not flow both ways"
    TARGET_NOT_EMPTY = 3010, "a database to restore into is not a new, empty one"
    # 4: run again
    GOAL_NOT_REACHED = 4001, "a step did not reach its wanted state"
    BACKUP_NOT_PROVED = 4002, "a backup could not be taken or proved"
    STREAM_STOPPED = 4003, "the initial copy or the stream stopped"
    MIGRATION_FAILED = 4004, "a migration failed"
    DIFFERENCE_FOUND = 4005, "validation found a difference"
    SERVER_WENT_AWAY = 4006, "a server went away"
    INTERRUPTED = 4007, "interrupted"
    CERTIFICATE_NOT_VALID = 4008, "the certificate does not hold"
    POOLER_FAILED = 4009, "a pointer did not do what it was told"
    STATEMENT_REFUSED = 4010, "a server refused a statement"
    SWITCHOVER_BLOCKED = 4011, "a monitor says that traffic must not move"
    # 5: out of time, backed out
    PAUSE_OVER_BUDGET = 5001, "the pause ran over its budget"
    WAIT_OVER_DEADLINE = 5002, "a wait ran over its deadline"
    FENCE_NOT_CLOSED = 5003, "the fence could not be closed in time"
    # 6: the way back
    ROLLBACK_LOSES_DATA = 6001, "rollback would lose data"
    ROLLBACK_NOT_OPEN = 6002, "rollback is not open"
    # 7: stop and look
    TRAFFIC_UNKNOWN = 7001, "it cannot be confirmed where traffic goes"
    SIDE_NOT_PROVED = 7002, "decommission cannot prove the side"
    # 8: journal and lease
    LEASE_HELD = 8001, "another operator holds the lease"
    JOURNALS_DISAGREE = 8002, "the journals disagree"
    DECOMMISSION_NOT_DUE = 8003, "decommission is not due"
    JOURNAL_NOT_WRITABLE = 8004, "the journal cannot be written"
    JOURNAL_CHANGED = 8005, "the journal is not what was written"
    NOTHING_TO_CANCEL = 8006, "there is no switchover to cancel"
    # 70
    BUG = 70001, "a bug in bluegreen"
