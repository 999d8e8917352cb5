"""Events of items and runs, read back from a real Prefect server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.assets import Asset

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.reporting.events import ITEM_DOWNLOADED, ITEM_FAILED, RUN_COMPLETED
from prefect_stac_asset.flows.reporting.lineage import MATERIALIZED, REFERENCED, asset_key
from stac_asset.testing import Origin, Truncate
from tests.flows.reading import read_artifacts, read_events
from tests.make_item import item_document, make_item

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)


def put_items(origin: Origin, *names: str) -> str:
    """Puts items on the origin, each with an asset `data` whose href is signed."""
    features = []
    for name in names:
        document = item_document(origin, name=name)
        document["collection"] = "the-collection"
        document["assets"] = {"data": {"href": origin.href(f"/{name}.tif?sig=SECRET")}}
        origin.put(f"/{name}.tif", size=100)
        features.append(document)
    collection = {"type": "FeatureCollection", "features": features}
    return origin.put("/items.json", json.dumps(collection).encode())


async def test_each_item_has_its_event_and_the_run_has_one(origin: Origin, tmp_path: Path) -> None:
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
    }
    assert third["payload"]["id"] == "i3"
    assert second["payload"]["failed"] == 1
    assert "404 Not Found" in second["payload"]["errors"][0]
    (completed,) = await read_events(RUN_COMPLETED, state, 1)
    assert completed["payload"]["downloaded"] == 2
    assert completed["payload"]["failed"] == 1
    assert Path(completed["payload"]["document"]).exists()
    assert "SECRET" not in json.dumps([first, second, third, completed])


async def test_item_that_was_there_already_is_no_news(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a")
    state = await flows.download_item(href, str(tmp_path), OPTIONS, return_state=True)
    (event,) = await read_events(ITEM_DOWNLOADED, state, 1)
    assert event["payload"]["href"] == href
    assert event["payload"]["document"] == str(tmp_path / "the-item.json")
    again = await flows.download_item(href, str(tmp_path), OPTIONS, return_state=True)
    await read_events(RUN_COMPLETED, again, 1)
    await read_events(ITEM_DOWNLOADED, again, 0)


async def test_events_of_items_can_be_left_out(origin: Origin, tmp_path: Path) -> None:
    href = put_items(origin, "i1", "i2")
    options = OPTIONS.model_copy(update={"item_events": False})
    state = await flows.download_item_collection(href, str(tmp_path), options, return_state=True)
    await read_events(RUN_COMPLETED, state, 1)
    await read_events(ITEM_DOWNLOADED, state, 0)
    await read_events(MATERIALIZED, state, 0)


async def test_lineage_names_what_was_made_of_what(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a", name="Größe [1]")
    href = origin.put("/item.json", json.dumps(document).encode())
    options = OPTIONS.model_copy(update={"lineage": True})
    directory = tmp_path / "a b"
    state = await flows.download_item(href, str(directory), options, return_state=True)
    (made,) = await read_events(MATERIALIZED, state, 1)
    (used,) = await read_events(REFERENCED, state, 1)
    source = f"http://{origin.host}:{origin.port}/item.json"
    assert used["resource"]["prefect.resource.id"] == source
    assert made["resource"]["prefect.resource.name"] == "Größe [1]"
    key = made["resource"]["prefect.resource.id"]
    assert key.startswith(asset_key(tmp_path.as_uri() + "/a_"))
    Asset(key=key)  # Prefect's own rules
    related = {one["prefect.resource.id"]: one["prefect.resource.role"] for one in made["related"]}
    assert related[source] == "asset"
    assert related["stac-asset"] == "asset-materialized-by"
    assert made["payload"]["bytes"] == len(origin.content("/a.tif"))
    again = await flows.download_item(href, str(directory), options, return_state=True)
    await read_events(RUN_COMPLETED, again, 1)
    await read_events(MATERIALIZED, again, 0)


async def test_lineage_has_no_item_that_failed(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.remove("/b.tif")
    options = OPTIONS.model_copy(update={"lineage": True})
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    await read_events(ITEM_FAILED, state, 1)
    await read_events(RUN_COMPLETED, state, 1)
    await read_events(MATERIALIZED, state, 0)


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=600))
def test_asset_keys_are_what_prefect_takes(text: str) -> None:
    Asset(key=asset_key(f"HTTPS://host/{text}"))


async def test_run_that_was_stopped_did_not_complete(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Truncate(after=10), times=0)
    options = OPTIONS.model_copy(update={"fail_fast": True})
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    assert state.is_failed()
    later = await flows.download_item(href, str(tmp_path), OPTIONS, return_state=True)
    await read_events(RUN_COMPLETED, later, 1)
    await read_events(RUN_COMPLETED, state, 0)


async def test_run_goes_on_without_the_events_that_the_server_does_not_take(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ConnectionError("the server takes no events")

    monkeypatch.setattr("prefect_stac_asset.flows.reporting.events.get_events_client", refuse)
    monkeypatch.setattr("prefect_stac_asset.flows.reporting.events._WAITING", 1)
    href = put_items(origin, *(f"i{number}" for number in range(5)))
    state = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    assert state.is_completed()
    assert "stac-asset-summary" in await read_artifacts(state)
