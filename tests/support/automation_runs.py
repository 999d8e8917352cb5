"""Runs and notifications that the automations of a stack start."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.callables import parameter_schema

from examples.notify import notify_of_failures
from stac_asset.testing import Origin
from tests.support.deployments_cli import run_deployments_cli
from tests.support.items import item_document
from tests.support.paths import ROOT
from tests.support.stacks import RunningStack, create_run, post, read_deployment, wait_for_end

_DOWNLOAD = "download-item-collection/download-item-collection"
_PAGE = ROOT / "docs" / "events.md"
_PARAMETERS = ("item_id", "paths", "document")


def assert_flow_runs_for_each_item(stack: RunningStack, origin: Origin, folder: Path) -> None:
    """Check that the documented flow runs for each downloaded item of a collection."""
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)
        if "def process_item" in block
    )
    (folder / "process_item.py").write_text(code)
    documented: Any = load_flow_from_entrypoint(f"{folder}/process_item.py:process_item")
    flow = post(stack, "/flows/", name="process-item")
    deployed: dict[str, Any] = {
        "flow_id": flow["id"],
        "path": str(folder),
        "entrypoint": "process_item.py:process_item",
        "work_pool_name": "stac-asset",
    }
    schema = parameter_schema(documented).model_dump_for_openapi()
    target = post(
        stack, "/deployments/", name="on-item", parameter_openapi_schema=schema, **deployed
    )
    post(stack, "/deployments/", name="unfit", **deployed)
    server = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_HOME": str(folder)}
    automate = ("automate", "process-item/on-item", "--collection", "mine")
    first = run_deployments_cli(*automate, **server)
    assert first.returncode == 0, first.stderr
    second = run_deployments_cli(*automate, **server)
    assert second.stdout == first.stdout  # The id of the same automation.
    missing = run_deployments_cli("automate", "process-item/missing", **server)
    assert missing.stderr == (
        "error: Deployment 'process-item/missing' does not exist. Set DEPLOYMENT to "
        "'flow name/deployment name'.\n"
    )
    unfit = run_deployments_cli("automate", "process-item/unfit", **server)
    assert "'process-item/unfit' has none of the parameters `item_id`" in unfit.stderr
    documents = [item_document(origin, name, f"{name}2", name=name) for name in ("first", "other")]
    for document, collection in zip(documents, ("mine", "not-mine"), strict=True):
        document["collection"] = collection
    items = {"type": "FeatureCollection", "features": documents}
    source = origin.put("/items.json", json.dumps(items).encode())
    # The server loads new triggers with a delay. Repeat with new folders until a run exists.
    for attempt in range(20):
        out = folder / str(attempt)
        started = create_run(stack, _DOWNLOAD, source=source, directory=str(out)).json()
        assert wait_for_end(stack, started["id"])["state"]["type"] == "COMPLETED"
        found = _runs(stack, target["id"])
        if found:
            break
    paths = {key: str(out / "first" / f"{key}.tif") for key in ("first", "first2")}
    assert [[run["parameters"].get(name) for name in _PARAMETERS] for run in found] == [
        ["first", paths, None]
    ]
    run = wait_for_end(stack, found[0]["id"])
    assert run["state"]["type"] == "COMPLETED", run["state"]


def _runs(stack: RunningStack, deployment_id: str) -> list[dict[str, Any]]:
    """Wait up to 5 s for runs of a deployment, and return them."""
    for _ in range(10):
        of_deployment = {"deployments": {"id": {"any_": [deployment_id]}}}
        runs: list[dict[str, Any]] = post(stack, "/flow_runs/filter", **of_deployment)
        if runs:
            break
        time.sleep(0.5)
    return runs


def assert_person_is_notified_of_failure(stack: RunningStack, origin: Origin) -> None:
    """Check that the example automation sends a notification for a failed run."""
    url = origin.put("/notify", b"")
    webhook = {
        "name": "ops",
        "url": url,
        "method": "GET",
        "params": {"text": "{{subject}}: {{body}}"},
    }
    with temporary_settings({PREFECT_API_URL: f"{stack.url}/api"}):
        asyncio.run(_notify("sync/sync", webhook))
    sync = read_deployment(stack, "sync/sync")

    # The server loads new triggers with a delay. Repeat until a failure leads to a notification.
    for _ in range(20):
        run = post(
            stack,
            "/flow_runs/",
            flow_id=sync["flow_id"],
            deployment_id=sync["id"],
            name="of a night",
            state={"type": "RUNNING"},
        )
        state = {"type": "FAILED", "name": "Failed", "message": "3 of 9 assets failed"}
        post(stack, f"/flow_runs/{run['id']}/set_state", state=state, force=True)
        if _is_requested(origin, "/notify"):
            break
    query = origin.gets("/notify")[0].query
    assert "sync%2Fsync+failed" in query
    assert "3+of+9+assets+failed" in query.replace("%20", "+")


def _is_requested(origin: Origin, path: str) -> bool:
    """Return whether a path is requested within 10 s."""
    for _ in range(20):
        if origin.gets(path):
            return True
        time.sleep(0.5)
    return False


async def _notify(deployment: str, webhook: dict[str, Any]) -> None:
    await CustomWebhookNotificationBlock(**webhook).asave("operators", overwrite=True)
    for _ in range(2):  # The second call replaces the automation of the first call.
        await notify_of_failures(deployment, "custom-webhook/operators")
    async with get_client() as client:
        name = f"notify of failed runs of {deployment}"
        assert len(await client.read_automations_by_name(name)) == 1
