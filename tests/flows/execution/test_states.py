"""States of batches, cancelled assets and retries, read from a Prefect server."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.schemas.objects import State

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadResult
from prefect_stac_asset.flows.execution import finished
from prefect_stac_asset.flows.execution.states import BatchError
from prefect_stac_asset.flows.parameters.options import Granularity
from stac_asset import DownloadError
from stac_asset.errors import LocalHrefError, ResponseError
from stac_asset.plan.planner import Planner
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Stall, Status, Truncate
from stac_asset.types import Transfer
from tests.support.flow_inputs import OPTIONS, put_item_collection, with_options
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import message, read_back, states
from tests.support.task_runs import read_state_names


async def test_batch_states_count_assets(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 60, "a", "b", "c", "d")  # 240 assets, three batches
    state: State[DownloadResult] = await flows.download_item_collection(
        href, str(tmp_path), OPTIONS, return_state=True
    )
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert run.state.message == "240 of 240 assets downloaded"
    found = states(task_runs)
    assert found["item-0/a and 99 more"] == ("Completed", "COMPLETED")
    assert message(task_runs, "item-0/a and 99 more") == "100 assets downloaded, 0 already present"
    assert message(task_runs, "item-50/a and 39 more") == "40 assets downloaded, 0 already present"
    result = await state.aresult()
    items = list(result.items())
    assert [item.id for item in items] == [f"item-{number}" for number in range(60)]
    for item in items:
        for key, asset in item.assets.items():
            path = f"/{item.id.removeprefix('item-')}/{key}.tif"
            assert Path(asset.href).read_bytes() == origin.content(path)
    assert len(list(result.rows())) == 240


async def test_batch_of_existing_files_is_skipped(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 3, "a", "b")
    for _ in range(2):
        state = await flows.download_item_collection(
            href, str(tmp_path), OPTIONS, granularity="batch", return_state=True
        )
    _, task_runs = await read_back(state, 2)
    assert states(task_runs)["item-0/a and 5 more"] == ("Skipped", "COMPLETED")
    assert len(origin.gets("/0/a.tif")) == 1


async def test_batch_with_failed_assets_fails_alone(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 60, "a", "b", "c", "d")
    for number in (1, 2, 3):
        origin.remove(f"/{number}/b.tif")
    state = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert run.state.type.value == "FAILED"
    assert "3 of 240 assets failed" in (run.state.message or "")
    assert states(task_runs)["item-0/a and 99 more"] == ("Failed", "FAILED")
    assert "3 of 100 assets failed" in message(task_runs, "item-0/a and 99 more")
    assert states(task_runs)["item-50/a and 39 more"] == ("Completed", "COMPLETED")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    assert len(error.exceptions) == 3
    document = json.loads((tmp_path / "item-collection.json").read_text())
    assert sum(len(item["assets"]) for item in document["features"]) == 237
    assert document["features"][0]["assets"]["a"]["href"] == "./item-0/a.tif"


async def test_batch_with_warnings_completes(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 3, "a", "b")
    origin.remove("/1/b.tif")
    state = await flows.download_item_collection(
        href, str(tmp_path), with_options(warn=True), granularity="batch", return_state=True
    )
    run, task_runs = await read_back(state, 2)
    assert run.state is not None
    assert run.state.name == "CompletedWithWarnings"
    assert states(task_runs)["item-0/a and 5 more"] == ("Warned", "COMPLETED")
    assert "1 of 6 assets failed" in message(task_runs, "item-0/a and 5 more")
    assert (await state.aresult()).failed == 1


async def test_fail_fast_cancels_other_assets_and_leaves_no_files(
    origin: Origin, tmp_path: Path
) -> None:
    keys = [f"k{number:02d}" for number in range(20)]
    href = make_item(origin, *keys)
    origin.fault("/k07.tif", Status(403), times=0)
    origin.fault("/*.tif", Stall(after=100), times=0)
    options = with_options(fail_fast=True, max_concurrent_downloads=10)
    async with asyncio.timeout(240):
        state = await flows.download_item(
            href, str(tmp_path), options, granularity="asset", return_state=True
        )
    run, task_runs = await read_back(state, 11)
    assert run.state is not None
    assert run.state.type.value == "FAILED"
    assert "asset 'k07' of item 'the-item': 403" in (run.state.message or "")
    found = states(task_runs)
    assert found.pop(f"client for {origin.url}/") == ("Completed", "COMPLETED")
    assert found.pop("the-item/k07") == ("Failed", "FAILED")
    assert set(found.values()) == {("Cancelled", "CANCELLED")}
    assert len(found) == 9
    assert "another asset failed first" in message(task_runs, "the-item/k00")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, ResponseError)
    assert list(tmp_path.iterdir()) == []


async def test_fail_fast_stops_running_and_waiting_batches(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 300, "a", "b", "c", "d")  # twelve batches
    origin.fault("/3/a.tif", Status(403), times=0)
    origin.fault("/*.tif", Stall(after=100), times=0)
    options = with_options(fail_fast=True, max_concurrent_downloads=50)
    async with asyncio.timeout(240):
        state = await flows.download_item_collection(
            href, str(tmp_path), options, return_state=True
        )
    _, task_runs = await read_back(state, 5)
    found = states(task_runs)
    assert found["item-0/a and 99 more"] == ("Failed", "FAILED")
    assert sum(name == "Cancelled" for name, _ in found.values()) == 3
    assert not (tmp_path / "item-collection.json").exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("granularity", ["asset", "batch"])
@pytest.mark.parametrize("source", ["item", "item collection"])
async def test_fail_fast_applies_to_planning_errors(
    origin: Origin, tmp_path: Path, source: str, granularity: Granularity
) -> None:
    items = [item_document(origin, "a", "b", name=f"item-{number}") for number in range(3)]
    items[2]["assets"]["bad"] = {"href": "file:///etc/hostname"}
    collection = {"type": "FeatureCollection", "features": items}
    document: dict[str, object] = items[2] if source == "item" else collection
    href = origin.put("/source.json", json.dumps(document).encode())
    run = flows.download_item if source == "item" else flows.download_item_collection
    more = {} if source == "item" else {"path_template": "${id}"}
    options = with_options(fail_fast=True)
    state: State[DownloadResult] = await run(
        href, str(tmp_path), options, granularity, return_state=True, **more
    )
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, LocalHrefError)
    assert (error.owner, error.key) == ("item 'item-2'", "bad")
    assert [request.path for request in origin.requests] == ["/source.json"]
    assert list(tmp_path.iterdir()) == []


async def test_transient_error_is_retried_by_prefect(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Status(503), times=3)
    options = with_options(retries=2, retry_delay=0.1, http_max_attempts=2)
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert run.state.name == "Completed"
    (retried,) = [found for found in task_runs if found.name == "the-item/a"]
    assert await read_state_names(retried.id, 5) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]
    assert len(origin.gets("/a.tif")) == 4


@pytest.mark.parametrize("warn", [False, True])
async def test_permanent_error_is_not_retried_by_prefect(
    origin: Origin, tmp_path: Path, warn: bool
) -> None:
    href = make_item(origin, "a", "b")
    origin.remove("/a.tif")
    options = with_options(retries=3, retry_delay=0.1, warn=warn)
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    _, task_runs = await read_back(state, 4)
    (failed,) = [found for found in task_runs if found.name == "the-item/a"]
    final = "Warned" if warn else "Failed"
    assert await read_state_names(failed.id, 3) == ["Pending", "Running", final]
    assert len(origin.gets("/a.tif")) == 1


async def test_asset_is_retried_before_warning(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Status(503), times=0)
    options = with_options(retries=1, retry_delay=0.1, http_max_attempts=1, warn=True)
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    _, task_runs = await read_back(state, 4)
    (warned,) = [found for found in task_runs if found.name == "the-item/a"]
    assert await read_state_names(warned.id, 5) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Warned",
    ]


async def test_retried_batch_downloads_only_unfinished_assets(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_item_collection(origin, 10, "a", "b")
    origin.fault("/3/b.tif", Truncate(100), times=1)
    options = with_options(retries=1, retry_delay=0.1, http_max_attempts=1, overwrite=True)
    state = await flows.download_item_collection(
        href, str(tmp_path), options, granularity="batch", return_state=True
    )
    _, task_runs = await read_back(state, 2)
    (batch,) = [found for found in task_runs if found.name == "item-0/a and 19 more"]
    assert await read_state_names(batch.id, 5) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]
    gets = {path: len(origin.gets(path)) for path in {found.path for found in origin.gets()}}
    assert gets.pop("/3/b.tif") == 2
    assert set(gets.values()) == {1}
    assert (await state.aresult()).downloaded == 20


@pytest.mark.parametrize("retried", ["task run", "flow run", "flow run in another process"])
@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_retry_with_fail_fast_and_overwrite_downloads_only_unfinished_assets(
    origin: Origin,
    tmp_path: Path,
    retried: str,
    granularity: Granularity,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_forgotten = retried == "flow run in another process"
    if is_forgotten:
        monkeypatch.setattr(finished, "_MAX_RUNS", 0)
        monkeypatch.setattr(finished, "_CLOCK_DIFFERENCE", 0)
    href = put_item_collection(origin, 3, "a", "b")
    origin.fault("/2/b.tif", Status(503), times=1)
    retries = int(retried == "task run")
    options = with_options(
        retries=retries, retry_delay=0.1, http_max_attempts=1, overwrite=True, fail_fast=True
    ).model_copy(update={"max_concurrent_downloads": 1})
    download = flows.download_item_collection.with_options(retries=1 - retries)
    result = await download(href, str(tmp_path), options, granularity)
    gets = {path: len(origin.gets(path)) for path in {found.path for found in origin.gets()}}
    del gets["/items.json"]
    assert gets.pop("/2/b.tif") == 2
    assert gets == {f"/{name}.tif": 1 for name in ("0/a", "0/b", "1/a", "1/b", "2/a")}
    assert (result.downloaded, result.skipped) == ((1, 5) if is_forgotten else (6, 0))


async def test_retry_downloads_file_that_the_plan_replaces_again(
    origin: Origin, tmp_path: Path
) -> None:
    """The source of a mirror may have another version since the earlier attempt."""
    item = stac_of(item_document(origin, "a"), origin.href("/item.json"), "item")
    [planned] = Planner(tmp_path, OPTIONS.config(), LOCAL_FACTS).assets(item)  # type: ignore[arg-type]
    assert isinstance(planned, Transfer)
    transfer = dataclasses.replace(planned, overwrite=True)

    @flow(retries=1)
    async def user_flow() -> None:
        await flows.download_asset(transfer, OPTIONS)
        if len(origin.gets()) == 1:
            origin.put("/a.tif", b"new version")
            raise ValueError("retry")

    await user_flow()
    assert (tmp_path / "a.tif").read_bytes() == b"new version"


async def test_batch_error_contains_all_outcomes(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/b.tif")
    item = stac_of(item_document(origin, "a", "b"), origin.href("/item.json"), "item")
    transfers = list(Planner(tmp_path, OPTIONS.config(), LOCAL_FACTS).assets(item))  # type: ignore[arg-type]

    @flow
    async def user_flow() -> None:
        await flows.download_assets(transfers, OPTIONS)  # type: ignore[arg-type]

    with pytest.raises(BatchError, match="1 of 2 assets failed") as caught:
        await user_flow()
    assert [outcome.state for outcome in caught.value.outcomes] == ["downloaded", "failed"]
