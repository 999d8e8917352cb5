"""What flows and tasks need to run in other processes, and what their runs leave."""

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
from tests.make_collection import collection_document
from tests.make_item import item_document

FLOWS = (
    "download_item",
    "download_collection",
    "download_item_collection",
    "sync",
    "check_assets",
    "verify",
)
TASKS = (
    "resolve_client",
    "check_asset_exists",
    "check_assets_exist",
    "download_asset",
    "download_assets",
    "rewrite_item",
)
_AT_ONCE = asyncio.Semaphore(3)
"""Limits how many runs work at the same time, since the tests need only two cores."""


COMPLETED: list[str] = []
"""The names of the flows and tasks whose runs called `note_completion` in this process."""


def note_completion(what: Any, run: Any, state: Any) -> None:
    """A hook for `on_completion`, which any process can import."""
    COMPLETED.append(what.name)


def make_sources(folder: Path) -> Path:
    """Writes an item, a collection and an item collection whose assets are beside them.

    Args:
        folder: The folder of the documents.
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
    """Returns the parameters of a flow, whose run writes files into a directory.

    Args:
        name: The name of the flow in `flows`.
        sources: The folder that `make_sources` filled.
        out: The directory.
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


def wrote(name: str, out: Path) -> bool:
    """Returns whether the run of a flow wrote what it is for.

    Args:
        name: The name of the flow in `flows`.
        out: The directory that the run was given.
    """
    if name in ("verify", "check_assets"):
        return (out / "report.ndjson").read_text().count("\n") == 1
    return [file.read_bytes() for file in out.rglob("a.*")] == [b"content"]


def task_parameters(name: str, sources: Path, out: Path) -> dict[str, Any]:
    """Returns the parameters of a task.

    Args:
        name: The name of the task in `flows`.
        sources: The folder that `make_sources` filled.
        out: The directory of what the task writes.
    """
    href = str(sources / "a.tif")
    transfer = Transfer("item 'i'", "a", (Candidate(href, str(out / "a.tif")),), str(out))
    if name == "resolve_client":
        return {"href": href}
    if name == "check_asset_exists":
        return {"key": "a", "href": href}
    if name == "download_asset":
        return {"transfer": transfer}
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


def did(name: str, out: Path) -> bool:
    """Returns whether a task wrote its file, if it writes one.

    Args:
        name: The name of the task in `flows`.
        out: The directory of what the task writes.
    """
    file = {"download_asset": "a.tif", "download_assets": "a.tif", "rewrite_item": "item.json"}
    return name not in file or (out / file[name]).is_file()


async def registered(deployment: str) -> None:
    """Waits until a process has registered a deployment.

    Args:
        deployment: What `run_deployment` calls it.
    """
    async with get_client() as client, asyncio.timeout(600):
        while True:
            try:
                await client.read_deployment_by_name(deployment)
                return
            except ObjectNotFound:
                await asyncio.sleep(0.5)


async def run_of(deployment: str, parameters: dict[str, Any]) -> FlowRun:
    """Runs a deployment that a process registers, and returns its run when it has ended.

    Args:
        deployment: What `run_deployment` calls it.
        parameters: The parameters of the run.
    """
    await registered(deployment)
    async with _AT_ONCE:
        found: Any = await run_deployment(
            deployment, parameters=parameters, timeout=600, poll_interval=1
        )
    assert isinstance(found, FlowRun)
    return found
