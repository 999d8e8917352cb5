"""The NASA Earthdata client and its login."""

from stac_asset.clients.earthdata.client import EarthdataClient
from stac_asset.clients.earthdata.login import EarthdataLogin

__all__ = ["EarthdataClient", "EarthdataLogin"]
