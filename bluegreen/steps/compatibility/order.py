"""Where in a run `compat` is asked. Pure.

Owns putting the looks before and after the migrations and right before the cutover, so
that no playbook goes without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bluegreen.steps.compat import Compat, CompatFirst
from bluegreen.steps.contract import Step
from bluegreen.steps.cutover import Cutover
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.replicate import Replicate


def judge_of(steps: Sequence[Step]) -> Compat:
    """One judge that knows what all steps of a playbook say to it."""
    judges = [step for step in steps if isinstance(step, Compat)]
    first = judges[0] if judges else Compat()
    migrates = [step for step in steps if isinstance(step, Migrate)]
    copies = [step for step in steps if isinstance(step, Replicate)]
    known = {
        "files": (first.files, *(step.files for step in migrates)),
        "contract": (first.contract, *(step.contract for step in migrates)),
        "renamed": (first.renamed, *(step.renamed for step in migrates)),
        "carried": (first.carried, *(step.mapping for step in migrates)),
        # A table that blue is given for green's rows sends none of its own.
        "exclude": (
            first.exclude,
            *(step.exclude for step in copies),
            *(step.expand_blue for step in migrates),
        ),
    }
    update: dict[str, object] = {
        key: tuple(dict.fromkeys(name for names in several for name in names))
        for key, several in known.items()
    }
    asked = first.contract_by_judge or any(s.contract_by_judge for s in migrates)
    return first.model_copy(update={**update, "contract_by_judge": asked})


def with_judge(steps: Sequence[Step]) -> list[Step]:
    """The steps with `compat` where a run asks it.

    Before the first cutover only: what comes later moves no traffic.
    """
    cutovers = [n for n, step in enumerate(steps) if isinstance(step, Cutover)]
    last = cutovers[0] if cutovers else len(steps)
    return [
        *_before(steps[:last], judge_of(steps), moves=bool(cutovers)),
        *steps[last:],
    ]


def _before(steps: Sequence[Step], judge: Compat, *, moves: bool) -> Iterator[Step]:
    plain = judge.model_copy(update={"travel": ()})
    migrations = [n for n, step in enumerate(steps) if isinstance(step, Migrate)]
    text = {"step": "compat", "id": "compat-text"}
    for number, step in enumerate(steps):
        if migrations and number == migrations[0]:
            yield CompatFirst.model_validate({**plain.model_dump(), **text})
        if isinstance(step, Compat):
            keys = (
                *("files", "contract", "contract_by_judge", "renamed"),
                *("carried", "exclude"),
            )
            own = {key: getattr(judge, key) for key in keys}
            yield step.model_copy(update=own)
        else:
            yield step
        follows = steps[number + 1 : number + 2]
        asked = any(isinstance(one, Compat) for one in follows)
        if migrations and number == migrations[-1] and not asked:
            yield plain.model_copy(update={"id": "compat-migrated"})
    if moves and not (steps and isinstance(steps[-1], Compat)):
        yield plain.model_copy(update={"id": "compat-last"})
