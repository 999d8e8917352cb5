"""NASA PlanetaryComputer."""

from stac_asset.clients.http import HttpClient


class PlanetaryComputerClient(HttpClient):
    """x"""

    name = "planetary-computer"
