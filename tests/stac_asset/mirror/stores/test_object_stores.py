"""Mirrors in Google Cloud Storage and Azure: changes, killed runs, and concurrent runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stac_asset import Config
from stac_asset.destinations import VersionError
from stac_asset.errors import ConfigError, DestinationError
from stac_asset.testing import Origin, Stall
from tests.support.gcs_service import gcs_service
from tests.support.mirror_runs import CONFIG, build_item, run_mirror, serve_items
from tests.support.object_stores import PREFIX, AzureContainer, GcsBucket
from tests.support.paths import ROOT
from tests.support.processes import wait_until
from tests.support.store_mirrors import ContentReader, items_of

PROGRAM = """
import asyncio, os, sys
from stac_asset import Config
from tests.support.mirror_runs import CONFIG, run_mirror

config = CONFIG.copy()
config.destination_identity = Config.from_env().destination_identity
asyncio.run(run_mirror(*sys.argv[1:], config=config, on_removed="delete"))
"""


@pytest.fixture(params=["gcs", "azure"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[GcsBucket | AzureContainer]:
    """Return an empty bucket of each service."""
    if request.param == "azure":
        yield request.getfixturevalue("container")
        return
    async with gcs_service() as service:
        yield GcsBucket(service)


def config_of(place: GcsBucket | AzureContainer) -> Config:
    """Return the options of the runs."""
    config = CONFIG.copy()
    config.destination_identity = place.identity
    return config


def url_of(place: GcsBucket | AzureContainer) -> str:
    """Return the URL of the mirror."""
    return f"{place.url}/{PREFIX}"


async def check(place: GcsBucket | AzureContainer) -> set[str]:
    """Follow all links of the mirror, and return the ids of the items."""
    return await asyncio.to_thread(ContentReader(place).check)


async def test_mirror_follows_the_source(origin: Origin, place: GcsBucket | AzureContainer) -> None:
    url, config = url_of(place), config_of(place)
    href = serve_items(origin, items_of(origin, "one", "two", "three"))
    first = await run_mirror(url, href, config=config)
    assert set(first.reasons.values()) == {"NEW"}
    assert await check(place) == {"one", "two", "three"}
    origin.forget()
    assert (await run_mirror(url, href, config=config)).reasons == {}
    assert origin.gets("*.tif") == []

    changed = items_of(origin, "one", "two")
    changed[0]["assets"]["data"]["href"] = origin.href("/one/data_v2.tif?size=100")
    changed[1]["properties"]["title"] = "New"
    serve_items(origin, changed)
    last = await run_mirror(url, href, config=config, on_removed="delete")
    assert last.reasons == {"one": "CHANGED"}
    assert (last.metadata_ids, last.removed_ids) == ({"two"}, {"three"})
    assert {request.path for request in origin.gets("*.tif")} == {"/one/data_v2.tif"}
    assert await check(place) == {"one", "two"}
    document = json.loads(await asyncio.to_thread(place.content, "things/two/two.json") or b"")
    assert document["properties"]["title"] == "New"
    assert await asyncio.to_thread(place.keys) == {
        *("catalog.json", "items.parquet", "things/collection.json"),
        *(".mirror/index.ndjson", ".mirror/parquet.json"),
        *(f"things/{name}/{name}.json" for name in ("one", "two")),
        *("things/one/data_v2.tif", "things/two/data.tif"),
    }


async def test_killed_run_is_completed_on_another_machine(
    origin: Origin, place: GcsBucket | AzureContainer, tmp_path: Path
) -> None:
    url, config = url_of(place), config_of(place)
    href = serve_items(origin, items_of(origin, "stays", "gone"))
    await run_mirror(url, href, config=config)
    new = build_item(origin, "new", "a", "b")
    serve_items(origin, [*items_of(origin, "stays"), new])
    origin.fault("/new/b.tif", Stall(50))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, url, href),
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "STAC_ASSET_DESTINATION_IDENTITY": json.dumps(vars_of(place)),
        },
    )
    await wait_until(lambda: origin.gets("/new/b.tif") or process.returncode is not None)
    while "things/new/a.tif" not in await asyncio.to_thread(place.keys):
        await asyncio.sleep(0.05)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    assert await check(place) == {"stays", "gone"}
    assert ".mirror/lock.json" in await asyncio.to_thread(place.keys)

    origin.forget()
    origin.heal()
    await run_mirror(url, href, config=config, on_removed="delete")
    assert {request.path for request in origin.gets("*.tif")} == {"/new/b.tif"}
    assert await check(place) == {"stays", "new"}
    keys = await asyncio.to_thread(place.keys)
    state = {".mirror/index.ndjson", ".mirror/parquet.json"}
    assert {key for key in keys if key.startswith(".")} == state
    assert not any("gone" in key for key in keys)


def vars_of(place: GcsBucket | AzureContainer) -> dict[str, object]:
    """Return the fields of the identity, as the environment variable has them."""
    identity = place.identity
    names = ("token", "account", "account_key", "endpoint_url")
    return {name: value for name in names if (value := getattr(identity, name, None)) is not None}


@pytest.mark.parametrize("key", ["catalog.json", "things/one/one.json", ".mirror/begun.ndjson"])
async def test_document_of_another_run_is_not_replaced(
    origin: Origin, place: GcsBucket | AzureContainer, key: str
) -> None:
    url, config = url_of(place), config_of(place)
    href = serve_items(origin, items_of(origin, "one"))
    await run_mirror(url, href, config=config)
    changed = build_item(origin, "one", "data", "more")
    serve_items(origin, [changed, build_item(origin, "two")])

    async def another_run() -> None:
        await asyncio.to_thread(place.put, key, b'{"written by": "another run"}')

    with pytest.raises(VersionError, match=f"{url}/{key} was written by another run"):
        await run_mirror(url, href, config=config, during=another_run)
    content = await asyncio.to_thread(place.content, key)
    assert content == b'{"written by": "another run"}'


async def test_second_run_fails_while_a_run_is_in_progress(
    origin: Origin, place: GcsBucket | AzureContainer
) -> None:
    url, config = url_of(place), config_of(place)
    href = serve_items(origin, items_of(origin, "one"))

    async def second() -> None:
        with pytest.raises(DestinationError, match="is being updated by another run"):
            await run_mirror(url, href, config=config)

    await run_mirror(url, href, config=config, during=second)
    assert await check(place) == {"one"}


async def test_foreign_catalog_is_refused_before_any_request_to_the_source(
    origin: Origin, place: GcsBucket | AzureContainer
) -> None:
    await asyncio.to_thread(place.put, "catalog.json", b'{"type": "Catalog", "id": "mine"}')
    href = serve_items(origin, items_of(origin, "one"))
    with pytest.raises(ConfigError, match=r"has a catalog\.json that was not written by a mirror"):
        await run_mirror(url_of(place), href, config=config_of(place))
    assert origin.gets("*") == []
    assert await asyncio.to_thread(place.keys) == {"catalog.json"}
