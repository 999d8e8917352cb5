"""Internal: the command line `stac-asset`. No other package imports this package."""

from stac_asset.cli.app import app, main

__all__ = ["app", "main"]
