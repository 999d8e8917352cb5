"""Client for Microsoft's Planetary Computer, and the SAS tokens for signed URLs."""

from stac_asset.clients.planetary_computer.client import PlanetaryComputerClient

__all__ = ["PlanetaryComputerClient"]
