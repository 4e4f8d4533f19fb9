"""Plans as pages: what a run would do, and whether a rollback would work."""

from __future__ import annotations

from bluegreen.engine.plan import Plan, PlannedAction, not_allowed
from bluegreen.model.errors import error_for
from bluegreen.model.hazard import Hazard
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused
from bluegreen.report.page import Page, Part, columns
from bluegreen.report.results import PlanResult, RollbackResult

SIGNS = {
    "satisfied": "✓",
    "needed": "→",
    "not_yet": "…",
    "refused": "✗",
    "unseen": "?",
    "passed": "·",
}
_LEGEND = {
    "satisfied": "holds",
    "needed": "run acts on it",
    "not_yet": "run waits for it",
    "refused": "run stops here",
    "unseen": "can be looked at once earlier actions are done",
    "passed": "behind us",
}


def plan_page(result: PlanResult) -> Page:
    """What each action would do, what it risks, and how to run exactly this."""
    made = result.plan
    rows = [_planned(one) for one in made.actions]
    kinds = dict.fromkeys(one.kind for one in made.actions)
    legend = "   ".join(f"{SIGNS[kind]} {_LEGEND[kind]}" for kind in kinds)
    lines: list[Part] = [f"plan {made.digest} of {result.playbook}", ""]
    lines += columns(rows)
    lines += ["", f"  {legend}", "", *_verdicts(result)]
    return [*lines, *_hazards(result), *_shared_fate(result), *_ending(result)]


def _shared_fate(result: PlanResult) -> list[str]:
    ahead = [one for one in result.plan.actions if one.lies_ahead]
    if not result.shared_fate or not any(
        Hazard.MOVES_TRAFFIC in one.hazards for one in ahead
    ):
        return []
    fate = f"the end of {result.shared_fate} would end the tool and its guard together"
    then = "clients then wait until `bluegreen run` is called again, or the pooler's"
    return [f"{fate}; in a pause", then, "query_wait_timeout ends it", ""]


def _verdicts(result: PlanResult) -> Page:
    if not result.verdicts:
        return []
    from bluegreen.report.compat_text import verdicts

    return ["what `compat` says", "", *verdicts(result.verdicts)]


def _planned(one: PlannedAction) -> tuple[str, str, str]:
    why = one.verdict.why
    said = f"{one.title}: {why}" if one.title else why
    return SIGNS[one.kind], one.id, said


def _hazards(result: PlanResult) -> Page:
    where: dict[Hazard, list[str]] = {}
    for one in result.plan.actions:
        if one.lies_ahead:
            for hazard in one.hazards:
                where.setdefault(hazard, []).append(one.id)
    if not where:
        return []
    missing = set(result.plan.not_allowed)
    rows = [
        (
            name,
            "NOT ALLOWED" if name in missing else "allowed",
            f"{name.meaning} ({', '.join(ids)})",
        )
        for name, ids in sorted(where.items())
    ]
    return ["hazards", *columns(rows), ""]


def _ending(result: PlanResult) -> list[str]:
    made = result.plan
    if made.not_allowed:
        line = not_allowed(made.not_allowed, result.allow).wanted
        first = "`bluegreen run` would refuse; if it is meant, put into the playbook:"
        return [first, f"  {line}"]
    if made.refused and (error := _error_of(made)):
        return [f"`bluegreen run` would stop at {made.refused.id}:", error]
    if all(one.kind in {"satisfied", "passed"} for one in made.actions):
        return ["nothing is left to do"]
    return [f"run exactly this: bluegreen run {result.playbook} --plan {made.digest}"]


def rollback_page(result: RollbackResult) -> Page:
    """Yes or no, and what the rollback would do."""
    made = result.plan
    if result.serving is Side.BLUE:
        first = "blue serves: there is nothing to roll back"
    elif result.exit_status:
        first = "no: a rollback would be refused now"
    else:
        first = "yes: a rollback would work now"
    error = _error_of(made)
    stop = ["", error] if error else []
    return [first, "", *columns(_planned(one) for one in made.actions), *stop]


def _error_of(made: Plan) -> str:
    """What a run would end with at the plan's first refusal."""
    if made.refused is None or not isinstance(no := made.refused.verdict, Refused):
        return ""
    return str(error_for(no.code, no.why, seen=no.seen, wanted=no.wanted, hint=no.hint))
