"""The Planetary Computer client and its SAS tokens."""

from stac_asset.clients.planetary_computer.client import PlanetaryComputerClient

__all__ = ["PlanetaryComputerClient"]
