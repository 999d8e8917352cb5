"""The deployments, as values that can be served or deployed."""

from __future__ import annotations

from prefect.deployments.runner import RunnerDeployment

from flows import download_item


def deployments() -> list[RunnerDeployment]:
    """Returns the deployments that `prefect.yaml` lists, made for serving."""
    return [
        download_item.to_deployment(
            name="download-item",
            description="Downloads one STAC item with its assets.",
            tags=["stac"],
        )
    ]
