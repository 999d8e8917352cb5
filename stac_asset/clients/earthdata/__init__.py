"""Client for NASA Earthdata, and the login that obtains Earthdata tokens."""

from stac_asset.clients.earthdata.client import EarthdataClient
from stac_asset.clients.earthdata.hosts import DAAC_HOSTS, HOSTS
from stac_asset.clients.earthdata.login import EarthdataLogin

__all__ = ["DAAC_HOSTS", "HOSTS", "EarthdataClient", "EarthdataLogin"]
