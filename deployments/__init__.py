"""What runs when: the deployments of `prefect.yaml`, for those who want them in Python."""

from prefect_stac_asset.deployments.runner_deployments import deployments

__all__ = ["deployments"]
