"""Runs of the flow `sync` after interrupted runs, and concurrent runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from prefect_stac_asset.flows import DownloadOptions
from stac_asset.testing import Origin, Stall
from tests.support.mirror_flow_runs import (
    ids,
    sync_result,
    sync_state,
)
from tests.support.mirror_runs import check_catalog, read_item_documents
from tests.support.paths import ROOT
from tests.support.processes import wait_until
from tests.support.stac_api import (
    COLLECTION,
    KEYS,
    RustacServer,
)

SYNC_PROGRAM = """
import asyncio, sys
from prefect_stac_asset import flows
source, directory, collection = sys.argv[1:]
options = flows.DownloadOptions(max_concurrent_downloads=2, http_read_timeout=600)
search = flows.Search(collections=[collection])
asyncio.run(flows.sync(source, directory, search, options))
"""


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_run_resumes_after_killed_run(
    api: RustacServer,
    origin: Origin,
    sample_items: list[dict[str, Any]],
    tmp_path: Path,
    granularity: str,
) -> None:
    """The killed run is in a separate process, on the same Prefect server."""
    directory = tmp_path / "m"
    api.serve(sample_items)
    stalled_paths = {f"/{item['id']}/visual.tif" for item in sample_items[6:]}
    for path in stalled_paths:
        origin.fault(path, Stall(), times=0)
    program = SYNC_PROGRAM.replace("options))", f"options, granularity={granularity!r}))")
    # No fork: a fork ends shortly after the killed process.
    command = [sys.executable, "-c", program, api.href, str(directory), COLLECTION]
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=ROOT, stdout=log, stderr=log
        )
        await wait_until(
            lambda: process.returncode is not None or len(origin.gets("*visual.tif")) >= 8
        )
        assert process.returncode is None, (tmp_path / "log").read_text()
        process.send_signal(signal.SIGKILL)
        await process.wait()
    done = {path.relative_to(directory) for path in directory.rglob("*.tif")}
    assert 8 <= len(done) < 24
    assert (directory / ".mirror/begun.ndjson").exists()
    origin.heal()
    origin.forget()
    result = await sync_result(api, directory)
    requested = {request.path.lstrip("/") for request in origin.gets()}
    assert requested == {f"{item['id']}/{key}.tif" for item in sample_items for key in KEYS} - {
        str(path.relative_to(COLLECTION)) for path in done
    }
    assert result.failed == 0
    check_catalog(directory, ids(sample_items))
    assert (await sync_state(api, directory)).name == "NothingNew"


async def test_concurrent_run_into_same_mirror_is_rejected(
    api: RustacServer, origin: Origin, sample_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(sample_items[:2])
    origin.fault("/*.tif", Stall(), times=0)
    patient = DownloadOptions(http_read_timeout=1, retry_wait=0.01, http_max_attempts=1000)
    first = asyncio.ensure_future(sync_state(api, tmp_path, options=patient))
    await wait_until(lambda: origin.gets("/*.tif"))
    second = await sync_state(api, tmp_path)
    assert second.is_failed()
    assert "another run is writing it" in (second.message or "")
    origin.heal()
    assert (await first).is_completed()
    check_catalog(tmp_path, ids(sample_items[:2]))


async def test_fail_fast_run_leaves_valid_catalog(
    api: RustacServer, origin: Origin, sample_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(sample_items)
    origin.remove(f"/{sample_items[-1]['id']}/B04.tif")
    options = DownloadOptions(fail_fast=True, max_concurrent_downloads=1, http_max_attempts=1)
    try:
        state = await sync_state(api, tmp_path, options=options)
    finally:
        origin.put(f"/{sample_items[-1]['id']}/B04.tif", size=500)
    assert state.is_failed()
    check_catalog(tmp_path, set(read_item_documents(tmp_path)))
    assert len(read_item_documents(tmp_path)) >= 8
    assert (await sync_state(api, tmp_path)).is_completed()
    check_catalog(tmp_path, ids(sample_items))
