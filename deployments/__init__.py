"""Deployments of the flows, as listed in `prefect.yaml`, and commands to run deployments."""

from prefect_stac_asset.deployments.runner_deployments import deployments

__all__ = ["deployments"]
