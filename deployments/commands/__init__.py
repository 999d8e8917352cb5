"""Internal: the commands of `python -m prefect_stac_asset.deployments`, by subject."""
