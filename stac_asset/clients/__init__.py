"""Clients, which open the URLs of assets. Each provider has a folder.

The clients of providers are imported on first use, because most runs need only one of them.
"""

from typing import TYPE_CHECKING

import lazy_loader

from stac_asset.clients.base import Client
from stac_asset.clients.filesystem import FilesystemClient
from stac_asset.clients.http.client import HttpClient
from stac_asset.clients.range_client import RangeClient
from stac_asset.clients.registry import Clients, get_client_classes
from stac_asset.transfer.interface import Request, Response, Stat

if TYPE_CHECKING:
    from stac_asset.clients.earthdata.client import EarthdataClient
    from stac_asset.clients.object_store.client import AzureClient, GcsClient
    from stac_asset.clients.planetary_computer.client import PlanetaryComputerClient
    from stac_asset.clients.s3.client import S3Client

__getattr__, _, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "earthdata.client": ["EarthdataClient"],
        "object_store.client": ["AzureClient", "GcsClient"],
        "planetary_computer.client": ["PlanetaryComputerClient"],
        "s3.client": ["S3Client"],
    },
)

__all__ = [
    "AzureClient",
    "Client",
    "Clients",
    "EarthdataClient",
    "FilesystemClient",
    "GcsClient",
    "HttpClient",
    "PlanetaryComputerClient",
    "RangeClient",
    "Request",
    "Response",
    "S3Client",
    "Stat",
    "get_client_classes",
]
