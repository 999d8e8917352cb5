"""The tasks as building blocks of other flows: planning, values, caches, and kinds of assets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pystac
import pytest
from prefect import flow
from prefect.cache_policies import INPUTS
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext

from prefect_stac_asset import (
    DownloadOptions,
    check_asset_exists,
    download_asset,
    plan_item,
    rewrite_item,
)
from prefect_stac_asset.flows.tasks.given import checked_options, directory_of, transfer_of
from stac_asset import Config
from stac_asset.errors import (
    ConfigError,
    DestinationError,
    DownloadError,
    NoAssetsError,
    SourceError,
    StacAssetError,
)
from stac_asset.testing import Origin
from stac_asset.transfer.interface import Stat
from stac_asset.types import Downloaded, Storage
from tests.support.flow_inputs import OPTIONS
from tests.support.items import item_document, item_from_origin

pytestmark = pytest.mark.usefixtures("prefect_test")


def put_shared_item(origin: Origin) -> pystac.Item:
    """Return an item with three assets, two of which share a file."""
    item = item_from_origin(origin, "a", "b")
    item.add_asset("same", item.assets["a"].clone())
    return item


def test_synchronous_flow_uses_tasks_by_call_submit_and_map(origin: Origin, tmp_path: Path) -> None:
    item = put_shared_item(origin)

    @flow
    def user_flow() -> Any:
        planned: Any = plan_item(item, tmp_path, OPTIONS)
        assert [transfer.key for transfer in planned] == ["a", "b"]
        checks: Any = check_asset_exists.map(planned, OPTIONS).result()
        checks += [check_asset_exists(given) for given in (item.assets["a"], planned[0].href)]
        assert [type(one) for one in checks] == [Stat] * 4
        outcomes = download_asset.map(plan_item.submit(item, str(tmp_path)), OPTIONS)
        state: Any = check_asset_exists(item.assets["b"], return_state=True)
        assert isinstance(state, State)
        return rewrite_item(item, outcomes, tmp_path / "item.json")

    assert user_flow() == tmp_path / "item.json"
    written = json.loads((tmp_path / "item.json").read_bytes())["assets"]
    assert {key: asset["href"] for key, asset in written.items()} == {
        "a": "./a.tif",
        "b": "./b.tif",
        "same": "./a.tif",
    }


async def test_awaited_task_gives_value_also_from_cache(origin: Origin, tmp_path: Path) -> None:
    item = item_from_origin(origin, "a")
    attempts = []

    def fails_once(task: Any, run: Any, state: Any) -> bool:
        attempts.append(run.run_count)
        return True

    @flow
    async def user_flow() -> None:
        cached = download_asset.with_options(cache_policy=INPUTS)
        (transfer,) = await plan_item.with_options(cache_policy=INPUTS)(item, tmp_path, OPTIONS)
        first = await cached(transfer, OPTIONS)
        origin.forget()
        second = await cached(transfer, OPTIONS)
        state: Any = await cached(transfer, OPTIONS, return_state=True)
        assert isinstance(first, Downloaded)
        assert second == first
        assert (state.name, await state.aresult()) == ("Cached", first)
        assert not origin.gets()
        by_asset = await download_asset(item.assets["a"], OPTIONS, directory=tmp_path / "asset")
        by_href = await download_asset(transfer.href, OPTIONS, directory=tmp_path / "href")
        for found in (by_asset, by_href):
            assert isinstance(found, Downloaded)
            assert Path(found.candidate.path).read_bytes() == origin.content("/a.tif")
        assert TaskRunContext.get() is None
        origin.remove("/a.tif")
        retried = check_asset_exists.with_options(
            retries=1, retry_delay_seconds=0, retry_condition_fn=fails_once
        )
        with pytest.raises(StacAssetError, match="404"):
            await retried(transfer, OPTIONS)

    await user_flow()
    assert attempts == [1]


async def test_plan_reads_item_and_reports_unplannable_assets(
    origin: Origin, tmp_path: Path
) -> None:
    document = item_document(origin, "a", "b")
    document["assets"]["bad"] = {"href": "relative.tif"}
    href = origin.put("/item.json", json.dumps(document).encode())

    @flow
    async def user_flow() -> None:
        planned = await plan_item(href, tmp_path)
        assert [transfer.key for transfer in planned] == ["a", "b", "bad"]
        assert planned[2].href == origin.href("/relative.tif")
        with pytest.raises(DownloadError, match=r"1 of 3 assets failed\n.*'bad'"):
            await plan_item(document, tmp_path)
        planned = await plan_item(json.dumps(document), tmp_path, DownloadOptions(warn=True))
        assert [transfer.key for transfer in planned] == ["a", "b"]
        document["assets"] = {"local": {"href": "/etc/hosts"}}
        with pytest.raises(DownloadError, match="local file"):
            await plan_item(document, tmp_path)
        with pytest.raises(NoAssetsError, match="has no assets"):
            await plan_item({**document, "assets": {}}, tmp_path)
        with pytest.raises(SourceError, match="is of type Collection"):
            await plan_item(_COLLECTION, tmp_path)

    await user_flow()


def test_asset_and_href_become_transfers(tmp_path: Path) -> None:
    href = "https://example.com/a%20b.tif?sig=secret"
    storage = Storage(region="eu-west-1")
    planned = transfer_of(href, Config(), tmp_path, storage)
    assert (planned.key, planned.href, planned.candidates[0].storage) == (
        "a%20b.tif",
        href,
        storage,
    )
    assert Path(planned.path).parent == tmp_path
    assert transfer_of(planned, Config()) is planned
    item = pystac.Item.from_dict({**_ITEM, "assets": {"k": {"href": "./x.tif", "file:size": 3}}})
    item.set_self_href("https://example.com/folder/item.json")
    found = transfer_of(item.assets["k"], Config(), tmp_path)
    assert (found.key, found.owner_id, found.size) == ("k", "i", 3)
    assert found.href == "https://example.com/folder/x.tif"


def test_invalid_parameters_of_tasks_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = transfer_of("https://example.com/a.tif", Config(), tmp_path)
    with pytest.raises(ConfigError, match="`directory` is given, but the transfer has its own"):
        transfer_of(transfer, Config(), tmp_path)
    with pytest.raises(SourceError, match="`asset` is of type int, but must be an href"):
        transfer_of(3, Config(), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="`options` is of type str, but must be of type Download"):
        checked_options("https://example.com/a.tif")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="`directory` is missing"):
        asyncio.run(download_asset.fn("https://example.com/a.tif"))
    with pytest.raises(DestinationError, match=r"`directory` 'ftp://.*' .* cannot be written"):
        directory_of("ftp://host/a")
    assert str(directory_of("s3://bucket/a")) == "s3://bucket/a"
    monkeypatch.chdir(tmp_path)
    assert directory_of("data") == tmp_path / "data"


_ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "i",
    "geometry": None,
    "properties": {"datetime": "2026-06-01T00:00:00Z"},
    "links": [],
}
_COLLECTION: dict[str, Any] = {
    "type": "Collection",
    "stac_version": "1.1.0",
    "id": "c",
    "description": "",
    "license": "other",
    "links": [],
    "extent": {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [[None, None]]},
    },
}
