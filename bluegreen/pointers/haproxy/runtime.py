"""HAProxy's runtime socket: one line of commands, one answer.

Owns the socket, with a deadline, and reading `show servers state`. What the states mean
is for `pointer.py`.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused

ANSWER_S = 2.0
"""It answers in less than a millisecond."""

_MAINT = 0x01 | 0x02 | 0x20
"""Maintenance by command or `disabled`, by another server's, by a host name that is not
found. 0x04 says that the configuration has `disabled`, and stays once it is ready."""

_DRAIN = 0x08 | 0x10
_MOST = 1_000_000  # bytes of an answer: thousands of servers


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server of a backend.

    Attributes:
        is_ready: it takes new sessions as far as an administrator is concerned.
        is_up: its health checks do not say that it is down.
    """

    address: str
    is_ready: bool
    is_up: bool


class Runtime:
    """The socket, a path or `host:port`; it must be of level admin."""

    def __init__(self, at: str) -> None:
        self.at = at

    def say(self, *commands: str) -> str:
        """Send commands in one line; all that is answered, without empty lines.

        Raises:
            ServerRefused: 3001, it cannot be reached, or did not answer in time.
        """
        until = time.monotonic() + ANSWER_S
        try:
            with self._connected() as line:
                line.sendall(("; ".join(commands) + "\n").encode())
                answer = b""
                while len(answer) < _MOST:
                    line.settimeout(max(0.001, until - time.monotonic()))
                    if not (more := line.recv(65_536)):
                        break
                    answer += more
        except OSError as error:
            raise ServerRefused(
                Code.SERVER_UNREACHABLE,
                f"HAProxy's runtime socket {self.at} cannot be reached",
                seen=str(error),
                wanted=f"an answer within {ANSWER_S:.0f} s",
                hint="`stats socket PATH mode 660 level admin` in its `global`; may we "
                "read and write the path?",
            ) from None
        lines = answer.decode(errors="replace").splitlines()
        return "\n".join(one for one in lines if one.strip())

    def servers(self, backend: str) -> dict[str, ServerState]:
        """The servers of a backend by name.

        Raises:
            ServerRefused: 3001; 3007, there is no such backend.
        """
        answer = self.say(f"show servers state {backend}")
        rows = [line.split() for line in answer.splitlines()]
        header = next((row[1:] for row in rows if row[:2] == ["#", "be_id"]), None)
        if header is None:
            raise ServerRefused(
                Code.POINTER_ELSEWHERE,
                f"HAProxy at {self.at} has no backend {backend}",
                seen=answer or "nothing",
                wanted="its servers, by `show servers state`",
                hint="is `backend` of the pointer right?",
            )
        found = {}
        for row in rows:
            told = dict(zip(header, row, strict=False))
            if told.get("be_name") == backend:
                admin = int(told["srv_admin_state"])
                found[told["srv_name"]] = ServerState(
                    f"{told['srv_addr']}:{told.get('srv_port', '?')}",
                    not admin & (_MAINT | _DRAIN),
                    told["srv_op_state"] != "0" or bool(admin & _MAINT),
                )
        return found

    def _connected(self) -> socket.socket:
        tcp = re.fullmatch(r"(.+):(\d+)", self.at)
        if tcp and not self.at.startswith("/"):
            host = tcp[1].removeprefix("[").removesuffix("]")
            return socket.create_connection((host, int(tcp[2])), ANSWER_S)
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(ANSWER_S)
        try:
            line.connect(str(Path(self.at)))
        except BaseException:
            line.close()
            raise
        return line
