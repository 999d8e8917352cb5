"""Runs of the flow `download_item` on a real Prefect server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from prefect import flow

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from stac_asset import DownloadError
from stac_asset.errors import (
    NoAssetsError,
    NotFoundError,
    ResponseError,
    SourceError,
    StacAssetError,
)
from stac_asset.plan.planner import Planner
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Delay, Origin, Status
from stac_asset.types import Downloaded, Transfer
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import read_back, states

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)


async def test_each_step_has_named_task_run(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    options = OPTIONS.model_copy(update={"check_first": True})
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    run, task_runs = await read_back(state, 6)
    assert run.state is not None
    assert (run.state.name, run.state.message) == ("Completed", "2 of 2 assets downloaded")
    assert run.name == f"download item.json to {tmp_path}"
    assert states(task_runs) == {
        name: ("Completed", "COMPLETED")
        for name in (
            f"client for {origin.url}/",
            "check a",
            "check b",
            "the-item/a",
            "the-item/b",
            "rewrite the-item",
        )
    }
    result = await state.aresult()
    assert (result.downloaded, result.skipped, result.failed) == (2, 0, 0)
    item = result.item()
    for key, asset in item.assets.items():
        path = tmp_path / asset.href
        assert path.read_bytes() == origin.content(f"/{key}.tif")
        assert asset.href == f"./{key}.tif"
    assert {row["key"]: row["state"] for row in result.rows()} == {
        "a": "downloaded",
        "b": "downloaded",
    }


@pytest.mark.parametrize("flow_name", ["download_item", "download_item_collection"])
async def test_notice_names_the_document_of_another_program(
    origin: Origin, tmp_path: Path, flow_name: str
) -> None:
    document = item_document(origin, "a")
    items = {"type": "FeatureCollection", "features": [document]}
    source = json.dumps(document if flow_name == "download_item" else items)
    for name in ("the-item.json", "item-collection.json"):
        (tmp_path / name).write_text(source)
    download = getattr(flows, flow_name)
    result = await download(source, str(tmp_path), OPTIONS)
    assert result.notices == [
        f"STAC documents that no earlier download wrote are replaced: '{result.document}'"
    ]
    assert (await download(source, str(tmp_path), OPTIONS)).notices == []


async def test_second_run_skips_existing_files(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    await flows.download_item(href, str(tmp_path), OPTIONS)
    origin.forget()
    state = await flows.download_item(href, str(tmp_path), OPTIONS, return_state=True)
    _, task_runs = await read_back(state, 4)
    assert states(task_runs)["the-item/a"] == ("Skipped", "COMPLETED")
    assert [request.path for request in origin.requests] == ["/item.json"]
    assert (await state.aresult()).skipped == 2


async def test_failed_asset_fails_flow_after_other_downloads(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_item(origin, "a", "b", "c")
    origin.remove("/b.tif")
    state = await flows.download_item(href, str(tmp_path), OPTIONS, return_state=True)
    run, task_runs = await read_back(state, 5)
    assert run.state is not None
    assert run.state.type.value == "FAILED"
    assert "1 of 3 assets failed" in (run.state.message or "")
    assert "asset 'b' of item 'the-item': 404 Not Found" in (run.state.message or "")
    assert states(task_runs)["the-item/b"] == ("Failed", "FAILED")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    assert [type(found).__name__ for found in error.exceptions] == ["ResponseNotFoundError"]
    document = json.loads((tmp_path / "the-item.json").read_text())
    assert set(document["assets"]) == {"a", "c"}


async def test_flow_completes_with_warnings_when_asset_fails(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_item(origin, "a", "b")
    origin.remove("/b.tif")
    options = OPTIONS.model_copy(update={"warn": True, "error_strategy": "KEEP"})
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    run, task_runs = await read_back(state, 4)
    assert run.state is not None
    assert (run.state.name, run.state.type.value) == ("CompletedWithWarnings", "COMPLETED")
    warned = next(found for found in task_runs if found.name == "the-item/b")
    assert warned.state is not None
    assert (warned.state.name, warned.state.type.value) == ("Warned", "COMPLETED")
    assert "404 Not Found" in (warned.state.message or "")
    item = (await state.aresult()).item()
    assert item.assets["b"].href == origin.href("/b.tif")


async def test_fail_fast_raises_first_error_and_writes_no_item(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Status(403), times=0)
    options = OPTIONS.model_copy(update={"fail_fast": True})
    with pytest.raises(ResponseError, match="asset 'a' of item 'the-item': 403"):
        await flows.download_item(href, str(tmp_path), options)
    assert not (tmp_path / "the-item.json").exists()


@pytest.mark.parametrize(
    ("document", "kind", "reason"),
    [
        (b"<html>", SourceError, "is not valid JSON"),
        (b"{}", SourceError, "is not a STAC"),
        (
            b'{"type": "FeatureCollection", "features": []}',
            SourceError,
            "is of type ItemCollection, but must be of type Item. Use `download_item_collection`.",
        ),
        (None, NoAssetsError, "has no assets"),
    ],
)
async def test_invalid_source_fails_before_any_task_and_error_names_href(
    origin: Origin,
    tmp_path: Path,
    document: bytes | None,
    kind: type[Exception],
    reason: str,
) -> None:
    href = make_item(origin) if document is None else origin.put("/item.json", document)
    state = await flows.download_item(href, str(tmp_path / "new"), return_state=True)
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, kind)
    assert href in str(error)
    assert reason in str(error)
    assert not (tmp_path / "new").exists()


@flow
def user_flow(transfers: list[Transfer], href: str) -> list[object]:
    client = flows.resolve_client.submit(href)
    futures = [flows.download_asset.submit(transfer, OPTIONS) for transfer in transfers]
    exists = flows.check_asset_exists.with_options(name="asset exists").submit(href)
    return [client.result(), *(future.result() for future in futures), exists.result()]


async def test_tasks_run_in_user_defined_flow(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    item = stac_of(json.loads(origin.content("/item.json")), href, "item")
    planned = list(Planner(tmp_path, OPTIONS.config(), LOCAL_FACTS).assets(item))  # type: ignore[arg-type]
    found = await asyncio.to_thread(user_flow, planned, origin.href("/a.tif"))
    client, first, second, stat = found
    assert client == "http"
    assert isinstance(first, Downloaded)
    assert isinstance(second, Downloaded)
    assert (tmp_path / "b.tif").read_bytes() == origin.content("/b.tif")
    assert stat.size == len(origin.content("/a.tif"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("strategy", ["collect", "fail_fast", "warn"])
async def test_check_first_reports_missing_assets_before_any_download(
    origin: Origin, tmp_path: Path, strategy: str
) -> None:
    href = make_item(origin, "a", "b", "c")
    origin.remove("/b.tif")
    origin.remove("/c.tif")
    options = OPTIONS.model_copy(update={"check_first": True})
    if strategy != "collect":
        options = options.model_copy(update={strategy: True})
    if strategy == "fail_fast":
        origin.fault("/a.tif", Delay(600), times=0)
        origin.fault("/c.tif", Delay(600), times=0)
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    if strategy == "warn":
        run, task_runs = await read_back(state, 8)
        assert run.state is not None
        assert run.state.name == "CompletedWithWarnings"
        assert states(task_runs)["check b"] == ("Warned", "COMPLETED")
        assert (tmp_path / "a.tif").exists()
        return
    assert origin.gets("/*.tif") == []
    _, task_runs = await read_back(state, 4)
    found = {name: state for name, (state, _) in states(task_runs).items()}
    assert found["check b"] == "Failed"
    with pytest.raises(StacAssetError) as caught:
        await state.aresult()
    if strategy == "fail_fast":
        assert isinstance(caught.value, NotFoundError)
        assert found["check a"] == found["check c"] == "Cancelled"
    else:
        assert str(caught.value).startswith("2 of 3 assets failed")
        assert found["check a"] == "Completed"


@pytest.mark.parametrize("flow_name", ["download_item", "download_item_collection"])
async def test_no_document_is_written_if_all_assets_fail(
    origin: Origin, tmp_path: Path, flow_name: str
) -> None:
    document = item_document(origin, "a")
    origin.remove("/a.tif")
    source = (
        document
        if flow_name == "download_item"
        else {"type": "FeatureCollection", "features": [document]}
    )
    options = OPTIONS.model_copy(update={"warn": True})
    result = await getattr(flows, flow_name)(json.dumps(source), str(tmp_path), options)
    assert result.failed == 1
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize("flow_name", ["download_item", "download_item_collection"])
async def test_failed_assets_keep_the_files_of_an_earlier_run(
    origin: Origin, tmp_path: Path, flow_name: str
) -> None:
    document = item_document(origin, "a", "b")
    source = (
        document
        if flow_name == "download_item"
        else {"type": "FeatureCollection", "features": [document]}
    )
    options = OPTIONS.model_copy(update={"overwrite": True, "warn": True})
    download = getattr(flows, flow_name)
    result = await download(json.dumps(source), str(tmp_path), options)
    before = Path(result.document).read_bytes()
    for pattern, failing in (("/b.tif", ["b"]), ("*", ["a", "b"])):
        origin.fault(pattern, Status(403), times=0)
        state = await download(json.dumps(source), str(tmp_path), options, return_state=True)
        result = await state.aresult()
        assert result.failed == len(failing)
        assert Path(result.document).read_bytes() == before
        kept = {row["key"]: row["kept"] for row in result.rows() if row["state"] == "failed"}
        assert sorted(kept) == failing
        assert all(Path(path).name == f"{key}.tif" for key, path in kept.items())
        [line] = result.notices
        assert line.startswith("Downloads failed, and the document keeps the files of an earlier")
        assert line in str(state.message)
