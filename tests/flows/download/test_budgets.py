"""Budgets of providers in runs of the download flows and of `sync`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions, DownloadResult
from prefect_stac_asset.flows.execution.budgets.store import read_record
from prefect_stac_asset.flows.execution.event_names import BUDGET_WARNING, RUN_COMPLETED
from prefect_stac_asset.flows.parameters.budgets import Budget
from prefect_stac_asset.flows.reporting.artifacts import SUMMARY
from stac_asset.errors import VerifyError
from stac_asset.testing import IgnoreRange, Origin, Truncate
from tests.support.flow_inputs import with_options, with_threads
from tests.support.items import item_document
from tests.support.prefect_reads import read_artifacts, read_events

SIZE = 1000

ITEMS = flows.download_item_collection


def budgets(name: str, size: int, **limits: int) -> dict[str, Any]:
    """Return the option `budgets` with a budget of all files of an origin."""
    budget = Budget(name=name, hosts=("127.0.0.1",), bytes_per_30_days=size, **limits)
    return {"budgets": [budget]}


def put_items(origin: Origin, directory: Path, count: int, sized: bool = True) -> str:
    """Write an item collection with an asset of `SIZE` bytes for each item."""
    items = []
    for number in range(count):
        document = item_document(origin, "a", name=f"item-{number}")
        href = origin.put(f"/{number}/a.tif", b"x" * SIZE)
        document["assets"]["a"] = {"href": href} | ({"file:size": SIZE} if sized else {})
        items.append(document)
    path = directory / "source.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return str(path)


async def download(
    source: str, directory: Path, options: DownloadOptions, flow: Any = None, **more: Any
) -> State[DownloadResult]:
    flow = flow or ITEMS
    state: State[DownloadResult] = await flow(
        source, str(directory), options, **more, return_state=True
    )
    return state


async def used(name: str) -> int:
    async with get_client() as client:
        record = await read_record(client, name)
    assert not record.claims
    return sum(record.days.values())


def names(path: str) -> list[str]:
    return [item["id"] for item in json.loads(Path(path).read_text())["features"]]


async def test_run_stops_at_the_budget_and_the_next_run_goes_on(
    origin: Origin, tmp_path: Path
) -> None:
    source = put_items(origin, tmp_path, 10)
    to = tmp_path / "to"
    options = with_options(**budgets("stops", 4 * SIZE + 500))
    state = await download(source, to, options, granularity="asset")
    result = await state.aresult()
    assert (state.name, state.type.value) == ("BudgetReached", "COMPLETED")
    assert (result.downloaded, result.failed, result.left_by_budget) == (4, 0, 6)
    assert "Budget 'stops' of 4.5 kB in 30 days is reached" in (state.message or "")
    assert len(origin.gets()) == 4
    assert await used("stops") == 4 * SIZE
    assert len(names(result.document)) == 4
    rows = [row["state"] for row in result.rows()]
    assert sorted(rows) == ["downloaded"] * 4 + ["left"] * 6
    summary = (await read_artifacts(state))[SUMMARY]["data"]
    assert "is reached" in summary
    assert "| Items left because of a budget | 6 |" in summary

    origin.forget()
    options = with_options(**budgets("stops", 7 * SIZE))
    state = await download(source, to, options, granularity="batch")
    result = await state.aresult()
    assert state.name == "BudgetReached"
    assert (result.downloaded, result.skipped, result.left_by_budget) == (3, 4, 3)
    assert len(origin.gets()) == 3
    assert len(names(result.document)) == 7


async def test_mirror_takes_the_items_that_an_earlier_run_left(
    origin: Origin, tmp_path: Path
) -> None:
    source, to = put_items(origin, tmp_path, 5), str(tmp_path / "mirror")
    found = []
    for size in (3, 4, 5):
        options = with_options(**budgets("mirror", size * SIZE))
        state = await flows.sync(source, to, options=options, return_state=True)
        result = await state.aresult()
        found.append((state.name, result.new, result.again, result.left, result.left_by_budget))
    assert found == [
        ("BudgetReached", 3, 0, 2, 2),
        ("BudgetReached", 1, 0, 1, 1),
        ("Completed", 1, 0, 0, 0),
    ]
    assert len(origin.gets()) == 5
    assert await used("mirror") == 5 * SIZE


async def test_left_item_keeps_its_earlier_form_without_missing_files(
    origin: Origin, tmp_path: Path
) -> None:
    source = put_items(origin, tmp_path, 3)
    to = tmp_path / "to"
    state = await download(source, to, with_options())
    (to / "item-1" / "a.tif").unlink()
    state = await download(source, to, with_options(**budgets("earlier", 1)))
    result = await state.aresult()
    assert (state.name, result.left_by_budget, result.skipped) == ("BudgetReached", 1, 2)
    assert "Items need more bytes than budget 'earlier' of 1 byte" in (state.message or "")
    assert names(result.document) == ["item-0", "item-2"]


async def test_bytes_of_failed_attempts_count_and_the_event_is_sent_once(
    origin: Origin, tmp_path: Path
) -> None:
    """Tasks in threads have separate sessions."""
    source = put_items(origin, tmp_path, 6, sized=False)
    origin.fault("/0/a.tif", Truncate(after=600))
    origin.fault("/0/a.tif", IgnoreRange())
    options = with_options(**budgets("event", 7 * SIZE, requests_per_minute=6000))
    state = await download(source, tmp_path / "to", options, with_threads(ITEMS, 2))
    assert state.name == "Completed"
    sent = sum(request.body_sent for request in origin.gets())
    assert sent == 6 * SIZE + 600
    assert await used("event") == sent
    [event] = await read_events(BUDGET_WARNING, state, 1)
    assert event["resource"]["prefect.resource.id"] == "stac-asset.budget.event"
    assert event["payload"] == {"budget": "event", "used": sent, "limit": 7 * SIZE}

    source = put_items(origin, tmp_path, 7, sized=False)
    state = await download(source, tmp_path / "to", options)
    assert (await state.aresult()).downloaded == 1
    assert await used("event") == sent + SIZE
    await read_events(RUN_COMPLETED, state, 1)
    await read_events(BUDGET_WARNING, state, 0)

    source = put_items(origin, tmp_path, 8, sized=False)
    state = await download(source, tmp_path / "to", options)
    assert (await state.aresult()).left_by_budget == 1


async def test_single_item_is_left_and_repair_fails(origin: Origin, tmp_path: Path) -> None:
    href = origin.put("/a.tif", b"x" * SIZE)
    document = item_document(origin, "a")
    document["assets"]["a"] = {"href": href, "file:size": SIZE}
    source, to = origin.put("/item.json", json.dumps(document).encode()), tmp_path / "to"
    options = with_options(**budgets("single", SIZE))
    state = await download(source, to, options, flows.download_item)
    assert state.name == "Completed"
    state = await download(source, tmp_path / "other", options, flows.download_item)
    assert (state.name, state.message) == (
        "BudgetReached",
        "No item was taken. Budget 'single' of 1.0 kB in 30 days is reached, so items are left for "
        "the next run: item 'the-item'",
    )
    assert not list((tmp_path / "other").glob("the-item*.json"))
    (to / "a.tif").write_bytes(b"short")
    with pytest.raises(VerifyError, match="repair failed: Budget 'single' of"):
        await flows.verify(str(to), repair=True, options=options)
