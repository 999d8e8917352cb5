"""Runs of the flow `check_assets` on a real Prefect server."""

from __future__ import annotations

import json
from pathlib import Path

import pystac
import pytest
from prefect import flow

from prefect_stac_asset import flows
from prefect_stac_asset.flows import CheckResult, DownloadOptions
from stac_asset import Config, DownloadError
from stac_asset.errors import HrefError, ResponseError, SourceError
from stac_asset.plan.planner import Planner
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Delay, Origin, Status
from stac_asset.types import Transfer
from tests.support.collections import collection_document
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import message, read_back, states
from tests.support.push_gateway import push_gateway

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)


async def test_each_asset_has_task_run_and_is_not_downloaded(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    origin.put("/a.tif", size=1000)
    origin.put("/b.tif", size=500)
    state = await flows.check_assets(make_item(origin, "a", "b"), OPTIONS, return_state=True)
    run, task_runs = await read_back(state, 3)
    assert run.state is not None
    assert run.name == "check item.json"
    assert (run.state.name, run.state.message) == ("Completed", "2 assets exist, 1,500 bytes")
    assert set(states(task_runs)) == {f"client for {origin.url}/", "check a", "check b"}
    result = await state.aresult()
    assert (result.total, result.exist, result.missing, result.bytes) == (2, 2, 0, 1500)
    assert CheckResult.model_validate_json(result.model_dump_json()) == result
    assert {request.method for request in origin.requests if request.path != "/item.json"} == {
        "HEAD"
    }
    assert list(tmp_path.iterdir()) == []


async def test_batch_failure_is_raised_and_report_has_row_per_asset(
    origin: Origin, tmp_path: Path
) -> None:
    items = [item_document(origin, "a", "b", name=name) for name in ("one", "two")]
    for item in items:
        item["assets"]["a"] |= {"type": "image/tiff", "href": origin.href("/a.tif?sig=hunter2")}
    origin.remove("/b.tif")
    document = {"type": "FeatureCollection", "features": items}
    href = origin.put("/items.json", json.dumps(document).encode())
    report = tmp_path / "new.ndjson"
    with push_gateway() as gateway:
        options = OPTIONS.model_copy(update={"metrics": gateway.url})
        state = await flows.check_assets(href, options, "batch", str(report), return_state=True)
    (metrics,) = gateway.pushed.values()
    labels = 'deployment="none",flow="check-assets",result'
    for result, count in (("exist", 2), ("missing", 2), ("unknown", 0)):
        assert f'stac_asset_check_results{{{labels}="{result}"}} {count}.0' in metrics
    assert f'stac_asset_runs_total{{{labels}="failure"}} 1.0' in metrics
    run, task_runs = await read_back(state, 2)
    assert run.state is not None
    assert run.state.type.value == "FAILED"
    assert "2 of 4 assets failed" in (run.state.message or "")
    assert "asset 'b' of item 'one': 404 Not Found" in (run.state.message or "")
    assert states(task_runs)["check 4 assets"] == ("Failed", "FAILED")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    assert len(error.exceptions) == 2
    text = report.read_text()
    assert "hunter2" not in text
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["key"] for row in rows] == ["a", "b", "a", "b"]
    assert rows[0] == {
        "owner": "item 'one'",
        "key": "a",
        "href": origin.href("/a.tif?…"),
        "exists": True,
        "bytes": len(origin.content("/a.tif")),
        "media_type": "image/tiff",
        "error": None,
    }
    assert (rows[1]["exists"], rows[1]["bytes"]) == (False, None)


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_flow_completes_with_warnings_when_assets_are_missing(
    origin: Origin, granularity: str
) -> None:
    href = make_item(origin, "a", "b", "c")
    origin.remove("/b.tif")
    origin.fault("/c.tif", Status(403), times=0)
    options = OPTIONS.model_copy(update={"warn": True})
    state = await flows.check_assets(href, options, granularity, return_state=True)
    run, task_runs = await read_back(state, {"asset": 4, "batch": 2}[granularity])
    assert run.state is not None
    assert (run.state.name, run.state.type.value) == ("CompletedWithWarnings", "COMPLETED")
    if granularity == "batch":
        assert states(task_runs)["check 3 assets"] == ("Warned", "COMPLETED")
    else:
        found = states(task_runs)
        assert found["check a"] == ("Completed", "COMPLETED")
        assert message(task_runs, "check a") == f"exists ({len(origin.content('/a.tif')):,} bytes)"
        assert found["check b"] == found["check c"] == ("Warned", "COMPLETED")
        assert "404 Not Found" in message(task_runs, "check b")
    result = await state.aresult()
    assert (result.exist, result.missing, result.unknown) == (1, 1, 1)
    assert {(row["key"], row["exists"]) for row in result.first_missing} == {
        ("b", False),
        ("c", None),
    }


