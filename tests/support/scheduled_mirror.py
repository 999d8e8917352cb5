"""A scheduled mirror: the `prefect.yaml`, the source, and the flow runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stac_asset.testing import Origin
from tests.support.http_client import CLIENT
from tests.support.items import item_document

INTERVAL = {"interval": 10, "anchor_date": "2026-01-01T00:00:00Z"}
EVERY_TEN_SECONDS = {"cron": "* * * * * */10"}


def wait_for(find: Callable[[], Any], description: str) -> Any:
    """Call a function until the result is true, and return the result.

    Args:
        find: The function.
        description: Name of the result, for the error message.
    """
    for _ in range(300):
        if result := find():
            return result
        time.sleep(1)  # Each request takes the server 20 ms.
    raise AssertionError(f"timeout while waiting for the {description}")


def call_api(method: str, url: str, **body: Any) -> Any:
    """Send a request, and return the JSON of the response."""
    response = CLIENT.request(method, url, json=body or None)
    assert response.is_success, response.text
    return response.json() if response.content else None


@dataclass
class ScheduledMirror:
    """A mirror of an item collection, with a scheduled deployment of the flow `sync`.

    Args:
        name: Name of the deployment.
        origin: Server of the item collection.
        folder: Directory of the mirror.
        flow: Name of the flow.
    """

    name: str
    origin: Origin
    folder: Path
    flow: str = "sync"
    _items: dict[str, dict[str, Any]] = field(default_factory=dict)

    def publish(self, name: str, content: bytes | None = None) -> None:
        """Add or replace an item of the source. The asset key equals the item id.

        Args:
            name: The item id.
            content: The bytes of the asset. By default, the origin generates content.
        """
        item = item_document(self.origin, name, name=name)
        if content is not None:
            self.origin.put(f"/{name}.tif", content)
            item["assets"][name]["file:size"] = len(content)
        self._items[name] = item
        document = {"type": "FeatureCollection", "features": list(self._items.values())}
        self.origin.put(f"/{self.name}.json", json.dumps(document).encode())

    def write(self, file: Path, schedule: dict[str, Any]) -> Path:
        """Write a `prefect.yaml` with the deployment, and return the path.

        Args:
            file: Path of the file.
            schedule: The schedule of the deployment.
        """
        deployment = {
            "name": self.name,
            "description": "Mirrors a source of the tests.",
            "entrypoint": "prefect_stac_asset.flows.sync",
            "parameters": {
                "source": self.origin.href(f"/{self.name}.json"),
                "directory": str(self.folder),
            },
            "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
            "work_pool": {"name": "stac-asset"},
            "schedules": [{"slug": "often", "active": True, **schedule}],
        }
        document = {"name": "test", "pull": [], "deployments": [deployment]}
        file.write_text(json.dumps(document))  # JSON is YAML.
        return file

    def wait_for_file(self, name: str, content: bytes | None = None) -> Path:
        """Wait until the mirror has the asset of an item, and return the path of the file.

        Args:
            name: The item id.
            content: The expected bytes. By default, the content on the origin.
        """
        wanted = self.origin.content(f"/{name}.tif") if content is None else content

        def find() -> Path | None:
            file = next(self.folder.rglob(f"{name}.tif"), None)
            return file if file is not None and file.read_bytes() == wanted else None

        path: Path = wait_for(find, f"file of {name} in {self.folder}")
        return path

    def flow_runs(self, url: str, *states: str) -> list[dict[str, Any]]:
        """Return the flow runs of the deployment in some states, latest first.

        Args:
            url: URL of the Prefect server.
            states: State types.
        """
        body = {
            "deployments": {"name": {"any_": [self.name]}},
            "flow_runs": {"state": {"type": {"any_": states}}},
            "sort": "START_TIME_DESC",
        }
        found: list[dict[str, Any]] = call_api("POST", f"{url}/api/flow_runs/filter", **body)
        return found

    def wait_for_completed_runs(self, url: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for completed flow runs, and return the runs. Fail if a run was not scheduled.

        Args:
            url: URL of the Prefect server.
            count: Minimum number of completed flow runs.
        """

        def find() -> list[dict[str, Any]] | None:
            runs = self.flow_runs(url, "COMPLETED")
            return runs if len(runs) >= count else None

        runs: list[dict[str, Any]] = wait_for(find, f"completed run number {count} of {self.name}")
        assert all(run["auto_scheduled"] for run in runs)
        return runs

    def pause(self, url: str) -> None:
        """Pause the deployment, and wait until active flow runs have ended.

        Args:
            url: URL of the Prefect server.
        """
        self.set_paused(url, True)
        active = ("PENDING", "RUNNING", "CANCELLING")
        wait_for(lambda: not self.flow_runs(url, *active), "end of the flow runs")

    def set_paused(self, url: str, paused: bool) -> None:
        """Pause or resume the deployment. Runs that have started continue.

        Args:
            url: URL of the Prefect server.
            paused: Whether the schedule starts no more runs.
        """
        found = call_api("GET", f"{url}/api/deployments/name/{self.flow}/{self.name}")
        call_api("PATCH", f"{url}/api/deployments/{found['id']}", paused=paused)
