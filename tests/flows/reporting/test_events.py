"""Events of items and runs, as stored by a real Prefect server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution.event_names import (
    ITEM_DOWNLOADED,
    ITEM_FAILED,
    RUN_COMPLETED,
)
from prefect_stac_asset.flows.reporting.events import item_event
from prefect_stac_asset.flows.reporting.lineage import MATERIALIZED
from stac_asset.testing import Origin, Truncate
from stac_asset.types import Candidate, Downloaded, Transfer
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import read_artifacts, read_events

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)


def put_items(origin: Origin, *names: str) -> str:
    """Put items on the origin, each with an asset `data` with a signed href."""
    features = []
    for name in names:
        document = item_document(origin, name=name)
        document["collection"] = "the-collection"
        document["assets"] = {"data": {"href": origin.href(f"/{name}.tif?sig=SECRET")}}
        origin.put(f"/{name}.tif", size=100)
        features.append(document)
    collection = {"type": "FeatureCollection", "features": features}
    return origin.put("/items.json", json.dumps(collection).encode())


async def test_each_item_and_each_run_sends_event(origin: Origin, tmp_path: Path) -> None:
    href = put_items(origin, "i1", "i2", "i3")
    origin.remove("/i2.tif")
    state = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    assert state.is_failed()
    first, third = await read_events(ITEM_DOWNLOADED, state, 2)
    (second,) = await read_events(ITEM_FAILED, state, 1)
    assert first["resource"] == {
        "prefect.resource.id": "stac-asset.item.i1",
        "prefect.resource.name": "i1",
        "stac-asset.collection": "the-collection",
    }
    assert first["payload"] == {
        "id": "i1",
        "collection": "the-collection",
        "href": href,
        "document": None,
        "bytes": 100,
        "downloaded": 1,
        "skipped": 0,
        "failed": 0,
        "assets": [
            {
                "key": "data",
                "href": f"{origin.href('/i1.tif')}?…",
                "path": str(tmp_path / "i1" / "i1.tif"),
                "bytes": 100,
            }
        ],
        "paths": {"data": str(tmp_path / "i1" / "i1.tif")},
    }
    assert third["payload"]["id"] == "i3"
    assert second["payload"]["failed"] == 1
    assert "404 Not Found" in second["payload"]["errors"][0]
    (completed,) = await read_events(RUN_COMPLETED, state, 1)
    assert completed["payload"]["downloaded"] == 2
    assert completed["payload"]["failed"] == 1
    assert Path(completed["payload"]["document"]).exists()
    assert "SECRET" not in json.dumps([first, second, third, completed])


def test_event_with_too_many_paths_has_none() -> None:
    candidate = Candidate("https://example.com/a.tif", "/a.tif")
    outcomes = [
        Downloaded(Transfer("item 'i'", str(number), (candidate,), "/"), candidate, 1, 1, 0.1)
        for number in range(1001)
    ]
    item = pystac.Item("i", None, None, datetime(2026, 6, 1, tzinfo=UTC), {})
    for count, expected in ((1000, 1000), (1001, None)):
        event = item_event(item, outcomes[:count], None)
        assert event is not None
        paths = event[2]["paths"]
        assert (paths and len(paths)) == expected


async def test_skipped_item_sends_no_event(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a")
    state = await flows.download_item(href, str(tmp_path), OPTIONS, return_state=True)
    (event,) = await read_events(ITEM_DOWNLOADED, state, 1)
    assert event["payload"]["href"] == href
    assert event["payload"]["document"] == str(tmp_path / "the-item.json")
    again = await flows.download_item(href, str(tmp_path), OPTIONS, return_state=True)
    await read_events(RUN_COMPLETED, again, 1)
    await read_events(ITEM_DOWNLOADED, again, 0)


async def test_item_events_can_be_disabled(origin: Origin, tmp_path: Path) -> None:
    href = put_items(origin, "i1", "i2")
    options = OPTIONS.model_copy(update={"item_events": False})
    state = await flows.download_item_collection(href, str(tmp_path), options, return_state=True)
    await read_events(RUN_COMPLETED, state, 1)
    await read_events(ITEM_DOWNLOADED, state, 0)
    await read_events(MATERIALIZED, state, 0)


async def test_fail_fast_run_sends_no_completed_event(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Truncate(after=10), times=0)
    options = OPTIONS.model_copy(update={"fail_fast": True})
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    assert state.is_failed()
    later = await flows.download_item(href, str(tmp_path), OPTIONS, return_state=True)
    await read_events(RUN_COMPLETED, later, 1)
    await read_events(RUN_COMPLETED, state, 0)


async def test_run_completes_when_server_rejects_events(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ConnectionError("the server rejects events")

    monkeypatch.setattr("prefect_stac_asset.flows.reporting.events.get_events_client", refuse)
    monkeypatch.setattr("prefect_stac_asset.flows.reporting.events._MAX_QUEUED", 1)
    href = put_items(origin, *(f"i{number}" for number in range(5)))
    state = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    assert state.is_completed()
    assert "stac-asset-summary" in await read_artifacts(state)
