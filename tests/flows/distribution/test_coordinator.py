"""The coordinator without workers. The tests set the states of the runs as a worker would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Completed, Crashed

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import S3Credentials
from prefect_stac_asset.flows.distribution.coordinator import Distribution
from prefect_stac_asset.flows.distribution.documents import ShareOutcome, result_bytes
from prefect_stac_asset.flows.distribution.folder import ShareFolder, share_of
from prefect_stac_asset.flows.distribution.leftovers import read_leftovers
from prefect_stac_asset.flows.distribution.shares import Share
from prefect_stac_asset.flows.distribution.target import Target, target_of
from prefect_stac_asset.flows.execution.budgets.errors import left_transfer
from prefect_stac_asset.flows.execution.runner import WorkerError
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.orchestration.units import Unit
from stac_asset.destinations.location import StorePath
from stac_asset.notices import notice_lines
from stac_asset.testing import Origin
from stac_asset.types import Downloaded, Failed, Outcome
from tests.flows.distribution.conftest import KEYS, unit
from tests.support.flow_inputs import with_options
from tests.support.processes import wait_until
from tests.support.restartable_server import RestartableServer
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket

OPTIONS = with_options()
REACHED = "Budget 'all' is reached"


@dataclass
class Worker:
    """Plays the runs of a deployment."""

    target: Target
    folder: ShareFolder

    @property
    def deployment(self) -> DeploymentFilter:
        """The filter for all runs of the deployment."""
        return DeploymentFilter(id=DeploymentFilterId(any_=[self.target.id]))

    async def runs(self) -> list[FlowRun]:
        """Return the runs that have not ended, in the order of their creation."""
        async with get_client() as client:
            found = await client.read_flow_runs(deployment_filter=self.deployment)
        waiting = [run for run in found if run.state is not None and not run.state.is_final()]
        return sorted(waiting, key=lambda run: run.created or run.expected_start_time)

    async def share(self, run: FlowRun) -> Share:
        """Return the share of a run."""
        return await self.folder.read(share_of(run.parameters["share"])[1])

    async def finish(self, run: FlowRun) -> None:
        """Write a result in which each asset was downloaded, and end the run."""
        await self.write_result(await self.share(run))
        async with get_client() as client:
            await client.set_flow_run_state(run.id, Completed(), force=True)

    async def write_result(self, share: Share) -> None:
        """Write a result in which each asset was downloaded."""
        outcomes = [
            ShareOutcome(at, number, Downloaded(one, one.candidates[0], 1, 1, 0.1))
            for at, item in enumerate(share.items)
            for number, one in enumerate(item.transfers)
        ]
        await self.folder.write_result(share.id, result_bytes(outcomes))

    async def leave(self, run: FlowRun) -> None:
        """Write a result in which a budget is reached, and end the run."""
        share = await self.share(run)
        outcomes = [
            ShareOutcome(at, number, left_transfer(one, REACHED))
            for at, item in enumerate(share.items)
            for number, one in enumerate(item.transfers)
        ]
        await self.folder.write_result(share.id, result_bytes(outcomes))

    async def crash(self, run: FlowRun) -> None:
        """End the run as after a kill."""
        async with get_client() as client:
            await client.set_flow_run_state(run.id, Crashed(message="killed"), force=True)


@asynccontextmanager
async def opened(
    bucket: Bucket, units: list[Unit]
) -> AsyncIterator[tuple[Distribution, Worker, Session]]:
    """Open a distribution over a pool without workers."""
    pool = f"empty-{uuid4().hex[:8]}"
    directory = StorePath.parse(f"s3://{bucket.name}/{bucket.prefix}")
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    deployment = await flows.download_batch.to_deployment(pool, work_pool_name=pool)  # type: ignore[misc]
    await deployment.aapply()
    target = await target_of(pool, directory)
    assert target is not None
    block = await S3Credentials.load("fan-out")
    async with open_session(OPTIONS.config(), 32, None, block) as session:
        place = directory / ".shares/items.json"
        folder = ShareFolder(session.destination_of(place), place)
        left = await read_leftovers(folder)
        distribution = Distribution(target, folder, OPTIONS, "auto", session, left, idle_timeout=0)
        for one in units:
            distribution.add(one)
        yield distribution, Worker(target, folder), session


async def collected(
    distribution: Distribution, units: list[Unit]
) -> list[tuple[Unit, list[Outcome]]]:
    return [one async for one in distribution.download(units)]


def outcomes_of(ended: list[tuple[Unit, list[Outcome]]]) -> dict[int, set[type[object]]]:
    return {one.number: {type(outcome) for outcome in outcomes} for one, outcomes in ended}


async def test_share_that_fails_too_often_is_reported_and_the_rest_is_published(
    origin: Origin, bucket: Bucket
) -> None:
    directory = StorePath.parse(f"s3://{bucket.name}/{bucket.prefix}")
    units = [unit(origin, directory, number) for number in range(4)]

    @flow
    async def coordinate() -> list[tuple[Unit, list[Outcome]]]:
        async with opened(bucket, units) as (distribution, worker, _):

            async def play() -> None:
                finished: set[str] = set()
                while True:
                    for run in await worker.runs():
                        if not finished or run.parameters["share"] in finished:
                            finished.add(run.parameters["share"])
                            await worker.finish(run)
                        elif notice_lines():
                            await worker.crash(run)
                    await asyncio.sleep(0.2)

            playing = asyncio.create_task(play())
            try:
                return [one async for one in distribution.download(units)]
            finally:
                playing.cancel()
                (line,) = notice_lines()
                assert "has no running worker" in line

    ended = await coordinate()
    by_kind = outcomes_of(ended)
    assert sorted(by_kind) == [0, 1, 2, 3]
    assert sorted(map(str, by_kind.values())) == sorted(
        map(str, [{Downloaded}, {Downloaded}, {Failed}, {Failed}])
    )
    errors = [one.error for _, found in ended for one in found if isinstance(one, Failed)]
    assert len(errors) == 2 * len(KEYS)
    assert {type(error) for error in errors} == {WorkerError}
    assert "ended 3 times without a result (killed). Run the flow again" in str(errors[0])


async def test_next_run_uses_finished_shares_and_cancels_shares_of_changed_items(
    origin: Origin, bucket: Bucket
) -> None:
    directory = StorePath.parse(f"s3://{bucket.name}/{bucket.prefix}")
    units = [unit(origin, directory, number) for number in range(4)]
    for number in range(2):
        for key in KEYS:
            await bucket.put(f"item-{number}/{key}.tif", b"1")

    @flow
    async def coordinate() -> tuple[list[int], list[FlowRun], list[FlowRun]]:
        async with opened(bucket, units) as (first, worker, session):
            killed = first.download(units)
            reading = asyncio.create_task(anext(killed))
            while len(before := await worker.runs()) < 2:
                await asyncio.sleep(0.2)
            shares = [await worker.share(run) for run in before]
            (done,) = [
                run
                for run, share in zip(before, shares, strict=True)
                if "/item-0/" in share.items[0].transfers[0].path
            ]
            await worker.finish(done)
            await reading
            # The first coordinator continues no more, as after a kill.
            units[3].owner.properties["changed"] = True  # type: ignore[union-attr]
            left = await read_leftovers(worker.folder)
            second = Distribution(
                worker.target, worker.folder, OPTIONS, "auto", session, left, idle_timeout=0
            )
            for one in units:
                second.add(one)
            ended: list[int] = []
            async for one, _ in second.download(units):
                ended.append(one.number)
                if len(ended) == 2:
                    break
            await killed.aclose()
            return ended, before, await worker.runs()

    ended, before, after = await coordinate()
    assert sorted(ended) == [0, 1]
    assert {run.id for run in before}.isdisjoint(run.id for run in after)


async def test_no_share_is_started_after_a_budget_is_reached(
    origin: Origin, bucket: Bucket
) -> None:
    directory = StorePath.parse(f"s3://{bucket.name}/{bucket.prefix}")
    units = [unit(origin, directory, number) for number in range(7)]

    @flow
    async def coordinate() -> tuple[list[tuple[Unit, list[Outcome]]], list[FlowRun], list[FlowRun]]:
        async with opened(bucket, units) as (distribution, worker, _):
            done = asyncio.create_task(collected(distribution, units))
            while len(before := await worker.runs()) < 2:
                await asyncio.sleep(0.2)
            await worker.leave(before[0])
            await worker.finish(before[1])
            (ended,) = await asyncio.gather(done)
            return ended, before, await worker.runs()

    ended, before, after = await coordinate()
    for run in before:  # The items are in the document of the share.
        assert run.parameters["share"].startswith(f"{directory}/.shares/")
        assert len(json.dumps(run.parameters)) < 2_000
    assert (len(before), len(after)) == (2, 1)  # Only the run of the left items has no final state.
    left = [one.number for one, _ in ended if one.left_because]
    assert sorted(one.number for one, _ in ended) == list(range(7))
    assert {one.left_because for one, _ in ended} == {"", REACHED}
    assert len(left) == 5
    taken = [pair for pair in ended if not pair[0].left_because]
    assert list(outcomes_of(taken).values()) == [{Downloaded}] * 2


async def test_restart_of_the_server_loses_no_share_and_starts_none_twice(
    origin: Origin, bucket: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = StorePath.parse(f"s3://{bucket.name}/{bucket.prefix}")
    units = [unit(origin, directory, number) for number in range(6)]

    @flow
    async def coordinate(server: RestartableServer) -> tuple[list[Any], set[Any], list[FlowRun]]:
        async with opened(bucket, units) as (distribution, worker, _):
            done = asyncio.create_task(collected(distribution, units))
            while len(before := await worker.runs()) < 2:
                await asyncio.sleep(0.2)
            share = await worker.share(before[0])
            server.stop()
            # The worker of this share does not need the server.
            await worker.write_result(share)
            await wait_until(lambda: "cannot be requested for now" in caplog.text)
            server.start()
            finished = {before[0].id}
            while not done.done():
                for run in await worker.runs():
                    if run.id != before[0].id:
                        await worker.finish(run)
                        finished.add(run.id)
                await asyncio.sleep(0.2)
            async with get_client() as client:
                return (
                    await done,
                    finished,
                    await client.read_flow_runs(deployment_filter=worker.deployment),
                )

    given = await S3Credentials.load("fan-out")
    with RestartableServer.running(tmp_path) as server:
        block = S3Credentials(
            access_key_id=KEY, secret_access_key=SECRET, endpoint_url=given.endpoint_url
        )
        await block.save("fan-out")
        ended, finished, runs = await coordinate(server)
    assert sorted(one.number for one, _ in ended) == list(range(6))
    assert {type(outcome) for _, found in ended for outcome in found} == {Downloaded}
    assert {run.id for run in runs} == finished
    assert len(runs) == 3
    assert {str(run.idempotency_key).rpartition(":")[2] for run in runs} == {"1"}


async def test_paused_pool_is_named(origin: Origin, bucket: Bucket) -> None:
    directory = StorePath.parse(f"s3://{bucket.name}/{bucket.prefix}")
    units = [unit(origin, directory, number) for number in range(2)]

    @flow
    async def coordinate() -> list[str]:
        async with opened(bucket, units) as (distribution, worker, _):
            assert worker.target.pool is not None
            async with get_client() as client:
                await client.update_work_pool(worker.target.pool, WorkPoolUpdate(is_paused=True))
            done = distribution.download(units)
            reading = asyncio.ensure_future(anext(done))
            while not notice_lines():
                await asyncio.sleep(0.2)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await done.aclose()
            mine = DeploymentFilter(id=DeploymentFilterId(any_=[worker.target.id]))
            async with get_client() as client:
                runs = await client.read_flow_runs(deployment_filter=mine)
            assert [run.state.type for run in runs if run.state] == [StateType.CANCELLED]
            return notice_lines()

    (line,) = await coordinate()
    assert "is paused" in line


async def test_items_with_signed_hrefs_are_downloaded_without_a_share(
    origin: Origin, bucket: Bucket
) -> None:
    directory = StorePath.parse(f"s3://{bucket.name}/{bucket.prefix}")
    plain = unit(origin, directory, 0)
    candidate = plain.transfers[0].candidates[0]
    signed = replace(candidate, href=f"{candidate.href}?sig=abc")
    transfer = replace(plain.transfers[0], candidates=(signed,))

    @flow
    async def coordinate() -> tuple[list[tuple[Unit, list[Outcome]]], list[str], list[FlowRun]]:
        units = [replace(plain, planned=(transfer,)), Unit(1, plain.owner, ())]
        async with opened(bucket, units) as (distribution, worker, _):
            ended = [one async for one in distribution.download(units)]
            return ended, notice_lines(), await worker.runs()

    ended, (line,), runs = await coordinate()
    assert outcomes_of(ended) == {0: {Downloaded}, 1: set()}
    assert "signed or local hrefs: item 'item-0'" in line
    assert runs == []
    assert not any(".shares/" in key for key in await bucket.keys())
