"""The step `snapshot` against a service that speaks RDS, with a real blue behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from bluegreen.backups.rds import Rds
from bluegreen.model.errors import StepError
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied
from bluegreen.postgres.database import Database
from bluegreen.steps.snapshot import Snapshot, TakeSnapshot
from bluegreen.steps.world import World
from tests.kit.arena import Arena, bring_about
from tests.kit.bucket import KEYS, serving

if TYPE_CHECKING:
    from mypy_boto3_rds.client import RDSClient


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environ:
        for name, value in KEYS.items():
            environ.setenv(name, value)
        with serving() as running:
            yield running.endpoint


@pytest.fixture
def rds(service: str) -> Iterator[RDSClient]:
    client = boto3.session.Session().client("rds", endpoint_url=service)
    yield client
    for one in client.describe_db_instances()["DBInstances"]:
        client.delete_db_instance(
            DBInstanceIdentifier=one["DBInstanceIdentifier"], SkipFinalSnapshot=True
        )


def instance(rds: RDSClient, port: int, name: str = "shop-blue") -> str:
    made = rds.create_db_instance(
        DBInstanceIdentifier=name,
        Engine="postgres",
        DBInstanceClass="db.t3.micro",
        MasterUsername="app",
        MasterUserPassword="not-a-secret",
        AllocatedStorage=20,
        Port=port,
    )
    return made["DBInstance"]["Endpoint"]["Address"]


@pytest.fixture
def world(arena: Callable[..., Arena], rds: RDSClient) -> World:
    """Blue's DSN has the name that RDS gave it, and leads here."""
    here = arena()
    world = here.world()
    port = world.blue.endpoint[1]
    host = instance(rds, port)
    dsn = f"{here.conninfo(Side.BLUE)} host={host} hostaddr=127.0.0.1"
    blue = Database(Side.BLUE, dsn)
    here.stack.callback(blue.close)
    return replace(world, blue=blue)


def taken(rds: RDSClient, world: World) -> list[Any]:
    """Those of this world; the service makes snapshots by itself too."""
    ours = f"bluegreen-{world.name.replace('_', '-')}-"
    found = rds.describe_db_snapshots()["DBSnapshots"]
    return [one for one in found if one["DBSnapshotIdentifier"].startswith(ours)]


def step(service: str, **words: Any) -> Snapshot:
    return Snapshot(**{"instance": "shop-blue", "endpoint_url": service, **words})


def test_it_is_taken_once_an_epoch_and_a_lost_one_again(
    world: World, rds: RDSClient, service: str
) -> None:
    action = TakeSnapshot(step(service))
    assert isinstance(action.judge(action.observe(world)), Needed)
    bring_about(world, action)
    [one] = taken(rds, world)
    name = one["DBSnapshotIdentifier"]
    assert name.startswith(f"bluegreen-{world.name.replace('_', '-')}-e0-")
    tags = {tag["Key"]: tag["Value"] for tag in one["TagList"]}
    assert tags == {"bluegreen:playbook": world.name, "bluegreen:epoch": "0"}
    verdict = action.judge(action.observe(world))
    assert verdict == Satisfied(f"snapshot {name} is available")
    bring_about(world, action)
    assert len(taken(rds, world)) == 1
    rds.delete_db_snapshot(DBSnapshotIdentifier=name)
    assert isinstance(action.judge(action.observe(world)), Needed)
    bring_about(world, action)
    assert len(taken(rds, world)) == 1


def test_while_it_is_made_the_run_waits_and_a_failed_one_is_taken_again(
    world: World, rds: RDSClient, service: str
) -> None:
    """RDS takes minutes; the service here is done at once, so the facts are changed."""
    action = TakeSnapshot(step(service))
    bring_about(world, action)
    facts = action.observe(world)
    assert facts.snapshot is not None
    making = replace(facts.snapshot, status="creating", percent=40)
    verdict = action.judge(replace(facts, snapshot=making))
    assert verdict == NotYet(f"snapshot {facts.name} is 40 % done", 0.4)
    for spoilt in (
        replace(facts.snapshot, status="failed"),
        replace(facts.snapshot, instance="shop-green"),
    ):
        assert isinstance(action.judge(replace(facts, snapshot=spoilt)), Needed)
    rds.delete_db_snapshot(DBSnapshotIdentifier=facts.name)


@pytest.mark.parametrize("off", [0, 1])
def test_an_instance_that_is_not_blue_is_refused(
    world: World, rds: RDSClient, service: str, off: int
) -> None:
    instance(rds, world.blue.endpoint[1] + off, "shop-green")
    action = TakeSnapshot(step(service, instance="shop-green"))
    verdict = action.judge(action.observe(world))
    assert isinstance(verdict, Refused)
    assert verdict.code == 2009
    assert verdict.why == "instance shop-green is not blue"
    host, port = world.blue.endpoint
    assert verdict.seen.endswith(f"blue is at {host}:{port}")
    assert taken(rds, world) == []


def test_an_instance_of_aurora_is_told_what_to_type(world: World, service: str) -> None:
    action = TakeSnapshot(step(service))
    facts = action.observe(world)
    there = replace(facts.instance, cluster="shop")
    verdict = action.judge(replace(facts, instance=there))
    assert isinstance(verdict, Refused)
    assert "--db-cluster-identifier shop " in verdict.hint


def test_what_rds_refuses_is_told_with_its_code(service: str) -> None:
    with pytest.raises(StepError) as caught:
        Rds(endpoint=service).instance("nowhere")
    text = str(caught.value)
    assert text.startswith(
        "error BG-4002: RDS does not do what was asked of instance nowhere\n"
        "  seen:    DBInstanceNotFound"
    )
    assert text.endswith("hint:    is the identifier right, and the region?")
    with pytest.raises(StepError) as caught:
        Rds(endpoint="http://127.0.0.1:1").instance("shop-blue")
    assert "EndpointConnectionError" in str(caught.value)
    assert Rds(endpoint=service).snapshot("nowhere") is None
