"""The states of batches, of siblings, and of retries, read back from a real Prefect server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions, DownloadResult
from prefect_stac_asset.flows.execution.states import BatchError
from prefect_stac_asset.flows.parameters.options import Granularity
from stac_asset import DownloadError
from stac_asset.errors import LocalHrefError, ResponseError
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.testing import Origin, Stall, Status, Truncate
from tests.flows.reading import message, read_back, states
from tests.make_item import item_document, make_item

# What stalls is silent for as long as the test wants it, however long that takes.
OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2, http_read_timeout=600)


def with_options(**options: object) -> DownloadOptions:
    return OPTIONS.model_copy(update=options)


def make_items(origin: Origin, count: int, *keys: str, suffix: str = ".json") -> str:
    """Puts an item collection on the origin, and returns its href."""
    items = []
    for number in range(count):
        document = item_document(origin, *keys, name=f"item-{number}")
        for key, asset in document["assets"].items():
            asset["href"] = origin.href(f"/{number}/{key}.tif")
        items.append(document)
    if suffix == ".ndjson":
        text = "".join(json.dumps(item) + "\n" for item in items)
    else:
        text = json.dumps({"type": "FeatureCollection", "features": items})
    return origin.put(f"/items{suffix}", text.encode())


async def history(task_run_id: object, length: int) -> list[str]:
    """Returns the names of a task run's states, when there are so many: they come as events."""
    async with get_client() as client:
        for _ in range(1200):
            found = await client.read_task_run_states(task_run_id)  # type: ignore[arg-type]
            if len(found) >= length:
                break
            await asyncio.sleep(0.1)
    return [state.name or "" for state in sorted(found, key=lambda state: state.timestamp)]


async def test_batches_of_whole_items_sum_their_assets_up(origin: Origin, tmp_path: Path) -> None:
    href = make_items(origin, 60, "a", "b", "c", "d")  # 240 assets: two batches by themselves
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


async def test_batch_that_is_there_already_is_skipped(origin: Origin, tmp_path: Path) -> None:
    href = make_items(origin, 3, "a", "b")
    for _ in range(2):
        state = await flows.download_item_collection(
            href, str(tmp_path), OPTIONS, granularity="batch", return_state=True
        )
    _, task_runs = await read_back(state, 2)
    assert states(task_runs)["item-0/a and 5 more"] == ("Skipped", "COMPLETED")
    assert len(origin.gets("/0/a.tif")) == 1


async def test_batch_with_errors_is_failed_and_the_others_go_on(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_items(origin, 60, "a", "b", "c", "d")
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


async def test_batch_with_warnings_is_completed(origin: Origin, tmp_path: Path) -> None:
    href = make_items(origin, 3, "a", "b")
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


async def test_fail_fast_cancels_the_siblings_and_leaves_nothing_partial(
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


async def test_fail_fast_stops_batches_that_run_and_those_that_wait(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_items(origin, 300, "a", "b", "c", "d")  # twelve batches
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
@pytest.mark.parametrize("what", ["item", "item collection"])
async def test_fail_fast_holds_for_an_asset_that_cannot_be_planned(
    origin: Origin, tmp_path: Path, what: str, granularity: Granularity
) -> None:
    items = [item_document(origin, "a", "b", name=f"item-{number}") for number in range(3)]
    items[2]["assets"]["bad"] = {"href": "file:///etc/hostname"}
    collection = {"type": "FeatureCollection", "features": items}
    document: dict[str, object] = items[2] if what == "item" else collection
    href = origin.put("/source.json", json.dumps(document).encode())
    run = flows.download_item if what == "item" else flows.download_item_collection
    more = {} if what == "item" else {"path_template": "${id}"}
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


async def test_prefect_retries_what_may_pass(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Status(503), times=3)
    options = with_options(retries=2, retry_delay=0.1, http_max_attempts=2)
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert run.state.name == "Completed"
    (retried,) = [found for found in task_runs if found.name == "the-item/a"]
    assert await history(retried.id, 5) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]
    assert len(origin.gets("/a.tif")) == 4


@pytest.mark.parametrize("warn", [False, True])
async def test_prefect_does_not_retry_what_stays(
    origin: Origin, tmp_path: Path, warn: bool
) -> None:
    href = make_item(origin, "a", "b")
    origin.remove("/a.tif")
    options = with_options(retries=3, retry_delay=0.1, warn=warn)
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    _, task_runs = await read_back(state, 4)
    (failed,) = [found for found in task_runs if found.name == "the-item/a"]
    ended = "Warned" if warn else "Failed"
    assert await history(failed.id, 3) == ["Pending", "Running", ended]
    assert len(origin.gets("/a.tif")) == 1


async def test_warned_asset_was_retried_before(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Status(503), times=0)
    options = with_options(retries=1, retry_delay=0.1, http_max_attempts=1, warn=True)
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    _, task_runs = await read_back(state, 4)
    (warned,) = [found for found in task_runs if found.name == "the-item/a"]
    assert await history(warned.id, 5) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Warned",
    ]


async def test_retried_batch_does_not_fetch_again_what_it_finished(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_items(origin, 10, "a", "b")
    origin.fault("/3/b.tif", Truncate(100), times=1)
    options = with_options(retries=1, retry_delay=0.1, http_max_attempts=1, overwrite=True)
    state = await flows.download_item_collection(
        href, str(tmp_path), options, granularity="batch", return_state=True
    )
    _, task_runs = await read_back(state, 2)
    (batch,) = [found for found in task_runs if found.name == "item-0/a and 19 more"]
    assert await history(batch.id, 5) == [
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


async def test_batch_error_says_what_became_of_the_others(origin: Origin, tmp_path: Path) -> None:
    from prefect import flow

    from stac_asset.plan.planner import Planner
    from stac_asset.stac.parse import stac_of

    origin.remove("/b.tif")
    item = stac_of(item_document(origin, "a", "b"), origin.href("/item.json"), "item")
    transfers = list(Planner(tmp_path, OPTIONS.config(), LOCAL_FACTS).assets(item))  # type: ignore[arg-type]

    @flow
    async def foreign() -> None:
        await flows.download_assets(transfers, OPTIONS)  # type: ignore[arg-type]

    with pytest.raises(BatchError, match="1 of 2 assets failed") as caught:
        await foreign()
    assert [outcome.state for outcome in caught.value.outcomes] == ["downloaded", "failed"]
