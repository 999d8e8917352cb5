"""Runs of the flow `sync` with a real STAC API and a real Prefect server."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
import pytest
from pystac.validation import JsonSchemaSTACValidator

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import HttpCredentials
from prefect_stac_asset.flows import DownloadOptions, Search, SyncResult
from prefect_stac_asset.flows.execution.event_names import (
    ITEM_DOWNLOADED,
    ITEMS_FAILING,
    RUN_COMPLETED,
)
from prefect_stac_asset.flows.mirror.completeness import MIRROR
from prefect_stac_asset.flows.planning.artifact import PLAN
from prefect_stac_asset.flows.reporting.artifacts import SUMMARY
from stac_asset.cli.app import app
from stac_asset.errors import DownloadError
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin
from tests.support.cli import run_command
from tests.support.files import put_directory
from tests.support.mirror_flow_runs import (
    OPTIONS,
    ids,
    sync_result,
    sync_state,
    with_changed_asset,
    with_new_timestamp,
)
from tests.support.mirror_runs import (
    build_item,
    check_catalog,
    read_item_documents,
    serve_api,
    serve_items,
)
from tests.support.prefect_reads import read_artifacts, read_back, read_events
from tests.support.push_gateway import push_gateway
from tests.support.stac_api import (
    COLLECTION,
    KEYS,
    RustacServer,
    with_origin_assets,
)


async def test_mirror_of_hundreds_of_items_follows_changes_of_the_source(
    api: RustacServer, origin: Origin, all_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    directory = tmp_path / "m"
    items = [with_origin_assets(item, origin) for item in all_items[:220]]
    options = DownloadOptions(include=["visual"], retry_wait=0.01)

    api.serve(items[:210])
    state = await sync_state(api, directory, options=options)
    result = await state.aresult()
    assert state.name == "Completed"
    assert (result.found, result.new, result.downloaded, result.failed) == (210, 210, 210, 0)
    assert len(origin.gets()) == 210
    assert result.document == str(directory / "catalog.json")
    await check_mirror(directory, ids(items[:210]), origin)

    origin.forget()
    state = await sync_state(api, directory, options=options)
    result = await state.aresult()
    assert (state.name, state.type.value) == ("NothingNew", "COMPLETED")
    assert (result.found, result.unchanged, result.new) == (210, 210, 0)
    assert origin.requests == []

    # 4 items removed, 5 with a new timestamp, 3 with a new asset href, 10 new.
    new_items = [
        *(with_new_timestamp(item) for item in items[4:9]),
        *(with_changed_asset(item, origin, "visual") for item in items[9:12]),
        *items[12:],
    ]
    api.serve(new_items)
    state = await sync_state(api, directory, options=options, on_removed="mark")
    result = await state.aresult()
    assert (result.new, result.changed, result.unchanged) == (10, 8, 198)
    assert (result.removed, result.failed) == (4, 0)
    assert len(origin.gets()) == 18
    documents = read_item_documents(directory)
    marked = {name for name, item in documents.items() if "mirror:removed" in item["properties"]}
    assert marked == ids(items[:4])
    assert len(documents) == 220

    origin.forget()
    api.serve(new_items[:-1])
    result = await sync_result(api, directory, options=options, on_removed="delete")
    assert (result.new, result.changed, result.removed) == (0, 0, 5)
    assert origin.requests == []
    assert set(read_item_documents(directory)) == ids(items[4:-1])
    state = await flows.verify(str(directory), return_state=True)
    assert (state.name, state.message) == ("Completed", "215 of 215 files are good")


async def check_mirror(directory: Path, names: set[str], origin: Origin) -> None:
    """Check the documents, files and index of a mirror against the origin."""
    catalog = check_catalog(directory, names)
    validator = JsonSchemaSTACValidator()
    items = list(catalog.get_items(recursive=True))
    (collection,) = catalog.get_children()
    validator.validate_core(
        json.loads((directory / "catalog.json").read_bytes()),
        pystac.STACObjectType.CATALOG,
        "1.1.0",
    )
    validator.validate_core(
        json.loads(Path(collection.get_self_href() or "").read_bytes()),
        pystac.STACObjectType.COLLECTION,
        "1.1.0",
    )
    assert collection.title == "Sentinel-2 Level-2A"
    for item in items[:: max(1, len(items) // 20)]:
        validator.validate_core(
            json.loads(Path(item.get_self_href() or "").read_bytes()),
            pystac.STACObjectType.ITEM,
            "1.1.0",
        )
        for key, asset in item.assets.items():
            path = Path(item.get_self_href() or "").parent / asset.href
            assert path.read_bytes() == origin.content(f"/{item.id}/{key}.tif?size=500")
        (derived,) = [link for link in item.links if link.rel == "derived_from"]
        assert f"/items/{item.id}" in str(derived.target)
    pytest.importorskip("stac_geoparquet")
    rows = list(read_items(directory / "items.parquet", "index"))
    assert ids(rows) == names
    for row in rows[:5]:
        for asset in row["assets"].values():
            assert (directory / asset["href"]).is_file()


async def test_failed_items_are_retried_without_delaying_other_items(
    api: RustacServer, origin: Origin, sample_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(sample_items)
    failing_path = f"/{sample_items[3]['id']}/B04.tif"
    origin.remove(failing_path)
    state = await sync_state(api, tmp_path)
    assert state.is_failed()
    assert "1 of 24 assets failed" in (state.message or "")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    check_catalog(tmp_path, ids(sample_items))
    report = [json.loads(line) for line in (tmp_path / "sync.report.ndjson").open()]
    assert [row["key"] for row in report if row["state"] == "failed"] == ["B04"]

    origin.forget()
    again = await sync_state(api, tmp_path, options=OPTIONS.model_copy(update={"warn": True}))
    assert again.name == "CompletedWithWarnings"
    assert [request.path for request in origin.gets()] == [failing_path]
    partial = await again.aresult()
    assert (partial.complete, partial.incomplete) == (False, ["1 item failed"])
    (event,) = await read_events(ITEMS_FAILING, again, 1)
    assert event["payload"] == {"runs": 2, "count": 1, "ids": [sample_items[3]["id"]]}
    artifact = (await read_artifacts(again))[MIRROR]
    assert artifact["description"] == "The mirror is not complete: 1 item failed"
    origin.put(failing_path, size=500)
    result = await sync_result(api, tmp_path)
    assert (result.again, result.downloaded, result.failed_items) == (1, 1, 0)
    assert result.complete
    assert not (tmp_path / ".mirror" / "failures.json").exists()
    assert set(read_item_documents(tmp_path)[sample_items[3]["id"]]["assets"]) == set(KEYS)


async def test_unreadable_item_of_static_catalog_does_not_stop_other_items(
    origin: Origin, tmp_path: Path
) -> None:
    root = {"type": "Catalog", "stac_version": "1.1.0", "id": "c", "description": "c"}
    links = [{"rel": "item", "href": f"./{name}.json"} for name in ("missing", "good")]
    href = origin.put("/static/catalog.json", json.dumps(root | {"links": links}).encode())
    good = json.dumps(build_item(origin, "good", collection=None)).encode()
    origin.put("/static/good.json", good)
    origin.remove("/static/missing.json")
    state = await sync_state(href, tmp_path, Search())
    assert state.is_failed()
    assert "Link 'item' of 'http" in (state.message or "")
    assert "/static/missing.json' cannot be read: 404" in (state.message or "")
    check_catalog(tmp_path, {"good"})
    origin.put("/static/missing.json", good.replace(b'"good"', b'"missing"'))
    assert (await sync_result(href, tmp_path, Search())).new == 1
    check_catalog(tmp_path, {"good", "missing"})
    put_directory(origin, tmp_path, "/served mirror")  # A mirror can be the source of a mirror.
    copy, source = tmp_path / "copy", origin.href("/served mirror/catalog.json")
    for new in (2, 0):
        assert (await sync_result(source, copy, Search())).new == new
    check_catalog(copy, {"good", "missing"})
    found = {path.name: path.read_bytes() for path in copy.rglob("*.tif")}
    assert found == {path.name: path.read_bytes() for path in tmp_path.rglob("good/*.tif")}


async def test_items_above_limits_are_downloaded_by_later_runs(
    api: RustacServer, origin: Origin, sample_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(sample_items)
    first = await sync_result(api, tmp_path, max_items=5)
    assert (first.new, first.left, first.downloaded) == (5, 7, 10)
    assert first.incomplete == ["7 items are left for the next run"]
    check_catalog(tmp_path, set(read_item_documents(tmp_path)))
    second = await sync_result(api, tmp_path, max_bytes=4500)
    assert (second.new, second.left, second.bytes) == (4, 3, 4000)
    third = await sync_result(api, tmp_path)
    assert (third.new, third.left) == (3, 0)
    check_catalog(tmp_path, ids(sample_items))
    gets = [request.path for request in origin.gets()]
    assert len(gets) == len(set(gets)) == 24


async def test_dry_run_lists_planned_changes_and_writes_no_files(
    api: RustacServer, origin: Origin, sample_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(sample_items[:6])
    await sync_result(api, tmp_path / "m")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "m").rglob("*")}
    origin.forget()
    corrected = copy.deepcopy(sample_items[2])
    corrected["properties"]["eo:cloud_cover"] = 12.5
    api.serve([with_new_timestamp(sample_items[1]), corrected, *sample_items[3:8]])
    state = await sync_state(api, tmp_path / "m", dry_run=True, on_removed="delete")
    assert (state.name, state.type.value) == ("DryRun", "COMPLETED")
    artifact = (await read_artifacts(state))[PLAN]
    assert artifact["type"] == "table"
    rows = {row["item"]: row for row in json.loads(artifact["data"])}
    assert {name: row["reason"] for name, row in rows.items()} == {
        sample_items[0]["id"]: "removed from the source: delete",
        sample_items[1]["id"]: "changed",
        sample_items[2]["id"]: "metadata changed",
        sample_items[6]["id"]: "new",
        sample_items[7]["id"]: "new",
    }
    assert rows[sample_items[6]["id"]]["assets"] == 2
    assert "2 new, 1 changed, 1 with updated metadata" in artifact["description"]
    result = await state.aresult()
    assert (result.new, result.changed, result.removed, result.dry_run) == (2, 1, 1, True)
    assert origin.requests == []
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "m").rglob("*")}
    api.serve([*sample_items[:2], corrected, *sample_items[3:6]])
    state = await sync_state(api, tmp_path / "m")
    assert (state.name, (await state.aresult()).metadata_updated) == ("Completed", 1)
    assert "0 new, 0 changed, 1 with updated metadata" in (state.message or "")
    assert origin.requests == []
    assert not (tmp_path / "new").exists()
    await sync_result(api, tmp_path / "new", dry_run=True)
    assert not (tmp_path / "new").exists()


async def test_items_are_deleted_only_after_search_without_window(
    api: RustacServer, origin: Origin, sample_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(sample_items)
    await sync_result(api, tmp_path)
    result = await sync_result(api, tmp_path, Search(datetime="last 10 days"), on_removed="delete")
    assert result.removed == 0, "a search with a time window must not remove items"
    api.serve(sample_items[1:])
    newest = max(sample_items[1:], key=lambda item: str(item["properties"]["datetime"]))
    window = Search(datetime=f"{newest['properties']['datetime'][:10]}/..")
    if sample_items[0]["properties"]["datetime"] < newest["properties"]["datetime"][:10]:
        assert (await sync_result(api, tmp_path, window, on_removed="delete")).removed == 0
    assert (await sync_result(api, tmp_path)).removed == 0, "by default, removed items are kept"
    check_catalog(tmp_path, ids(sample_items))
    assert (await sync_result(api, tmp_path, on_removed="delete")).removed == 1
    check_catalog(tmp_path, ids(sample_items[1:]))


async def test_run_has_name_state_summary_and_events(
    api: RustacServer, origin: Origin, sample_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(sample_items[:3])
    search: Any = {"collections": [COLLECTION]}
    with push_gateway() as gateway:
        options = OPTIONS.model_copy(update={"metrics": gateway.url})
        state = await sync_state(api, tmp_path, search, options=options)
    metrics = gateway.pushed["/metrics/job/stac-asset/deployment/none/flow/sync"]
    newest = max(
        datetime.fromisoformat(item["properties"]["datetime"]) for item in sample_items[:3]
    )
    labels = 'deployment="none",flow="sync"'
    assert f"stac_asset_mirror_complete{{{labels}}} 1.0" in metrics
    (line,) = [one for one in metrics.splitlines() if one.startswith("stac_asset_newest")]
    assert float(line.split()[-1]) == pytest.approx(newest.timestamp(), abs=1)
    run, task_runs = await read_back(state, 7)
    assert run.parameters["search"] == {"collections": [COLLECTION]}
    assert json.loads(json.dumps(run.parameters)) == run.parameters
    assert run.name == f"sync {api.href.removeprefix('http://')} to {tmp_path}"
    assert {task_run.name for task_run in task_runs} >= {f"{sample_items[0]['id']}/B04"}
    assert run.state is not None
    assert run.state.message == "3 items found: 3 new, 0 changed; 6 downloaded, 0 skipped, 0 failed"
    artifacts = await read_artifacts(state)
    assert "| Assets downloaded | 6 |" in artifacts[SUMMARY]["data"]
    assert artifacts[MIRROR]["data"].startswith("# The mirror is complete\n")
    assert "- Blue: 3 new items" in artifacts[MIRROR]["data"]
    events = await read_events(ITEM_DOWNLOADED, state, 3)
    assert {event["payload"]["id"] for event in events} == ids(sample_items[:3])
    for event in events:
        assert Path(event["payload"]["document"]).is_file()
    (completed,) = await read_events(RUN_COMPLETED, state, 1)
    assert completed["payload"]["new"] == 3
    result = await state.aresult()
    assert SyncResult.model_validate_json(result.model_dump_json()) == result


async def test_credentials_are_sent_to_api_and_stored_nowhere(
    origin: Origin, tmp_path: Path
) -> None:
    block = HttpCredentials(hosts=[origin.url], token="SECRET")
    await block.save("mirror-api", overwrite=True)
    href = serve_api(origin, [build_item(origin, "one")])
    origin.require("Authorization", "Bearer SECRET", "/api*")
    try:
        state = await sync_state(href, tmp_path, Search(), credentials=block)
    finally:
        origin.heal()
    assert state.is_completed(), state.message
    run, _ = await read_back(state, 2)
    assert run.name == f"sync api to {tmp_path}"
    shown = f"{run.name} {run.state} {json.dumps(await read_artifacts(state))}"
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "SECRET" not in shown
    assert b"SECRET" not in stored
    for path in ("/api/search", "/api/collections/things"):
        for request in origin.gets(path):
            assert request.headers["authorization"] == "Bearer SECRET"


async def test_flow_and_command_continue_the_mirrors_of_each_other(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name) for name in ("one", "two", "three")]
    href = serve_items(origin, items[:2])
    origin.remove("/two/data.tif")
    search = Search(collections=["things"], datetime="last 9999 days")
    command = ("sync", href, tmp_path, "--collection", "things", "--datetime", "last 9999 days")
    state = await sync_state(href, tmp_path, search)
    assert state.is_failed()
    searched = (tmp_path / ".mirror/searches.json").read_bytes()

    origin.put("/two/data.tif", size=100)
    serve_items(origin, items)
    done = await asyncio.to_thread(run_command, *command, "--json")
    found = json.loads(done.output)
    assert done.code == 0, done.errors
    assert [found["items"][name] for name in ("new", "again", "unchanged")] == [1, 1, 1]
    assert not (tmp_path / ".mirror/failures.json").exists()
    after = json.loads((tmp_path / ".mirror/searches.json").read_bytes())
    assert after.keys() == json.loads(searched).keys()

    (tmp_path / "things/one/data.tif").unlink()
    origin.forget()
    result = await sync_result(href, tmp_path, search)
    assert (result.again, result.unchanged, result.downloaded) == (1, 2, 1)
    assert len(origin.gets("*.tif")) == 1
    check_catalog(tmp_path, {"one", "two", "three"})


def test_command_has_the_parameters_of_the_flow() -> None:
    only_flows = {
        "granularity",
        "credentials",
        "destination_credentials",
        "approve_above",
        "distribute",
        "mirror",
    }
    parameters = set(inspect.signature(flows.sync.fn).parameters) - only_flows
    options = {option.name for option in app.commands["sync"].params}
    assert parameters - {"search", "options"} - options == set()
    assert set(Search.model_fields) - options == set()
