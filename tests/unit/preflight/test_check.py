"""What the step makes of its findings."""

from __future__ import annotations

from bluegreen.model.accept import Accepted
from bluegreen.model.finding import Finding, checked
from bluegreen.model.verdict import Refused, Satisfied
from bluegreen.steps.check import Check, LookAtServers
from bluegreen.steps.preflight.refusal import Findings, refuse
from bluegreen.steps.replicate import Replicate

UNLOGGED = checked(
    "unlogged-table",
    "blue",
    "public.cache is UNLOGGED",
    "its rows are not streamed",
    "ALTER TABLE public.cache SET LOGGED;",
    blocks=True,
)
OBJECTS = checked("large-objects", "blue", "3 large objects", "why", blocks=True)
NOTE = checked("clients", "blue", "connected now: app@10.0.0.9 (2)", "why", "look")


def judge(*findings: Finding, accept: tuple[str, ...] = ()) -> object:
    action, _ = Check().actions()
    known = tuple(Accepted(name, "meant") for name in accept)
    return action.judge(Findings(findings, known))


def test_nothing_that_blocks_is_satisfied() -> None:
    assert judge(NOTE) == Satisfied("findings: 1, none of them blocks")


def test_everything_that_blocks_is_named_with_its_mend() -> None:
    assert judge(UNLOGGED, NOTE, OBJECTS) == Refused(
        3003,
        "the check found something that blocks: 2 findings block",
        seen="blue: unlogged-table: public.cache is UNLOGGED\n"
        "blue: large-objects: 3 large objects",
        wanted="none of these, or an entry in `accept` for each",
        hint="on blue: ALTER TABLE public.cache SET LOGGED;\n"
        "then run again; to go on all the same:\n"
        "accept:\n"
        "  - {id: unlogged-table, object: blue, reason: why}\n"
        "  - {id: large-objects, object: blue, reason: why}",
    )


def test_accepted_findings_do_not_block() -> None:
    accept = ("unlogged-table", "large-objects")
    assert judge(UNLOGGED, NOTE, OBJECTS, accept=accept) == Satisfied(
        "findings: 3, accepted: large-objects, unlogged-table"
    )


def test_accepting_one_leaves_the_other() -> None:
    verdict = judge(UNLOGGED, OBJECTS, accept=("large-objects",))
    assert isinstance(verdict, Refused)
    assert verdict.seen == "blue: unlogged-table: public.cache is UNLOGGED"


def test_a_thousand_findings_are_cut_after_twenty() -> None:
    verdict = refuse([UNLOGGED] * 1000)
    assert verdict.seen.count("\n") == 20
    assert verdict.seen.endswith("\n… and 980 more, told above")
    assert verdict.hint.count("SET LOGGED") == 20


def test_the_step_replicate_tells_what_it_takes_care_of() -> None:
    check = Check(exclude=("public.a",)).beside(
        Replicate(exclude=("public.b",), identity_full=("public.c",), workers=9)
    )
    assert check.exclude == ("public.a", "public.b")
    assert check.identity_full == ("public.c",)
    assert check.workers == 9
    assert Check().beside(None).model_dump() == Check().model_dump()


def test_the_action_is_named_after_the_step() -> None:
    action, _ = Check(id="before").actions()
    assert isinstance(action, LookAtServers)
    assert action.id == "before/look_at_servers"
    assert not action.hazards
