"""Parameters for flows and tasks that run in other processes, and checks of the output."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pystac
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from prefect_stac_asset.flows import DownloadOptions
from stac_asset.types import Candidate, Downloaded, Transfer
from tests.support.collections import collection_document
from tests.support.items import item_document

FLOWS = (
    "download_item",
    "download_collection",
    "download_item_collection",
    "sync",
    "check_assets",
    "verify",
)
TASKS = (
    "plan_item",
    "resolve_client",
    "check_asset_exists",
    "check_assets_exist",
    "download_asset",
    "download_assets",
    "rewrite_item",
)
_CONCURRENT_RUNS = asyncio.Semaphore(3)
"""Limit on concurrent runs. The tests must pass on a machine with two cores."""

COMPLETED: list[str] = []
"""Names of the flows and tasks that completed in this process, from `record_completion`."""


def record_completion(flow_or_task: Any, run: Any, state: Any) -> None:
    """Record a completed run. Any process can import this hook for `on_completion`."""
    COMPLETED.append(flow_or_task.name)


def write_sources(folder: Path) -> Path:
    """Write an item, a collection, an item collection and all assets to a folder.

    Args:
        folder: Folder of the documents and the assets.

    Returns:
        The folder.
    """
    local: Any = SimpleNamespace(href=lambda path: f".{path}")
    item, collection = item_document(local, "a"), collection_document(local, "a")
    items = {"type": "FeatureCollection", "features": [item]}
    for name, content in (("item", item), ("collection", collection), ("items", items)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    for name in ("a.tif", "a.png"):
        (folder / name).write_bytes(b"content")
    return folder


def flow_parameters(name: str, sources: Path, out: Path) -> dict[str, Any]:
    """Return the parameters of a flow run, and prepare the output directory.

    Args:
        name: Name of the flow in `flows`.
        sources: Folder filled by `write_sources`.
        out: Output directory.
    """
    report = str(out / "report.ndjson")
    out.mkdir(parents=True, exist_ok=True)
    if name == "verify":
        (out / "item.json").write_bytes((sources / "item.json").read_bytes())
        (out / "a.tif").write_bytes(b"content")
        return {"directory": str(out), "report": report}
    document = {"download_item": "item.json", "download_collection": "collection.json"}
    source = str(sources / document.get(name, "items.json"))
    if name == "check_assets":
        return {"source": source, "report": report}
    return {"source": source, "directory": str(out)}


def flow_wrote_files(name: str, out: Path) -> bool:
    """Return whether a flow run wrote the expected files.

    Args:
        name: Name of the flow in `flows`.
        out: Output directory of the run.
    """
    if name in ("verify", "check_assets"):
        return (out / "report.ndjson").read_text().count("\n") == 1
    return [file.read_bytes() for file in out.rglob("a.*")] == [b"content"]


def task_parameters(name: str, sources: Path, out: Path) -> dict[str, Any]:
    """Return the parameters of a task.

    Args:
        name: Name of the task in `flows`.
        sources: Folder filled by `write_sources`.
        out: Output directory of the task.
    """
    href = str(sources / "a.tif")
    transfer = Transfer("item 'i'", "a", (Candidate(href, str(out / "a.tif")),), str(out))
    if name == "resolve_client":
        return {"href": href}
    if name == "check_asset_exists":
        return {"asset": href}
    if name == "download_asset":
        return {"asset": pystac.Asset(href), "directory": str(out)}
    if name == "plan_item":
        return {"item": str(sources / "item.json"), "directory": str(out)}
    if name == "rewrite_item":
        item = pystac.Item.from_file(str(sources / "item.json"))
        done = Downloaded(transfer, transfer.candidates[0], 7, 7, 0.1)
        return {
            "item": item,
            "outcomes": [done],
            "document": out / "item.json",
            "options": DownloadOptions(),
        }
    return {"transfers": [transfer]}


def task_wrote_file(name: str, out: Path) -> bool:
    """Return whether a task wrote the expected file. Tasks without output count as successful.

    Args:
        name: Name of the task in `flows`.
        out: Output directory of the task.
    """
    file = {"download_asset": "a.tif", "download_assets": "a.tif", "rewrite_item": "item.json"}
    return name not in file or (out / file[name]).is_file()


async def wait_for_deployment(deployment: str) -> None:
    """Wait until another process registers a deployment.

    Args:
        deployment: Name in the form `flow/deployment`.
    """
    async with get_client() as client, asyncio.timeout(600):
        while True:
            try:
                await client.read_deployment_by_name(deployment)
                return
            except ObjectNotFound:
                await asyncio.sleep(0.5)


async def run_registered_deployment(deployment: str, parameters: dict[str, Any]) -> FlowRun:
    """Run a deployment that another process registers, and return the finished flow run.

    Args:
        deployment: Name in the form `flow/deployment`.
        parameters: Parameters of the run.
    """
    await wait_for_deployment(deployment)
    async with _CONCURRENT_RUNS:
        found: Any = await run_deployment(
            deployment, parameters=parameters, timeout=600, poll_interval=1
        )
    assert isinstance(found, FlowRun)
    return found
