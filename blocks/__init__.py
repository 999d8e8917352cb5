"""Prefect blocks for credentials. A block is configuration and creates a client on request."""

from prefect_stac_asset.blocks.earthdata import EarthdataCredentials
from prefect_stac_asset.blocks.http import HttpCredentials
from prefect_stac_asset.blocks.oauth2 import OAuth2Credentials
from prefect_stac_asset.blocks.planetary_computer import PlanetaryComputerCredentials
from prefect_stac_asset.blocks.references import BlockReference, ref
from prefect_stac_asset.blocks.s3 import S3Credentials

__all__ = [
    "BlockReference",
    "EarthdataCredentials",
    "HttpCredentials",
    "OAuth2Credentials",
    "PlanetaryComputerCredentials",
    "S3Credentials",
    "ref",
]
