"""What the keys of a playbook mean together: order of steps, ids, sides.

Owns the rules that no single field can hold. All of them are pure and look at the
playbook alone; what the servers say is for the step `check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.hazard import Hazard
from bluegreen.playbook.models import Playbook
from bluegreen.playbook.pointer_rules import Broken, broken_pointers, twice
from bluegreen.playbook.tree import Path, Wrong
from bluegreen.postgres.tls import weakness
from bluegreen.steps.cutover import Cutover

_ONCE = ("replicate", "migrate", "cutover", "hold", "decommission")
"""Of `migrate` too: files of a second one would be unknown to the first, and one step
takes any number of patterns."""

# step, what must stand before it, why
_AFTER = (
    ("migrate", "replicate", "replicate lays blue's schema on green first"),
    ("validate", "replicate", "there is nothing to compare before it"),
    ("cutover", "replicate", "green must hold blue's rows before traffic moves"),
    ("hold", "cutover", "the window opens when traffic has moved"),
    ("decommission", "hold", "blue is given up only after the window"),
)
# step, what must not stand before it, why
_BEFORE = (
    ("check", "cutover", "it looks at what the cutover needs"),
    ("backup", "cutover", "it keeps blue as it was before anything changed"),
    ("snapshot", "cutover", "it keeps blue as it was before anything changed"),
    ("replicate", "cutover", "green takes blue's rows while blue still serves"),
    ("migrate", "cutover", "green serves from then on, and its schema stays"),
)
# step, what to do with a second one where it is not another move
_MERGE = {"migrate": 'name its files under "files" of the first, in their order'}
_ID = re.compile("[a-z][a-z0-9_-]{0,39}")


def broken_rules(playbook: Playbook) -> Iterator[Broken]:
    """Every rule that the playbook breaks."""
    yield from _ids(playbook)
    yield from _order(playbook)
    yield from _pause(playbook)
    yield from _sides(playbook)
    yield from broken_pointers(playbook)
    yield from _tls(playbook)


def unverified_connections(playbook: Playbook) -> Iterator[tuple[Path, str]]:
    """Where a playbook asks for less than a verified server, and by which word."""
    for side in ("blue", "green"):
        config = getattr(playbook, side)
        words = dict(config.dsn.words)
        if said := weakness(words):
            yield (side, "dsn"), said
        if said := weakness({**words, **config.seen_from_peer}):
            yield (side, "seen_from_peer" if config.seen_from_peer else "dsn"), said
    for index, pointer in enumerate(playbook.pointers):
        for key in ("console", "client"):
            dsn = getattr(pointer, key, None)
            if dsn and (said := weakness(dsn.words)):
                yield ("pointers", index, key), said


def _tls(playbook: Playbook) -> Iterator[Broken]:
    if Hazard.UNVERIFIED_TLS in playbook.allow:
        return
    for path, said in dict.fromkeys(unverified_connections(playbook)):
        yield (
            path,
            Wrong(
                "{subject} lets a server on the network go unverified",
                code=Code.HAZARD_NOT_ALLOWED,
                seen=said,
                wanted="sslmode=verify-full, which stands where nothing is said",
                hint=f"where it is meant, allow it by name: "
                f"allow: [{Hazard.UNVERIFIED_TLS}]",
            ),
        )


def _ids(playbook: Playbook) -> Iterator[Broken]:
    seen: dict[str, int] = {}
    for index, step in enumerate(playbook.steps):
        path: Path = ("steps", index, "id" if step.id else "step")
        if step.id and not _ID.fullmatch(step.id):
            yield (
                path,
                Wrong(
                    "{subject} is no name for a step",
                    wanted="a small letter, then small letters, digits, _ or -",
                ),
            )
        elif step.key in seen and step.step not in _ONCE:
            yield (
                path,
                Wrong(
                    f'two steps have the id "{step.key}"',
                    seen=f"entries {seen[step.key] + 1} and {index + 1} of "
                    '"steps"; a step without an id goes by its kind',
                    wanted="an id that no other step has",
                    hint=f"give this one a name of its own, e.g. id: {step.step}-2",
                ),
            )
        seen.setdefault(step.key, index)


def _order(playbook: Playbook) -> Iterator[Broken]:
    names = [step.step for step in playbook.steps]
    for index, name in enumerate(names):
        before, path = names[:index], ("steps", index, "step")
        for step, first, why in _AFTER:
            if name == step and first not in before:
                yield path, _misplaced(name, f'after step "{first}"', why)
        for step, last, why in _BEFORE:
            if name == step and last in before:
                yield path, _misplaced(name, f'before step "{last}"', why)
        if name in _ONCE and name in before:
            yield (
                path,
                Wrong(
                    f'step "{name}" stands here a second time',
                    wanted=f'one step "{name}" in a playbook',
                    hint=_MERGE.get(name, "take it out, or write a second playbook"),
                ),
            )
        if "decommission" in before and name != "decommission":
            yield path, _misplaced(name, 'before step "decommission"', "it is the end")


def _misplaced(name: str, wanted: str, why: str) -> Wrong:
    return Wrong(
        f'step "{name}" stands in the wrong place',
        wanted=f"{wanted}: {why}",
        hint="the usual order: check, backup, replicate, migrate, validate, approve,\n"
        "cutover, hold, decommission",
    )


def _pause(playbook: Playbook) -> Iterator[Broken]:
    for index, step in enumerate(playbook.steps):
        if isinstance(step, Cutover) and step.drain >= step.max_pause:
            given = "drain" if "drain" in step.model_fields_set else "max_pause"
            yield (
                ("steps", index, given),
                Wrong(
                    '"drain" of step "cutover" leaves nothing of "max_pause"',
                    seen=f"drain {format_duration(step.drain)}, "
                    f"max_pause {format_duration(step.max_pause)}",
                    wanted="a drain shorter than max_pause, which holds it",
                    hint="lower drain or raise max_pause",
                ),
            )


def _sides(playbook: Playbook) -> Iterator[Broken]:
    if dict(playbook.blue.dsn.words) == dict(playbook.green.dsn.words):
        yield (
            ("green", "dsn"),
            Wrong(
                "blue and green are the same database",
                wanted="two databases; on one server they differ in dbname",
            ),
        )
    for side in ("blue", "green"):
        config = getattr(playbook, side)
        if config.password and config.dsn.password:
            yield (side, "password"), twice("password")
