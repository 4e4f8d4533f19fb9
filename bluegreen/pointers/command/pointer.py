"""A pointer that bluegreen knows only by programs: one reads it, one moves it.

Owns what their answers must be, and that nothing is believed which `get` does not
confirm. Running them is in `program.py`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, StepError, TrafficUnknownError
from bluegreen.model.finding import Finding, Severity, checked
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.command.program import run_program
from bluegreen.pointers.plain import PlainPointer
from bluegreen.pointers.pointer import PointerFacts

PLACE = "{side}"
"""Stands for the wanted side in `set`."""

_SHOWN = 60


class CommandPointer(PlainPointer):
    """Whatever the programs of the playbook move.

    Attributes:
        holds_clients: both `pause` and `resume` are there.
    """

    def __init__(self, *, client_password: Secret | None, **given: Any) -> None:
        """Describe it; nothing is run yet.

        Args:
            client_password: for `client`.
            given: `id`, the programs `get`, `set`, `pause`, `resume` and `check` as
                lists (empty where there is none), `timeout_s`, `home`, `client`.
        """
        super().__init__(given["id"], given["client"], client_password)
        self._given = dict(given)
        self._password = client_password
        self.holds_clients = bool(given["pause"] and given["resume"])
        self._home, self._within_s = Path(given["home"]), float(given["timeout_s"])

    def spec(self) -> dict[str, Any]:
        """What `from_spec` needs, passwords in clear."""
        password = self._password.reveal() if self._password else None
        return {**self._given, "client_password": password}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same pointer in another process."""
        password = spec["client_password"]
        return cls(
            **{**spec, "client_password": Secret(password) if password else None}
        )

    def observe(self) -> PointerFacts:
        """Run `get`.

        Raises:
            StepError: 4009, it failed, or its answer is none.
        """
        out = self._run("get").strip()
        names, paused = self._read(out)
        return PointerFacts(names, paused, str(names or out[:_SHOWN]))

    def check(self, others: Sequence[Any] = ()) -> list[Finding]:
        """Run `get` and `check`, and come in as a client."""
        found = [] if self.holds_clients else [_not_held(self.id)]
        for look in (self._require_named, self._check, self._warm_client):
            try:
                look()
            except BluegreenError as error:
                found.append(_as_finding(self.id, error))
        return found

    def prove(self, side: Side, others: Sequence[Any] = ()) -> None:
        """Run `check`, where there is one.

        Raises:
            StepError: 4009.
        """
        self._check()

    def pause(self, budget: timedelta) -> None:
        """Hold clients back, where it can; on failure hold back none.

        Raises:
            StepError: 4009, it failed, or `get` does not say paused.
            TrafficUnknownError: 7001, and `resume` failed too.
        """
        if not self.holds_clients:
            return
        try:
            self._run("pause", budget.total_seconds())
            if not self.observe().paused:
                raise self._failed("pause", "`get` does not say that it is paused")
        except BluegreenError as error:
            self._take_back(error)
            raise

    def resume(self) -> None:
        """Let clients go on, and see that they do.

        Raises:
            StepError: 4009.
        """
        if not self.holds_clients:
            return
        self._run("resume")
        if self.observe().paused:
            raise self._failed("resume", "`get` says that it is paused")

    def move(self, side: Side) -> None:
        """Run `set` where `get` does not name the side, and ask `get` again.

        Raises:
            StepError: 4009.
        """
        if self.observe().names is side:
            return
        self._run("set", side=side)
        if (facts := self.observe()).names is not side:
            raise self._failed("set", f"`get` says {facts.seen} after it")

    def by_hand(self, side: Side) -> str:
        """The program, as a shell takes it."""
        return f"`{shlex.join(self._command('set', side))}`"

    def resume_by_hand(self) -> str:
        """The program, as a shell takes it."""
        return shlex.join(self._given["resume"]) or "nothing: it holds no client back"

    def _run(self, name: str, within_s: float = 0, *, side: Side | None = None) -> str:
        span = min(within_s or self._within_s, self._within_s)
        ended = run_program(self._command(name, side), self._home, span)
        if ended.why_not:
            raise self._failed(name, ended.why_not)
        return ended.out

    def _command(self, name: str, side: Side | None = None) -> list[str]:
        words: list[str] = self._given[name]
        return [word.replace(PLACE, str(side)) if side else word for word in words]

    def _read(self, out: str) -> tuple[Side | None, bool]:
        """`blue`, `green` or `neither`; or JSON, which alone can tell of a pause."""
        answers: dict[str, Side | None] = {str(side): side for side in Side}
        answers["neither"] = None
        if not self.holds_clients and out in answers:
            return answers[out], False
        try:
            told = json.loads(out)
            names, paused = answers[told["names"]], told.get("paused", False)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._no_answer(out) from None
        if not isinstance(paused, bool) or (
            self.holds_clients and "paused" not in told
        ):
            raise self._no_answer(out)
        return names, paused

    def _no_answer(self, out: str) -> StepError:
        also = "" if self.holds_clients else "blue, green or neither; or "
        return StepError(
            Code.POOLER_FAILED,
            f"pointer {self.id}: its program `get` gives no answer that is one",
            seen=" ".join(out.split())[:_SHOWN] or "nothing",
            wanted=also + '{"names": "blue", "paused": false} on its standard output',
            hint="correct the program; what it says for people belongs to its standard "
            "error",
        )

    def _failed(self, name: str, seen: str) -> StepError:
        return StepError(
            Code.POOLER_FAILED,
            f"pointer {self.id}: its program `{name}` did not do what it should",
            seen=seen,
            wanted="status 0 in time, and what `get` then says",
            hint="run it by hand: "
            + shlex.join(self._given[name]).replace("{side}", "SIDE"),
        )

    def _take_back(self, error: BluegreenError) -> None:
        try:
            self.resume()
        except BluegreenError as unsaid:
            raise TrafficUnknownError(
                Code.TRAFFIC_UNKNOWN,
                f"pointer {self.id} may hold clients back",
                seen="\n".join((error.seen, unsaid.seen)),
                wanted="`get` that says paused: false after `resume`",
                hint=f"type `{self.resume_by_hand()}`",
            ) from None

    def _require_named(self) -> None:
        facts = self.observe()
        if facts.names is None:
            raise StepError(
                Code.POINTER_ELSEWHERE,
                f"pointer {self.id} names neither blue nor green",
                seen=facts.seen,
                wanted="blue",
                hint="what does its program `get` compare with? Correct that",
            )

    def _check(self) -> None:
        if self._given["check"]:
            self._run("check")

    def _warm_client(self) -> None:
        if self.client is not None:
            self.client.warm_up()


def _as_finding(where: str, error: BluegreenError) -> Finding:
    return checked(
        id=f"command-{int(error.code)}",
        where=where,
        seen="\n".join(filter(None, (error.problem, error.seen))),
        why="what fails before a move would stop it in its middle",
        fix=error.hint,
        blocks=True,
    )


def _not_held(where: str) -> Finding:
    return checked(
        id="command-holds-no-client",
        where=where,
        seen="the pointer has no `pause` and `resume`",
        why="clients meet errors from the fence on until they come to the other side",
        fix="where what it moves can hold clients back, give it both programs",
        severity=Severity.INFO,
    )
