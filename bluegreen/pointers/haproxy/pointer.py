"""A backend of HAProxy as a pointer: of two servers, one takes sessions.

Owns which commands move it. HAProxy cuts sessions and holds none back, so clients meet
one error and come again, to the other server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, ServerRefused, StepError
from bluegreen.model.finding import Finding, Severity, checked
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.haproxy.runtime import Runtime, ServerState
from bluegreen.pointers.plain import PlainPointer
from bluegreen.pointers.pointer import PointerFacts

_KEEPS = re.compile(r"^\s*load-server-state-from-file\s+(global|local)\b", re.MULTILINE)
_FILE = re.compile(r"^\s*server-state-file(-name)?\s+\S", re.MULTILINE)


class HaproxyPointer(PlainPointer):
    """One backend with a server for each side."""

    def __init__(self, *, client_password: Secret | None, **given: Any) -> None:
        """Describe it; nothing is asked yet.

        Args:
            client_password: for `client`.
            given: `id`, `socket`, `backend`, `servers` by side, `config_file`, which
                may be None, and `client`.
        """
        self._given, self._password = dict(given), client_password
        super().__init__(given["id"], given["client"], client_password)
        self._runtime = Runtime(given["socket"])
        self._backend: str = given["backend"]
        self._servers: dict[Side, str] = dict(given["servers"])
        file = given["config_file"]
        self._config = Path(file) if file else None

    def spec(self) -> dict[str, Any]:
        """What `from_spec` needs, passwords in clear."""
        password = self._password.reveal() if self._password else None
        servers = {str(side): name for side, name in self._servers.items()}
        return {**self._given, "servers": servers, "client_password": password}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same pointer in another process."""
        password = spec["client_password"]
        servers = {Side(side): name for side, name in spec["servers"].items()}
        secret = Secret(password) if password else None
        return cls(**{**spec, "servers": servers, "client_password": secret})

    def observe(self) -> PointerFacts:
        """The side whose server takes sessions, where it is one alone.

        Raises:
            ServerRefused: 3001 or 3007.
        """
        states = self._states()
        ready = [side for side, state in states.items() if state.is_ready]
        seen = ", ".join(
            f"{self._servers[side]} {'ready' if state.is_ready else 'maint'}"
            for side, state in states.items()
        )
        return PointerFacts(ready[0] if len(ready) == 1 else None, False, seen)

    def check(self, others: Sequence[Any] = ()) -> list[Finding]:
        """Look at socket, backend, servers, the right, reloads and the client."""
        found = [_not_held(self.id), *self._reloads()]
        for look in (self._require_named, self._try_right, self._warm_client):
            try:
                look()
            except BluegreenError as error:
                found.append(_as_finding(self.id, error))
        return found

    def prove(self, side: Side, others: Sequence[Any] = ()) -> None:
        """See that we may set states, by setting one as it stands.

        Raises:
            ServerRefused: 3001, 3007 or 3008; the server of `side` is down by its
                health checks.
        """
        self._try_right()
        state = self._states()[side]
        if not state.is_up:
            raise ServerRefused(
                Code.POINTER_ELSEWHERE,
                f"pointer {self.id}: HAProxy's health checks say that {side} is down",
                seen=f"{self._servers[side]} at {state.address}",
                wanted="a server that is up",
                hint="is its address right? `show servers state` tells",
            )

    def move(self, side: Side) -> None:
        """The server of `side` takes sessions, the other none, and its own are cut.

        Raises:
            StepError: 4009, it is not so afterwards.
            ServerRefused: 3001 or 3007.
        """
        if self.observe().names is side:
            return
        said = self._runtime.say(*self._commands(side))
        facts = self.observe()
        if facts.names is not side:
            raise StepError(
                Code.POOLER_FAILED,
                f"pointer {self.id}: HAProxy did not follow",
                seen="\n".join(filter(None, (facts.seen, said))),
                wanted=f"{self._servers[side]} ready, the other in maint",
                hint="may the socket set states (level admin)?",
            )

    def by_hand(self, side: Side) -> str:
        """What to type at the socket."""
        told = "; ".join(self._commands(side))
        kind = "UNIX-CONNECT" if self._runtime.at.startswith("/") else "TCP"
        return f"`echo '{told}' | socat - {kind}:{self._runtime.at}`"

    def _commands(self, side: Side) -> list[str]:
        """The fence stands on the side that is left, so both may be ready a moment."""
        to, left = (f"{self._backend}/{self._servers[s]}" for s in (side, side.other))
        return [
            f"set server {to} state ready",
            f"set server {left} state maint",
            f"shutdown sessions server {left}",
        ]

    def _states(self) -> dict[Side, ServerState]:
        there = self._runtime.servers(self._backend)
        missing = [name for name in self._servers.values() if name not in there]
        if missing:
            raise ServerRefused(
                Code.POINTER_ELSEWHERE,
                f"pointer {self.id}: backend {self._backend} has no server "
                f"{', '.join(missing)}",
                seen=", ".join(there) or "no server",
                wanted="a server for each side",
                hint="give their names as `blue` and `green` of the pointer",
            )
        return {side: there[name] for side, name in self._servers.items()}

    def _require_named(self) -> None:
        facts = self.observe()
        if facts.names is None:
            raise ServerRefused(
                Code.POINTER_ELSEWHERE,
                f"pointer {self.id}: not exactly one of its servers takes sessions",
                seen=facts.seen,
                wanted="blue's server ready, green's in maint",
                hint="write `disabled` at green's server in the configuration, or set "
                "its state at the socket",
            )

    def _try_right(self) -> None:
        """Set the state that a server has; what drains is left alone."""
        for side, state in self._states().items():
            if not state.is_ready:
                continue
            name = f"{self._backend}/{self._servers[side]}"
            if said := self._runtime.say(f"set server {name} state ready"):
                raise ServerRefused(
                    Code.RIGHT_MISSING,
                    f"pointer {self.id}: HAProxy does not let us set a state",
                    seen=said,
                    wanted="a socket of level admin",
                    hint="`stats socket PATH mode 660 level admin` in its `global`",
                )

    def _warm_client(self) -> None:
        if self.client is not None:
            self.client.warm_up()

    def _reloads(self) -> list[Finding]:
        """A reload starts a new process, which knows nothing of states by itself."""
        try:
            text = self._config.read_text(errors="replace") if self._config else ""
        except OSError as error:
            text, why = "", f"{self._config}: {error.strerror}"
        else:
            why = f"{self._config} names no state file" if text else "not looked at"
        if _KEEPS.search(text) and _FILE.search(text):
            return []
        return [
            checked(
                id="reload-forgets-states",
                where=self.id,
                seen=f"whether states outlive a reload of HAProxy: {why}",
                why="it would lead clients back to the fenced side",
                fix="`server-state-file` in `global`, `load-server-state-from-file "
                "global` in the backend, and `show servers state > FILE` before each "
                "reload; name the file as `config_file` of the pointer",
                severity=Severity.WARNING,
            )
        ]


def _as_finding(where: str, error: BluegreenError) -> Finding:
    return checked(
        id=f"haproxy-{int(error.code)}",
        where=where,
        seen="\n".join(filter(None, (error.problem, error.seen))),
        why="what cannot be seen before a move would stop it in its middle",
        fix=error.hint,
        blocks=True,
    )


def _not_held(where: str) -> Finding:
    return checked(
        id="haproxy-holds-no-client",
        where=where,
        seen="HAProxy cuts sessions and holds none back",
        why="clients meet errors from the fence on until they connect again",
        fix="put a PgBouncer in front, where clients must feel nothing",
        severity=Severity.INFO,
    )