async def test_fail_fast_raises_first_error_of_a_batch(origin: Origin) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Status(403), times=0)
    options = OPTIONS.model_copy(update={"fail_fast": True})
    with pytest.raises(ResponseError, match="asset 'a' of item 'the-item': 403"):
        await flows.check_assets(href, options, "batch")


async def test_fail_fast_raises_first_error_and_cancels_remaining_checks(origin: Origin) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Status(403), times=0)
    origin.fault("/b.tif", Delay(600), times=0)
    options = OPTIONS.model_copy(update={"fail_fast": True})
    state = await flows.check_assets(href, options, "asset", return_state=True)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, ResponseError)
    assert "asset 'a' of item 'the-item': 403" in str(error)
    _, task_runs = await read_back(state, 3)
    found = states(task_runs)
    assert found["check a"] == ("Failed", "FAILED")
    assert found["check b"] == ("Cancelled", "CANCELLED")


async def test_pystac_objects_are_accepted_as_source(origin: Origin) -> None:
    collection = pystac.Collection.from_dict(collection_document(origin, "thumbnail"))
    assert (await flows.check_assets(collection, OPTIONS)).exist == 1
    items = pystac.ItemCollection([pystac.Item.from_dict(item_document(origin, "a", "b"))])
    options = OPTIONS.model_copy(update={"include": ["b"]})
    assert (await flows.check_assets(items, options)).total == 1


async def test_asset_exists_when_alternate_href_is_missing(origin: Origin) -> None:
    document = item_document(origin, "a")
    document["assets"]["a"]["alternate"] = {"mirror": {"href": origin.href("/gone/a.tif")}}
    origin.remove("/gone/a.tif")
    options = OPTIONS.model_copy(update={"alternate_assets": ["mirror"]})
    assert (await flows.check_assets(json.dumps(document), options)).exist == 1


async def test_malformed_href_does_not_stop_other_checks(origin: Origin) -> None:
    document = item_document(origin, "a")
    document["assets"]["b"] = {"href": 5}
    document["assets"]["c"] = {"title": "without an href"}
    for granularity in ("asset", "batch"):
        with pytest.raises(DownloadError) as raised:
            await flows.check_assets(json.dumps(document), OPTIONS, granularity)
        assert [type(error) for error in raised.value.exceptions] == [HrefError]
        assert "1 of 2 assets failed" in str(raised.value)


async def test_newline_delimited_items_are_checked(origin: Origin) -> None:
    lines = [json.dumps(item_document(origin, "a", name=name)) for name in ("one", "two")]
    href = origin.put("/items.ndjson", "\n".join(lines).encode())
    result = await flows.check_assets(href, OPTIONS)
    assert (result.total, result.unknown_sizes) == (2, 0)
    assert result.bytes == 2 * len(origin.content("/a.tif"))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html>", "an HTML page instead of the file"),
        (b"{", "is not valid JSON"),
        (b"{}", "is not a STAC"),
        (b"[]", "is not a STAC"),
        (None, "404"),
    ],
)
async def test_invalid_source_fails_before_any_task(
    origin: Origin, document: bytes | None, reason: str
) -> None:
    href = origin.put("/item.json", document or b"")
    if document is None:
        origin.remove("/item.json")
    state = await flows.check_assets(href, OPTIONS, return_state=True)
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, SourceError)
    assert href in str(error)
    assert reason in str(error)


@flow
async def user_flow(transfers: list[Transfer]) -> list[bool | None]:
    results = await flows.check_assets_exist(transfers, OPTIONS)
    return [found.exists for found in results]


async def test_batch_task_runs_in_user_defined_flow(origin: Origin, tmp_path: Path) -> None:
    item = stac_of(item_document(origin, "a", "b"), None, "item")
    planned = list(Planner(tmp_path, Config(), LOCAL_FACTS).assets(item))  # type: ignore[arg-type]
    assert await user_flow(planned) == [True, True]
