"""The deployments, as values that can be served or deployed."""

from __future__ import annotations

from typing import Any

from prefect import Flow
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType

from flows import download_collection, download_item, download_item_collection

_FLOWS: dict[str, tuple[Flow[Any, Any], str]] = {
    "download-item": (download_item, "Downloads one STAC item with its assets."),
    "download-collection": (download_collection, "Downloads a STAC collection's own assets."),
    "download-item-collection": (
        download_item_collection,
        "Downloads the items of an item collection with their assets.",
    ),
}


def deployments() -> list[RunnerDeployment]:
    """Returns the deployments that `prefect.yaml` lists, made for serving."""
    return [
        RunnerDeployment.from_flow(
            flow,
            name=name,
            description=description,
            tags=["stac"],
            # A module, not a path: a path would put flows/ itself on sys.path.
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for name, (flow, description) in _FLOWS.items()
    ]
