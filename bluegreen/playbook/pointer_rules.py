"""What the keys of a pointer mean together, and with the steps.

Owns the rules that are a pointer's; the others are in `rules.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.hazard import Hazard
from bluegreen.playbook.models import Playbook
from bluegreen.playbook.pointer_models import (
    CommandConfig,
    DnsConfig,
    HaproxyConfig,
    NameConfig,
    PgBouncerConfig,
    PointerConfig,
)
from bluegreen.playbook.tree import Path, Wrong
from bluegreen.pointers.names.values import RecordType, in_one_form, one_name
from bluegreen.steps.cutover import Cutover

Broken = tuple[Path, Wrong]
"""A rule that is broken, and where."""


def broken_pointers(playbook: Playbook) -> Iterator[Broken]:
    """Every rule of a pointer that the playbook breaks."""
    moves = [i for i, step in enumerate(playbook.steps) if step.step == "cutover"]
    if moves and not playbook.pointers:
        yield (
            ("steps", moves[0], "step"),
            Wrong(
                'step "cutover" has no pointer to move',
                wanted="one or more under `pointers`",
                hint="without one, clients stay on blue, which takes no writes then",
            ),
        )
    seen: set[str] = set()
    for index, pointer in enumerate(playbook.pointers):
        if pointer.id in seen:
            key = "id" if "id" in pointer.model_fields_set else "pointer"
            yield (
                ("pointers", index, key),
                Wrong(
                    f'two pointers have the id "{pointer.id}"',
                    wanted="an id that no other pointer has",
                ),
            )
        seen.add(pointer.id)
        yield from _of_kind(playbook, index, pointer)
        for key in ("console", "client"):
            dsn = getattr(pointer, key, None)
            if dsn and dsn.password and getattr(pointer, f"{key}_password"):
                yield ("pointers", index, f"{key}_password"), twice(f"{key}_password")
    yield from _ends_sessions(playbook)


def twice(key: str) -> Wrong:
    """A password that stands in two places."""
    return Wrong(
        "{subject} comes twice: here and in the DSN",
        hint=f"keep `{key}` and take the other out",
    )


def _of_kind(
    playbook: Playbook, index: int, pointer: PointerConfig
) -> Iterator[Broken]:
    if isinstance(pointer, PgBouncerConfig):
        yield from _addresses(playbook, index, pointer)
    if isinstance(pointer, NameConfig):
        yield from _record(index, pointer)
    if isinstance(pointer, CommandConfig):
        yield from _programs(playbook, index, pointer)
    if isinstance(pointer, HaproxyConfig) and pointer.blue == pointer.green:
        yield (
            ("pointers", index, "green"),
            Wrong(f'pointer "{pointer.id}" has one server for blue and green'),
        )
    if isinstance(pointer, DnsConfig) and bool(pointer.key) != bool(pointer.key_secret):
        yield (
            ("pointers", index, "key" if pointer.key else "key_secret"),
            Wrong(
                f'pointer "{pointer.id}" has half of a TSIG key',
                wanted="both key and key_secret, or neither where the server takes "
                "updates by address",
            ),
        )


def _programs(
    playbook: Playbook, index: int, pointer: CommandConfig
) -> Iterator[Broken]:
    if not any("{side}" in word for word in pointer.set):
        yield (
            ("pointers", index, "set"),
            Wrong(
                "{subject} does not say where to", wanted="{side} in one of its words"
            ),
        )
    if bool(pointer.pause) != bool(pointer.resume):
        given = "pause" if pointer.pause else "resume"
        yield (
            ("pointers", index, given),
            Wrong(
                f'pointer "{pointer.id}" has one of pause and resume',
                wanted="both, or neither",
            ),
        )
    if Hazard.RUNS_A_COMMAND not in playbook.allow:
        yield (
            ("pointers", index, "pointer"),
            Wrong(
                f'pointer "{pointer.id}" runs programs here',
                code=Code.HAZARD_NOT_ALLOWED,
                wanted="the hazard allowed by name",
                hint=f"allow: [{Hazard.RUNS_A_COMMAND}]",
            ),
        )


def _lateness(pointer: PointerConfig) -> timedelta | None:
    """How long clients may be late at the least; None where they are held back."""
    if isinstance(pointer, NameConfig):
        return pointer.max_ttl
    if isinstance(pointer, HaproxyConfig) or (
        isinstance(pointer, CommandConfig) and not pointer.pause
    ):
        return timedelta(seconds=1)
    return None


def _record(index: int, pointer: NameConfig) -> Iterator[Broken]:
    try:
        one_name(pointer.name)
    except ValueError as error:
        yield (
            ("pointers", index, "name"),
            Wrong("{subject} is no name", seen=str(error)),
        )
    forms = {}
    for side in ("blue", "green"):
        given = getattr(pointer, side)
        try:
            forms[side] = in_one_form(pointer.type, given)
        except ValueError as error:
            yield (
                ("pointers", index, side),
                Wrong(
                    f"{{subject}} holds no value of type {pointer.type}",
                    seen=str(error),
                ),
            )
        if pointer.type is RecordType.CNAME and len(given) > 1:
            yield (
                ("pointers", index, side),
                Wrong(
                    "{subject} holds more than one name", wanted="one, as it is DNS's"
                ),
            )
    if len(forms) > 1 and forms["blue"] == forms["green"]:
        yield (
            ("pointers", index, "green"),
            Wrong(
                f'pointer "{pointer.id}" has the same value for blue and green',
                wanted="green: [the address or name of green]",
            ),
        )


def _ends_sessions(playbook: Playbook) -> Iterator[Broken]:
    """What holds no client back needs sessions that end, for as long as its TTL."""
    late = {one.id: _lateness(one) for one in playbook.pointers}
    names = [name for name, span in late.items() if span]
    least = max(filter(None, late.values()), default=None)
    for index, step in enumerate(playbook.steps):
        if not isinstance(step, Cutover) or least is None:
            continue
        if step.end_sessions is None or step.end_sessions < least:
            given = "end_sessions" if step.end_sessions is not None else "step"
            shown = ", ".join(names)
            yield (
                ("steps", index, given),
                Wrong(
                    'step "cutover" ends no sessions, and a pointer holds no client '
                    "back"
                    if step.end_sessions is None
                    else '"end_sessions" of step "cutover" is shorter than a TTL',
                    seen=f"clients of {shown} may come to the side that is left for "
                    f"{format_duration(least)}",
                    wanted=f"end_sessions: {format_duration(least)} or more, on the "
                    "step",
                    hint="their sessions there are ended for that long, so that they "
                    "look the name up again; that side's fence refuses their writes",
                ),
            )


def _addresses(
    playbook: Playbook, index: int, pointer: PgBouncerConfig
) -> Iterator[Broken]:
    filled = {
        side: getattr(pointer, side).filled(getattr(playbook, side).dsn)
        for side in ("blue", "green")
    }
    if filled["blue"] == filled["green"] and all(filled["blue"].values()):
        yield (
            ("pointers", index, "green"),
            Wrong(
                f'pointer "{pointer.id}" reaches blue and green at the same address',
                wanted="green: {host: …, port: …} as the pooler reaches it",
            ),
        )
    for side, address in filled.items():
        for key, value in address.items():
            if not value:
                yield (
                    ("pointers", index, side),
                    Wrong(
                        f'pointer "{pointer.id}" cannot know {side}\'s {key}',
                        seen=f"neither the pointer nor {side}'s dsn names it",
                        wanted=f"{side}: {{{key}: …}} as the pooler reaches it",
                    ),
                )
