"""What the rehearsal of blue's schema and of migrations on it has found. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.migrators.rehearsal import Tried
from bluegreen.model.accept import as_yaml
from bluegreen.model.errors import StepError
from bluegreen.model.exclude import is_object
from bluegreen.model.finding import Finding, checked
from bluegreen.model.hazard import Hazard
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.materialized_views import PINNED
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.schema.compare import Difference
from bluegreen.postgres.schema.ownership import CURE, Handover
from bluegreen.postgres.schema.rehearsal import Refusal, Rehearsal
from bluegreen.postgres.schema.throw_away import NotPermitted
from bluegreen.steps.compatibility.ruling import expanding, fix_of, wider
from bluegreen.steps.preflight.intent import listed

_MAY_NOT = "42501"
NOT_REHEARSED = "schema-not-rehearsed"
_WHY = (
    "a statement that green refuses is found by the run alone: before the copy where "
    "it makes a table, a view or a function, behind it where it makes an index, a "
    "constraint or a trigger"
)


def check_rehearsal(done: Rehearsal) -> Iterator[Finding]:
    """Every object of blue's schema that green refused, all of them at once."""
    for one in done.refused:
        if one.kind == "EXTENSION":
            yield checked(
                "extension-not-rehearsed",
                Side.GREEN,
                f"{one.thing} could not be made in a throw-away database{_rest(one)}: "
                f"{one.said}",
                "some extensions live in one database of a server alone, so green "
                "itself may take it; what depends on it was not tried",
            )
        else:
            yield checked(
                "schema-refused",
                Side.GREEN,
                f"{one.thing} of blue's schema is refused{_rest(one)}: {one.said}",
                "the run would stop when it makes blue's schema on green; it was tried "
                "without rows in a throw-away database",
                _way_on(one.thing),
                blocks=True,
            )

    for name, said in done.unfilled.items():
        yield checked(
            "view-cannot-be-filled",
            Side.GREEN,
            f"materialized view {name} cannot be filled on green: {said}",
            "the run would stop right before traffic moves; it was tried on empty "
            "tables in a throw-away database",
            PINNED,
            blocks=True,
        )
    if done.uncompressed:
        yield checked(
            "compression-missing",
            Side.GREEN,
            f"columns of {listed(done.uncompressed)} have a compression that green's "
            "build lacks",
            "they are made without it, and their values read the same; they take more "
            "or less room than on blue",
        )


def _way_on(thing: str) -> str:
    fix = "change or drop it on blue, or give green's server what it lacks"
    if not is_object(thing):
        return fix
    name = as_yaml(thing)
    return f"{fix}; or leave it out of green, in the step replicate:\nexclude: [{name}]"


def _rest(one: Refusal) -> str:
    if not one.untried:
        return ""
    if one.untried == 1:
        return ", and with it 1 object that needs it"
    return f", and with it {one.untried} objects that need it"


def check_migrations(tried: Tried) -> Iterator[Finding]:
    """Every statement of a migration that green refused, all of them at once."""
    for one in tried.refused:
        yield checked(
            "migration-refused",
            Side.GREEN,
            f"{one.place}: {one.said}\nstatement: {one.statement}",
            "the run would stop there, behind the copy; it was tried on blue's schema "
            "without rows in a throw-away database",
            "correct the file",
            blocks=True,
        )
    if tried.unsure:
        yield checked(
            "migration-not-rehearsed",
            Side.GREEN,
            "\n".join(f"{one.place}: {one.said}" for one in tried.unsure),
            "it was refused in a throw-away database, and may need a statement that "
            "was not tried there: one that runs a block or a function, or concerns the "
            "whole server, or was refused itself",
        )


def check_differences(
    differences: Iterable[Difference], *, whole: bool, changed: Collection[str] = ()
) -> Iterator[Finding]:
    """What the migrations change of blue's schema, and `validate` would stop at. Pure.

    Args:
        differences: behind the files, not before them.
        whole: all that is done to green's schema was tried. A statement that was not
            may change it back, so nothing blocks then.
        changed: names of what blue is changed by as well, `expand_blue`.
    """
    for one in differences:
        certain = whole and not any(name in one.key for name in changed)
        yield checked(
            "schema-difference",
            Side.GREEN,
            f"{one}, behind the migrations",
            "`validate` would stop there, behind the copy, as it does at all that blue "
            "has and green has not alike; it was tried in a throw-away database"
            + ("" if certain else ", where not all of it was"),
            "accept it where the migration means it; correct the file where it does "
            "not",
            blocks=certain,
            object=one.key,
        )


def check_ways_back(
    verdicts: Iterable[Verdict], *, whole: bool, given: Collection[str] = ()
) -> Iterator[Finding]:
    """What would not flow back from green, all of it at once. Pure.

    Each is accepted as `compat` has it. What depends on rows, or what the step
    `migrate` sees to beside its files, is for `compat` itself.

    Args:
        verdicts: behind the files, by both catalogs.
        whole: all that is done to green's schema was tried.
        given: names in `expand_blue`.
    """
    lost = [v for v in verdicts if _is_lost(v) and not _is_given(v, given)]
    names = [name for verdict in lost for name in wider(verdict)]
    ready = [*expanding(names), f"and in `allow`: {Hazard.CHANGES_BLUE_SCHEMA}"]
    for number, one in enumerate(lost):
        fix = "name it in `expand_blue`, with the others" if wider(one) else fix_of(one)
        yield checked(
            one.id,
            "playbook",
            f"{one.where}: {one.why}",
            "the run would stop there, behind the copy, as rows of green would not "
            "all come back with a rollback",
            "\n".join(ready) if names and not number else fix,
            blocks=whole,
            object=one.where,
        )


def _is_lost(verdict: Verdict) -> bool:
    back = verdict.direction is Direction.REVERSE
    return back and (verdict.answer is Answer.LOSSY or bool(wider(verdict)))


def _is_given(verdict: Verdict, given: Collection[str]) -> bool:
    """Whether blue is made to take it, by its own name or by that of its table."""
    names = wider(verdict)
    return bool(names) and all(
        name in given or name.rpartition(".")[0] in given for name in names
    )


def check_owners_of_new(ours: Sequence[Handover]) -> Iterator[Finding]:
    """What migrations make and our role could not hand over to the application."""
    if ours:
        names = [f"{one.owned.key}: {one.why_not}" for one in ours]
        yield checked(
            "migration-owner",
            Side.GREEN,
            "what the migrations make would belong to our role: "
            + listed(names, _MOST_OWNED),
            "the application could not use it once green serves: the rights of its own "
            "role, and its default privileges, do not count for it",
            CURE,
            blocks=True,
        )


_MOST_OWNED = 20


def not_read(error: StepError) -> Finding:
    """Blue's schema could not be read now, so nothing was tried."""
    return checked(
        NOT_REHEARSED,
        Side.BLUE,
        f"blue's schema was not tried on green: {error.problem}: {error.seen}",
        _WHY,
        "see what it names, and check again",
    )


def not_rehearsed(error: NotPermitted, role: str) -> Finding:
    """Green's server makes no database for us, so nothing was tried."""
    name = quote_name(role)
    return checked(
        NOT_REHEARSED,
        Side.GREEN,
        f"blue's schema was not tried on green: {error}",
        _WHY,
        f"ALTER ROLE {name} CREATEDB;" if error.sqlstate == _MAY_NOT else "",
    )
