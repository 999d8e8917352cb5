"""Lineage events of assets, as stored by a real Prefect server."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.assets import Asset

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution.event_names import ITEM_FAILED, RUN_COMPLETED
from prefect_stac_asset.flows.reporting.lineage import MATERIALIZED, REFERENCED, asset_key
from stac_asset.testing import Origin
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import read_events

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)


async def test_lineage_links_downloaded_item_to_source(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a", name="Größe [1]")
    href = origin.put("/item.json", json.dumps(document).encode())
    options = OPTIONS.model_copy(update={"lineage": True, "lineage_owners": ["team"]})
    directory = tmp_path / "a b"
    state = await flows.download_item(href, str(directory), options, return_state=True)
    recorded = await read_events(MATERIALIZED, state, 2)
    materialized, of_collection = sorted(recorded, key=lambda event: "items" in event["payload"])
    (referenced,) = await read_events(REFERENCED, state, 1)
    assert of_collection["resource"]["prefect.resource.id"] == asset_key(
        f"{directory.as_uri()}/items"
    )
    assert of_collection["payload"]["newest_item"] == "Größe [1]"
    for event in recorded:
        assert json.loads(event["resource"]["prefect.asset.owners"]) == ["team"]
    source = f"http://{origin.host}:{origin.port}/item.json"
    assert referenced["resource"]["prefect.resource.id"] == source
    assert materialized["resource"]["prefect.resource.name"] == "Größe [1]"
    key = materialized["resource"]["prefect.resource.id"]
    assert key.startswith(asset_key(tmp_path.as_uri() + "/a_"))
    Asset(key=key)  # Validates the key.
    related = {
        entry["prefect.resource.id"]: entry["prefect.resource.role"]
        for entry in materialized["related"]
    }
    assert related[source] == "asset"
    assert related["stac-asset"] == "asset-materialized-by"
    assert materialized["payload"]["bytes"] == len(origin.content("/a.tif"))
    again = await flows.download_item(href, str(directory), options, return_state=True)
    await read_events(RUN_COMPLETED, again, 1)
    await read_events(MATERIALIZED, again, 0)


async def test_failed_item_is_not_materialized(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.remove("/b.tif")
    options = OPTIONS.model_copy(update={"lineage": True})
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    await read_events(ITEM_FAILED, state, 1)
    await read_events(RUN_COMPLETED, state, 1)
    await read_events(MATERIALIZED, state, 0)


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=600))
def test_asset_keys_are_valid_in_prefect(text: str) -> None:
    Asset(key=asset_key(f"HTTPS://host/{text}"))
