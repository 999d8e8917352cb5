"""Flow runs of stopped processes, on a Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    FlowRun,
)
from prefect.events import Event, Resource
from prefect.states import Cancelled, Cancelling, Running, State

from prefect_stac_asset import flows
from prefect_stac_asset.deployments import crashed_runs
from prefect_stac_asset.deployments.automations import watch_heartbeats
from prefect_stac_asset.deployments.crashed_runs import (
    HEARTBEAT,
    Heartbeat,
    end_crashed_runs,
    read_active_runs,
    stopped_runs,
    waiting_time,
)
from prefect_stac_asset.deployments.crashed_runs import _heartbeats as read_heartbeats
from stac_asset.testing import Origin, Stall
from tests.support.flow_inputs import put_item_collection
from tests.support.processes import poll, wait_until
from tests.support.workers import deploy, kill_worker_with_runs, running_worker

pytestmark = pytest.mark.usefixtures("prefect_test")

OURS = "prefect_stac_asset.flows.verify"


@asynccontextmanager
async def deployment(client: PrefectClient, entrypoint: str) -> AsyncIterator[UUID]:
    """Create a deployment, and delete the deployment with all runs at the end."""
    flow = await client.create_flow_from_name(f"crashed-{uuid4()}")
    try:
        yield await client.create_deployment(flow, "runs", entrypoint=entrypoint)
    finally:
        await client.delete_flow(flow)


async def start_run(client: PrefectClient, deployment_id: UUID, state: State[None]) -> UUID:
    run = await client.create_flow_run_from_deployment(deployment_id)
    await client.set_flow_run_state(run.id, state, force=True)
    return run.id


async def send_heartbeats(client: PrefectClient, *runs: UUID) -> None:
    events = [
        Event(
            event=HEARTBEAT, resource=Resource({"prefect.resource.id": f"prefect.flow-run.{run}"})
        ).model_dump(mode="json")
        for run in runs
    ]
    assert (await client.request("POST", "/events", json=events)).is_success


async def test_only_runs_without_new_heartbeat_are_ended() -> None:
    async with (
        get_client() as client,
        deployment(client, OURS) as ours,
        deployment(client, "other.flow") as other,
    ):
        alive, dead, silent = [await start_run(client, ours, Running()) for _ in range(3)]
        cancelled, unstarted = [await start_run(client, ours, Cancelling()) for _ in range(2)]
        foreign = await start_run(client, other, Running())
        await send_heartbeats(client, alive, dead, cancelled, foreign)
        runs = [await client.read_flow_run(run) for run in (alive, dead, cancelled, foreign)]
        await poll(lambda: read_heartbeats(client, runs), lambda found: len(found) == 4)
        ending = asyncio.ensure_future(end_crashed_runs(wait=12))
        while not ending.done():
            await send_heartbeats(client, alive)
            await asyncio.wait([ending], timeout=1)
        ended = await ending
        found = {
            run: (await client.read_flow_run(run)).state
            for run in (alive, dead, silent, cancelled, unstarted, foreign)
        }
        names = {run: state.name for run, state in found.items() if state is not None}
        assert names == {
            alive: "Running",
            dead: "Crashed",
            silent: "Running",
            cancelled: Cancelled().name,
            unstarted: Cancelled().name,
            foreign: "Running",
        }
        assert (await client.read_flow_run(dead)).name in ended
        state = found[dead]
        assert state is not None
        assert state.message == (
            "The process of the flow run has stopped: no heartbeat arrived. The next run resumes "
            "the download."
        )


async def test_next_scheduled_run_completes_after_machine_of_a_run_stopped(
    origin: Origin, tmp_path: Path
) -> None:
    source = put_item_collection(origin, 1, "a")
    origin.fault("/0/a.tif", Stall(after=10, seconds=600), times=1)
    with running_worker(tmp_path / "first.log") as pool:
        name = await deploy(
            flows.sync,
            pool,
            parameters={"source": source, "directory": str(tmp_path / "mirror")},
            interval=5,
            concurrency_limit=ConcurrencyLimitConfig(
                limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
            ),
        )
        await wait_until(lambda: origin.gets("/0/a.tif"))
        async with get_client() as client:
            of_deployment = DeploymentFilter(
                id=DeploymentFilterId(any_=[(await client.read_deployment_by_name(name)).id])
            )

            async def runs(state: str) -> list[FlowRun]:
                found = await client.read_flow_runs(deployment_filter=of_deployment)
                return [run for run in found if run.state_name == state]

            # The run holds the only slot, so that Prefect cancels the scheduled runs.
            await poll(lambda: runs("Cancelled"), bool)
            [stopped] = await runs("Running")
            await poll(lambda: read_heartbeats(client, [stopped]), bool)
            kill_worker_with_runs(pool)
    with running_worker(tmp_path / "second.log", pool=pool):
        async with get_client() as client:
            assert await end_crashed_runs(wait=0) == [stopped.name]
            [completed, *_] = await poll(lambda: runs("Completed"), bool)
            assert completed.auto_scheduled
            assert await runs("Crashed") == [await client.read_flow_run(stopped.id)]
            await client.delete_deployment((await client.read_deployment_by_name(name)).id)
    [file] = (tmp_path / "mirror").rglob("a.tif")
    assert file.read_bytes() == origin.content("/0/a.tif")


async def test_all_active_runs_are_read_although_a_response_is_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crashed_runs, "_PAGE", 2)
    async with get_client() as client, deployment(client, OURS) as ours:
        started = {await start_run(client, ours, Running()) for _ in range(5)}
        assert started <= {run.id for run in await read_active_runs(client)}


async def test_automation_watches_deployments_and_examines_active_runs() -> None:
    async with (
        get_client() as client,
        deployment(client, OURS) as watched,
        deployment(client, OURS) as ending,
    ):
        of_ending = DeploymentFilter(id=DeploymentFilterId(any_=[ending]))
        await watch_heartbeats(ending, [watched])
        assert await client.read_flow_runs(deployment_filter=of_ending) == []
        await start_run(client, watched, Running())
        await watch_heartbeats(ending, [watched])
        assert len(await client.read_flow_runs(deployment_filter=of_ending)) == 1
        name = "end crashed runs of prefect-stac-asset"
        [automation] = await client.read_automations_by_name(name)
        trigger = automation.trigger.model_dump(mode="json")
        assert trigger["posture"] == "Proactive"
        assert trigger["match_related"]["prefect.resource.id"] == [f"prefect.deployment.{watched}"]
        await client.delete_automation(automation.id)


def test_waiting_time_is_two_intervals_of_the_slowest_run() -> None:
    beat = [Heartbeat(uuid4(), interval) for interval in (30.0, None, 45.0)]
    assert waiting_time(beat, 30) == 90
    assert waiting_time(beat[:2], 180) == 360
    assert waiting_time([], 30) == 60


def test_run_with_new_or_unknown_heartbeat_has_not_stopped() -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    before = {run: Heartbeat(run, None) for run in (first, second, third)}
    after = {first: Heartbeat(first, None), second: Heartbeat(uuid4(), None)}
    assert stopped_runs(before, after) == {first}
