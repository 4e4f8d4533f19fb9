"""What a green may have otherwise without a word: nothing is lost, or another tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.database_access import DatabaseAccess, ParameterGrant
from bluegreen.postgres.catalog.roles import Role
from bluegreen.steps.preflight import check_servers
from tests.unit.preflight.access_cases import (
    ALL,
    APP,
    MEMBER,
    OPEN,
    READERS,
    SET_ROLE,
    app,
)
from tests.unit.preflight.facts import INTENT, clean

OWNED = replace(OPEN, owner="app", owners=frozenset({"app"}), may={"app": ALL})
GROUP = Role("readers", login=False)
OF_READERS = frozenset({ParameterGrant("readers", "deadlock_timeout", "SET")})
SUPERUSER = replace(APP, superuser=True)
KNOWN = replace(OPEN, known=frozenset({"deadlock_timeout"}))


def with_parameters(role: Role, given: Any) -> dict[str, Any]:
    access = replace(KNOWN, parameters=given)
    return {"roles": (role, GROUP), "access": access}


@pytest.mark.parametrize(
    ("blue", "green"),
    [
        pytest.param(
            app(SUPERUSER, OWNED),
            app(SUPERUSER, replace(OPEN, may={"app": ALL})),
            id="an-owner-that-is-a-superuser-loses-nothing",
        ),
        pytest.param(
            app(access=OWNED),
            app(access=replace(OWNED, owner="readers")),
            id="an-owner-that-has-the-rights-of-greens",
        ),
        pytest.param(
            app(access=replace(OPEN, may={"app": ALL})),
            app(access=replace(OPEN, public=frozenset(), may={"app": ALL})),
            id="everyone-lost-it-and-those-who-use-it-have-it-by-name",
        ),
        pytest.param(
            app(replace(APP, login=False)),
            app(
                replace(APP, login=False),
                replace(OPEN, public=frozenset({"TEMPORARY"}), may={}),
            ),
            id="who-cannot-log-in-needs-no-connect",
        ),
        pytest.param(
            {"roles": (replace(APP, used=False),), "access": OPEN},
            app(access=DatabaseAccess("admin")),
            id="a-role-that-means-nothing-here",
        ),
        pytest.param(
            app(access=replace(OPEN, limit=50)), app(), id="green-has-no-limit"
        ),
        pytest.param(
            with_parameters(MEMBER, SET_ROLE),
            with_parameters(MEMBER, OF_READERS),
            id="set-by-a-group",
        ),
        pytest.param(
            with_parameters(APP, SET_ROLE),
            app(access=OPEN),
            id="a-parameter-that-green-does-not-have",
        ),
        pytest.param(
            app(replace(MEMBER, admin_of=READERS)),
            app(replace(MEMBER, admin_of=READERS)),
            id="one-membership-on-both",
        ),
    ],
)
def test_nothing_is_lost_and_nothing_is_told(
    blue: dict[str, Any], green: dict[str, Any]
) -> None:
    found = check_servers(clean(Side.BLUE, **blue), clean(Side.GREEN, **green), INTENT)
    assert [one for one in found if one.is_blocking] == []
    assert {one.id for one in found} <= {"role-missing-unused"}


def test_rights_that_come_with_the_owner_are_told_once() -> None:
    found = check_servers(
        clean(Side.BLUE, **app(access=OWNED)), clean(Side.GREEN, **app()), INTENT
    )
    assert [one.id for one in found] == ["database-owner-differs"]
