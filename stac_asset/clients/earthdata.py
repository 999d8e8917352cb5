"""NASA Earthdata."""

from stac_asset.clients.http import HttpClient


class EarthdataClient(HttpClient):
    """x"""

    name = "earthdata"
