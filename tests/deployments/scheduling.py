"""A mirror on a schedule for tests: its `prefect.yaml`, its source, and the runs of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from stac_asset.testing import Origin
from tests.make_item import item_document

INTERVAL = {"interval": 10, "anchor_date": "2026-01-01T00:00:00Z"}
EVERY_TEN_SECONDS = {"cron": "* * * * * */10"}


def until(found: Callable[[], Any], what: str) -> Any:
    """Returns what a function finds, as soon as it finds something."""
    for _ in range(1500):
        if result := found():
            return result
        time.sleep(0.2)
    raise AssertionError(f"there is no {what}")


def ask(method: str, url: str, **body: Any) -> Any:
    """Returns what a server answers; asks again while SQLite has another writer (503)."""

    def answered() -> httpx.Response | None:
        response = httpx.request(method, url, json=body or None, timeout=300)
        return None if response.status_code == 503 else response

    response: httpx.Response = until(answered, f"answer to {method} {url}")
    assert response.is_success, response.text
    return response.json() if response.content else None


@dataclass
class ScheduledMirror:
    """A mirror that a deployment of its own keeps in step with an item collection.

    Args:
        name: The name of the deployment.
        origin: Serves the item collection.
        folder: Where the mirror is.
    """

    name: str
    origin: Origin
    folder: Path
    _items: dict[str, dict[str, Any]] = field(default_factory=dict)

    def publish(self, name: str, content: bytes | None = None) -> None:
        """Adds an item with an asset of the same name to the source, or changes it.

        Args:
            name: The id of the item.
            content: The bytes of the asset, if not those that the origin makes up.
        """
        item = item_document(self.origin, name, name=name)
        if content is not None:
            self.origin.put(f"/{name}.tif", content)
            item["assets"][name]["file:size"] = len(content)
        self._items[name] = item
        document = {"type": "FeatureCollection", "features": list(self._items.values())}
        self.origin.put(f"/{self.name}.json", json.dumps(document).encode())

    def write(self, file: Path, schedule: dict[str, Any]) -> Path:
        """Writes a `prefect.yaml` with the deployment, and returns it.

        Args:
            file: The file.
            schedule: When the deployment runs.
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

    def mirrored(self, name: str, content: bytes | None = None) -> Path:
        """Returns the file of an asset, as soon as it is the one that the source has."""
        wanted = self.origin.content(f"/{name}.tif") if content is None else content

        def found() -> Path | None:
            file = next(self.folder.rglob(f"{name}.tif"), None)
            return file if file is not None and file.read_bytes() == wanted else None

        path: Path = until(found, f"file of {name} in {self.folder}")
        return path

    def runs(self, url: str, *states: str) -> list[dict[str, Any]]:
        """Returns the runs of the deployment in some states, the latest first.

        Args:
            url: The address of the server.
            states: The types of the states.
        """
        body = {
            "deployments": {"name": {"any_": [self.name]}},
            "flow_runs": {"state": {"type": {"any_": states}}},
            "sort": "START_TIME_DESC",
        }
        found: list[dict[str, Any]] = ask("POST", f"{url}/api/flow_runs/filter", **body)
        return found

    def completed(self, url: str, count: int = 1) -> list[dict[str, Any]]:
        """Returns the completed runs, as soon as there are so many; all are of the schedule."""

        def found() -> list[dict[str, Any]] | None:
            runs = self.runs(url, "COMPLETED")
            return runs if len(runs) >= count else None

        runs: list[dict[str, Any]] = until(found, f"completed run number {count} of {self.name}")
        assert all(run["auto_scheduled"] for run in runs)
        return runs

    def rest(self, url: str) -> None:
        """Pauses the deployment, and waits for the end of its runs."""
        found = ask("GET", f"{url}/api/deployments/name/sync/{self.name}")
        ask("PATCH", f"{url}/api/deployments/{found['id']}", paused=True)
        until(lambda: not self.runs(url, "PENDING", "RUNNING", "CANCELLING"), "rest")
