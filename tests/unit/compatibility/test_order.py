"""No playbook goes without the judge."""

from __future__ import annotations

from bluegreen.steps.compat import Compat, CompatFirst
from bluegreen.steps.compatibility.order import judge_of, with_judge
from bluegreen.steps.contract import Step
from bluegreen.steps.cutover import Cutover
from bluegreen.steps.hold import Hold
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.validate import Validate

MIGRATE = Migrate(files=("m/*.sql",), contract=("m/later.sql",))
COPY = Replicate(exclude=("public.log",))


def kinds(*steps: Step) -> list[str]:
    return [step.key for step in with_judge(steps)]


def test_it_is_asked_before_and_behind_the_migrations_and_before_the_cutover() -> None:
    assert kinds(COPY, MIGRATE, Validate(), Cutover(), Hold()) == [
        "replicate",
        "compat-text",
        "migrate",
        "compat-migrated",
        "validate",
        "compat-last",
        "cutover",
        "hold",
    ]


def test_a_judge_of_the_playbook_stands_where_it_stands() -> None:
    own = Compat(id="mine", travel=("*",))
    assert kinds(COPY, MIGRATE, own, Validate(), Cutover()) == [
        "replicate",
        "compat-text",
        "migrate",
        "mine",
        "validate",
        "compat-last",
        "cutover",
    ]
    assert kinds(MIGRATE, own, Cutover())[-2:] == ["mine", "cutover"]


def test_every_look_knows_what_all_steps_say() -> None:
    own = Compat(travel=("*",))
    steps = with_judge([COPY, MIGRATE, own, Validate(), Cutover()])
    judges = [step for step in steps if isinstance(step, Compat)]
    assert len(judges) == 3
    assert {judge.files for judge in judges} == {("m/*.sql",)}
    assert {judge.contract for judge in judges} == {("m/later.sql",)}
    assert {judge.exclude for judge in judges} == {("public.log",)}
    assert [bool(judge.travel) for judge in judges] == [False, True, False]
    assert isinstance(judges[0], CompatFirst)


def test_without_migrations_the_cutover_is_judged_all_the_same() -> None:
    assert kinds(COPY, Cutover()) == ["replicate", "compat-last", "cutover"]
    assert kinds(COPY) == ["replicate"]
    assert judge_of([COPY]).exclude == ("public.log",)
