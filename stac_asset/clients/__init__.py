"""Clients: what claims hrefs and opens them, one module a provider."""

from stac_asset.clients.base import Client, RangeClient, Request, Response, Stat
from stac_asset.clients.earthdata import EarthdataClient
from stac_asset.clients.filesystem import FilesystemClient
from stac_asset.clients.http import HttpClient
from stac_asset.clients.planetary_computer import PlanetaryComputerClient
from stac_asset.clients.routes import Clients, get_client_classes
from stac_asset.clients.s3 import S3Client

__all__ = [
    "Client",
    "Clients",
    "EarthdataClient",
    "FilesystemClient",
    "HttpClient",
    "PlanetaryComputerClient",
    "RangeClient",
    "Request",
    "Response",
    "S3Client",
    "Stat",
    "get_client_classes",
]
