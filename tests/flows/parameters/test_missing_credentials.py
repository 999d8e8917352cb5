"""Credentials that an asset or a source requires and the run does not have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.flows import DownloadOptions
from stac_asset.errors import MissingCredentialError
from stac_asset.testing import Origin
from tests.support.credential_runs import read_log
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import read_back, states

EARTHDATA = "https://data.lpdaac.earthdatacloud.nasa.gov"

pytestmark = pytest.mark.usefixtures("machine_without_credentials")


@pytest.mark.parametrize(
    ("href", "storage", "kind", "reason"),
    [
        (
            "https://data.lpdaac.earthdatacloud.nasa.gov/a.tif",
            {},
            "EarthdataCredentials",
            "No Earthdata token is configured",
        ),
        (
            "s3://usgs-landsat/a.tif",
            {"storage:requester_pays": True},
            "S3Credentials",
            "Requester pays is enabled for s3://usgs-landsat/",
        ),
    ],
)
async def test_missing_credential_fails_before_asset_tasks_and_names_required_block(
    origin: Origin, tmp_path: Path, href: str, storage: dict[str, Any], kind: str, reason: str
) -> None:
    document = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/storage/v1.0.0/schema.json"],
        "id": "missing",
        "geometry": None,
        "properties": {"datetime": "2026-06-01T00:00:00Z"},
        "links": [],
        "assets": {"a": {"href": href, **storage}},
    }
    unrelated = blocks.HttpCredentials(hosts=[origin.url], token="pl4nted-http-token")
    await Block.asave(unrelated, "unrelated", overwrite=True)
    state = await flows.download_item(
        json.dumps(document),
        str(tmp_path),
        credentials=unrelated,
        return_state=True,
    )
    _, task_runs = await read_back(state, 1)
    assert [name.partition(" ")[0] for name in states(task_runs)] == ["client"]
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, MissingCredentialError)
    assert f"Pass a saved {kind} block as `credentials`" in str(error)
    assert reason in str(error)
    assert href.rpartition("/")[0] in str(error)


async def test_missing_credential_is_logged_when_alternate_hrefs_exist(
    origin: Origin, tmp_path: Path
) -> None:
    document = item_document(origin, "a")
    alternate = {"ed": {"href": f"{EARTHDATA}/a.tif"}}
    document["assets"]["a"]["alternate"] = alternate
    options = DownloadOptions(alternate_assets=["ed"])
    source = origin.put("/item.json", json.dumps(document).encode())
    state = await flows.download_item(source, str(tmp_path), options, return_state=True)
    assert (await state.aresult()).downloaded == 1
    run, task_runs = await read_back(state, 3)
    assert {state for state, _ in states(task_runs).values()} == {"Completed"}
    log = await read_log(run, "Finished in state")
    assert f"Credentials for {EARTHDATA}/ are missing. Pass a saved Earthdata" in log
    assert "Using alternate hrefs of the same assets" in log
    document["assets"]["b"] = {"href": f"{EARTHDATA}/b.tif"}
    origin.put("/item.json", json.dumps(document).encode())
    with pytest.raises(MissingCredentialError, match="Pass a saved EarthdataCredentials block"):
        await flows.download_item(source, str(tmp_path / "2"), options)


@pytest.mark.parametrize("missing", ["asset", "source"])
async def test_repair_without_credentials_names_required_block(
    origin: Origin, tmp_path: Path, missing: str
) -> None:
    await flows.download_item(make_item(origin, "a", "b"), str(tmp_path))
    (tmp_path / "a.tif").unlink()
    (tmp_path / "b.tif").unlink()
    if missing == "asset":
        document = item_document(origin, "a")
        document["assets"]["b"] = {"href": f"{EARTHDATA}/b.tif"}
        origin.put("/item.json", json.dumps(document).encode())
    else:
        written = (tmp_path / "the-item.json").read_text()
        (tmp_path / "the-item.json").write_text(written.replace(origin.url, EARTHDATA))
    origin.forget()
    with pytest.raises(MissingCredentialError, match="Pass a saved EarthdataCredentials block"):
        await flows.verify(str(tmp_path), repair=True)
    assert origin.gets("/*.tif") == []


async def test_repair_log_names_block_used_for_each_host(origin: Origin, tmp_path: Path) -> None:
    block = blocks.HttpCredentials(hosts=[origin.url], token="pl4nted-http-token")
    await Block.asave(block, "repairs")
    await flows.download_item(make_item(origin, "a"), str(tmp_path))
    (tmp_path / "a.tif").unlink()
    state = await flows.verify(str(tmp_path), repair=True, credentials=block, return_state=True)
    run, _ = await read_back(state, 2)
    log = await read_log(run, "Finished in state")
    assert f"{origin.url}/ uses block 'http-credentials/repairs'" in log
