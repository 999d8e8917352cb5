"""The command line `stac-asset`."""

from stac_asset.cli.app import app, main

__all__ = ["app", "main"]
