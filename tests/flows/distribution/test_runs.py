"""Runs that distribute items over a work pool with two process workers.

The last test kills a worker.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.states import Cancelling

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import S3Credentials, ref
from prefect_stac_asset.flows.distribution.parameter import open_distribution
from prefect_stac_asset.flows.distribution.target import target_of
from prefect_stac_asset.flows.execution.session import open_session
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.reporting.artifacts import PROGRESS, SUMMARY
from stac_asset.destinations.location import StorePath
from stac_asset.errors import NotFoundError
from stac_asset.testing import Origin, Stall
from stac_asset.types import Downloaded, Outcome
from tests.flows.distribution.conftest import KEYS, Fleet, Job, unit
from tests.support.flow_inputs import with_options
from tests.support.prefect_reads import read_artifacts
from tests.support.processes import poll, wait_until
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import HttpReader
from tests.support.workers import deploy, final_flow_run_state, kill_worker_with_runs


async def children(run_id: Any) -> list[FlowRun]:
    """Return the flow runs that a flow run started."""
    parents = FlowRunFilterParentFlowRunId(any_=[run_id])
    async with get_client() as client:
        return await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(parent_flow_run_id=parents)
        )


def downloads(origin: Origin) -> Counter[str]:
    """Return the number of GET requests for each asset."""
    return Counter(one.path for one in origin.gets() if one.path.endswith(".tif"))


async def test_two_workers_download_items_and_coordinator_publishes(
    origin: Origin, job: Job
) -> None:
    state = await job.run(return_state=True)
    result = await state.aresult()
    assert (result.downloaded, result.failed) == (40, 0)
    assert len(await job.files()) == 40
    assert await job.shares() == []
    assert [item.id for item in result.items()] == [f"item-{number}" for number in range(4)]
    assert len(list(result.rows())) == 40
    assert set(downloads(origin).values()) == {1}
    runs = await children(state.state_details.flow_run_id)
    messages = [run.state.message for run in runs if run.state is not None]
    assert messages == ["20 of 20 assets downloaded"] * 2
    # The coordinating run alone shows the progress and the summary, over all shares.
    artifacts = await read_artifacts(state)
    assert artifacts.keys() == {PROGRESS, SUMMARY}
    assert artifacts[PROGRESS]["data"] == 100
    assert artifacts[PROGRESS]["description"].startswith("40 of 40 assets")
    for run in runs:
        assert run.state is not None
        assert await read_artifacts(run.state) == {}


async def test_failed_asset_with_fail_fast_stops_all_shares(
    origin: Origin, job: Job, fleet: Fleet
) -> None:
    fleet.expect_errors(
        r"Finished in state (Failed|Cancelled|Crashed|Running)\(", "Encountered exception", "Crash"
    )
    fleet.expect_errors("asyncio - unhandled exception during asyncio")
    origin.remove("/0/a0.tif")
    origin.fault("/2/a0.tif", Stall())
    state = await job.run(options=with_options(fail_fast=True), return_state=True)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, NotFoundError)
    assert error.key == "a0"
    runs = await children(state.state_details.flow_run_id)
    types = {run.state.type for run in runs if run.state is not None}
    assert types == {StateType.FAILED, StateType.CANCELLED}
    await wait_until(lambda: origin.in_flight == 0)


async def test_cancelled_coordinator_cancels_shares_and_next_run_completes_the_mirror(
    origin: Origin, job: Job, fleet: Fleet
) -> None:
    fleet.expect_errors(
        r"Finished in state (Failed|Cancelled|Crashed|Running)\(", "Encountered exception", "Crash"
    )
    fleet.expect_errors("asyncio - unhandled exception during asyncio")
    origin.fault("/2/a0.tif", Stall())
    parameters = await job.parameters()
    parameters["options"] = with_options(destination_acl="public-read")
    name = await deploy(flows.sync, fleet.pool)
    given = {
        **parameters,
        "options": parameters["options"].model_dump(mode="json", exclude_unset=True),
        "destination_credentials": ref("s3-credentials/fan-out"),
    }
    run: Any = await run_deployment(name, parameters=given, timeout=0)
    await poll(job.files, lambda files: len(files) == 39)
    await poll(job.shares, lambda names: any("result" in name for name in names))
    async with get_client() as client:
        await client.set_flow_run_state(run.id, Cancelling())
    state = await final_flow_run_state(run)
    assert state.type is StateType.CANCELLED
    for child in await children(run.id):
        final = await final_flow_run_state(child)
        assert final.type in (StateType.CANCELLED, StateType.COMPLETED)
    await wait_until(lambda: origin.in_flight == 0)

    await job.bucket.keep_versions()
    result = await flows.sync(**parameters)
    # Two shares are published by a single catalog.
    assert await job.bucket.versions("catalog.json") == 1
    # The cancelled run may have published the items of the finished share.
    assert 10 * result.unchanged + result.downloaded + result.skipped == 40
    assert (result.unchanged in (0, 2), result.failed) == (True, 0)
    assert HttpReader(job.bucket).check() == {f"item-{number}" for number in range(4)}
    assert await job.shares() == []
    assert downloads(origin) == {
        f"/{number}/{key}.tif": 2 if (number, key) == (2, "a0") else 1
        for number in range(4)
        for key in KEYS
    }


async def test_lost_machine_and_killed_coordinator_repeat_only_what_was_in_progress(
    origin: Origin, bucket: Bucket, fleet: Fleet
) -> None:
    fleet.expect_errors(r"Finished in state (Crashed|Cancelled)\(", "Encountered exception")
    origin.fault("/2/a0.tif", Stall())
    directory = StorePath.parse(f"s3://{bucket.name}/{bucket.prefix}")
    units = [unit(origin, directory, number) for number in range(4)]
    options = with_options(overwrite=True)
    block = await S3Credentials.load("fan-out")

    @flow
    async def coordinate() -> list[tuple[Unit, list[Outcome]]]:
        target = await target_of(fleet.deployment, directory)
        place = directory / ".shares/items.json"
        async with open_session(options.config(), 32, None, block) as session:
            first = await open_distribution(target, place, options, "auto", session)
            assert first is not None
            for one in units:
                first.add(one)
            killed = first.download(units)
            ended = [await anext(killed), await anext(killed)]
            assert [one.number for one, _ in ended] == [0, 1]
            await poll(bucket.keys, lambda keys: sum(key.endswith(".tif") for key in keys) == 39)
            kill_worker_with_runs(await worker_in_use(fleet))
            # The first coordinator continues no more, as after a kill.
            second = await open_distribution(target, place, options, "auto", session)
            assert second is not None
            for one in units:
                second.add(one)
            ended = [one async for one in second.download(units)]
            await second.finish()
            await killed.aclose()
            return ended

    ended = await coordinate()
    assert sorted(one.number for one, _ in ended) == [0, 1, 2, 3]
    outcomes = [outcome for _, found in ended for outcome in found]
    assert len(outcomes) == 40
    assert sum(isinstance(outcome, Downloaded) for outcome in outcomes) == 21
    assert downloads(origin) == {
        f"/{number}/{key}.tif": 2 if (number, key) == (2, "a0") else 1
        for number in range(4)
        for key in KEYS
    }
    assert not any(".shares/" in key for key in await bucket.keys())


async def worker_in_use(fleet: Fleet) -> str:
    """Return the name of the worker whose flow run is running."""
    running = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
        name=FlowRunFilterName(like_="share"),
    )
    async with get_client() as client:
        # A run with a result takes a few seconds until its end.
        (run,) = await poll(
            lambda: client.read_flow_runs(flow_run_filter=running), lambda runs: len(runs) == 1
        )
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # The process has ended, or belongs to another user.
            variables = (folder / "environ").read_bytes().split(b"\0")
            if f"PREFECT__FLOW_RUN_ID={run.id}".encode() in variables:
                for name in fleet.workers:
                    if f"PREFECT__WORKER_NAME={name}".encode() in variables:
                        return name
    raise AssertionError("the flow run has no process")
