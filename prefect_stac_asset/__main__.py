"""Command line `python -m prefect_stac_asset`: the commands of `prefect_stac_asset.deployments`."""

from prefect_stac_asset.deployments.__main__ import main

if __name__ == "__main__":
    main("python -m prefect_stac_asset")
