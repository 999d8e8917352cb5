"""Assertions about runs on a cluster with two workers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import S3Credentials
from stac_asset import DownloadError
from stac_asset.destinations.part_names import part_paths
from stac_asset.errors import ResponseError
from stac_asset.testing import Origin, S3Proxy, Stall, Status
from tests.support.files import list_files
from tests.support.flow_inputs import OPTIONS, put_item_collection, with_options
from tests.support.items import item_from_origin
from tests.support.paths import ROOT
from tests.support.prefect_reads import message, read_back, states
from tests.support.processes import wait_until
from tests.support.s3_destinations import Bucket, moto_service
from tests.support.server_logs import ServerLog
from tests.support.submissions import listed_submissions

_RUNNERS = ROOT / "docs" / "runners.md"

HALF = 2_000_000
"""Number of bytes that are sent before the origin stalls: half of the file."""


def documented_flow(runner: str, placeholder: str, replacement: str) -> Any:
    """Return the flow that a code example of `docs/runners.md` creates.

    Args:
        runner: Class of the task runner. The example is found by this name.
        placeholder: Part of the example, such as the address of a cluster.
        replacement: The text that replaces the placeholder.
    """
    (code,) = [
        block.partition("```")[0]
        for block in _RUNNERS.read_text().split("```python\n")[1:]
        if runner in block.partition("```")[0]
    ]
    assert placeholder in code
    names: dict[str, Any] = {}
    exec(code.replace(placeholder, replacement), names)
    return names["download"]


async def assert_own_flow_runs(runner: Any, origin: Origin, directory: Path) -> None:
    """Plan, check, download and rewrite an item in a flow with a task runner.

    Args:
        runner: The task runner.
        origin: The origin of the item.
        directory: The directory of the download.
    """
    item = item_from_origin(origin, "a", "b")

    @flow(task_runner=runner)
    def own_flow() -> Any:
        planned = flows.plan_item.submit(item, directory, OPTIONS)
        flows.check_asset_exists.map(planned, OPTIONS).result()  # type: ignore[call-overload]
        outcomes = flows.download_asset.map(planned, OPTIONS)  # type: ignore[call-overload]
        return flows.rewrite_item.submit(item, outcomes, directory / "item.json").result()  # type: ignore[call-overload]

    assert await asyncio.to_thread(own_flow) == directory / "item.json"
    for key in ("a", "b"):
        assert (directory / f"{key}.tif").read_bytes() == origin.content(f"/{key}.tif")


async def assert_batches_run(
    download: Any, log: ServerLog, origin: Origin, href: str, directory: Path
) -> State[Any]:
    """Download 60 items with four assets each, and assert that only the missing asset fails.

    Args:
        download: The flow.
        log: The log of the workers.
        origin: The origin of the items.
        href: The href of the item collection.
        directory: The directory of the download.

    Returns:
        The final state of the flow run.
    """
    origin.remove("/55/c.tif")
    log.expect_errors(
        r"Task run 'item-50/a and 39 more' - Finished in state Failed\(.*1 of 40 assets failed",
    )
    options = with_options(http_check_content_type=False)
    state: State[Any] = await download(href, str(directory), options, return_state=True)
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert "1 of 240 assets failed" in (run.state.message or "")
    found = states(task_runs)
    assert found["item-0/a and 99 more"] == ("Completed", "COMPLETED")
    assert found["item-50/a and 39 more"] == ("Failed", "FAILED")
    assert "1 of 40 assets failed" in message(task_runs, "item-50/a and 39 more")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    assert "asset 'c' of item 'item-55': 404" in str(error)
    assert not (directory / "item-55" / "c.tif").exists()
    assert len(list_files(directory)) == 239 + 2
    assert_same_content(
        origin, directory, [(number, key) for number in range(50) for key in "abcd"]
    )
    return state


async def assert_batches_write_to_bucket(download: Any, origin: Origin) -> None:
    """Download 60 items to a bucket, which the workers reach with the keys of a saved block."""
    href = put_item_collection(origin, 60, "a", "b")
    with moto_service() as service, S3Proxy(service) as proxy:
        async with Bucket.create(service) as bucket:
            await S3Credentials(
                access_key_id="AKIAWORKERS",
                secret_access_key="destination-secret",
                endpoint_url=proxy.url,
                buckets=[bucket.name],
            ).save("of-workers", overwrite=True)
            result = await download(
                href,
                f"s3://{bucket.name}/{bucket.prefix}",
                OPTIONS,
                destination_credentials=await S3Credentials.load("of-workers"),
                granularity="batch",
            )
            assert result.downloaded == 120
            pages = bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
            keys = {found["Key"] async for page in pages for found in page.get("Contents", ())}
            files = {f"item-{number}/{key}.tif" for number in range(60) for key in "ab"}
            documents = {"item-collection.json", "item-collection.report.ndjson"}
            assert keys == {f"{bucket.prefix}/{name}" for name in files | documents}
            for number in (0, 59):
                content = origin.content(f"/{number}/b.tif")
                assert await bucket.content(f"item-{number}/b.tif") == content
            assert not await bucket.uploads()
        assert len({item.id for item in result.items()}) == 60
        keys_used = {request.headers.get("authorization", "") for request in proxy.received()}
        assert all("AKIAWORKERS" in value for value in keys_used)
        # The flow and each of the two batches opened a session.
        probes = [one for one in proxy.received("PutObject") if ".stac-asset-probe-" in one.key]
        assert len({one.key for one in probes}) == 3


async def assert_fail_fast_stops_batches(
    download: Any, log: ServerLog, origin: Origin, directory: Path
) -> None:
    """Fail an asset with `fail_fast`, and assert that running and waiting batches stop."""
    href = put_item_collection(origin, 100, "a", "b", "c", "d")
    origin.fault("/0/a.tif", Status(503), times=0)
    origin.fault("/*.tif", Stall(after=100), times=0)
    options = with_options(
        fail_fast=True, http_max_attempts=1_000_000, retry_wait_max=0.1, max_concurrent_downloads=5
    )
    log.expect_errors(
        r"Task run 'item-0/a and 99 more' - Finished in state Failed\(.*403 Forbidden",
        r"Task run 'item-\d+/a and 99 more' - Finished in state Cancelled\('another asset failed",
    )
    with listed_submissions(type(download.task_runner)) as submitted:
        running = asyncio.ensure_future(download(href, str(directory), options, return_state=True))
        # Both workers are in the middle of a batch.
        await wait_until(lambda: origin.in_flight >= 9)
        await wait_until(lambda: len(submitted) == 4)
        origin.fault("/0/a.tif", Status(403), times=0)  # The latest fault applies.
        state = await running
    run, task_runs = await read_back(state, 5)
    assert run.state is not None
    assert "asset 'a' of item 'item-0': 403" in (run.state.message or "")
    assert isinstance(await state.aresult(raise_on_failure=False), ResponseError)
    found = states(task_runs)
    assert found.pop(f"client for {origin.url}/") == ("Completed", "COMPLETED")
    assert found.pop("item-0/a and 99 more") == ("Failed", "FAILED")
    assert list(found.values()) == [("Cancelled", "CANCELLED")] * 3
    started = {int(request.path.split("/")[1]) // 25 for request in origin.gets("/*/?.tif")}
    assert len(started) == 2, "a waiting batch was started"
    assert list_files(directory) == []


async def assert_killed_worker_is_replaced(
    download: Any, busy_worker_pids: Callable[[], list[int]], origin: Origin, directory: Path
) -> None:
    """Kill the worker of a batch during a download, and assert that another worker resumes.

    Args:
        download: The flow.
        busy_worker_pids: Returns the ids of the busy worker processes.
        origin: The origin.
        directory: The directory of the download.
    """
    href = put_stalling_items(origin)
    running = asyncio.ensure_future(
        download(href, str(directory), OPTIONS, granularity="batch", return_state=True)
    )
    await wait_for_half_of_file(directory)
    (worker,) = busy_worker_pids()
    os.kill(worker, signal.SIGKILL)
    state = await running
    run, task_runs = await read_back(state, 2)
    assert run.state is not None
    assert run.state.name == "Completed"
    assert states(task_runs)["item-0/a and 5 more"] == ("Completed", "COMPLETED")
    assert_same_content(origin, directory, [(number, key) for number in range(3) for key in "ab"])
    assert len(list_files(directory)) == 6 + 2
    first, second = origin.gets("/1/a.tif")
    assert "range" not in first.headers
    assert second.headers["range"].startswith("bytes=")


def put_stalling_items(origin: Origin) -> str:
    """Put three items with two assets each on an origin. An asset stalls once, at half size."""
    href = put_item_collection(origin, 3, "a", "b")
    origin.put("/1/a.tif", size=2 * HALF)
    origin.fault("/1/a.tif", Stall(after=HALF), times=1)
    return href


async def wait_for_half_of_file(directory: Path) -> None:
    """Wait until half of the stalled file is on disk.

    The resume note is complete then. A worker that is killed earlier may leave half a note.
    """
    part, _ = part_paths(directory / "item-1" / "a.tif")
    await wait_until(lambda: part.exists() and part.stat().st_size >= HALF)


def assert_same_content(origin: Origin, directory: Path, assets: list[tuple[int, str]]) -> None:
    """Assert that files have the same content as on the origin."""
    for number, key in assets:
        path = directory / f"item-{number}" / f"{key}.tif"
        assert path.read_bytes() == origin.content(f"/{number}/{key}.tif")
