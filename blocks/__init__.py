"""Credentials as Prefect blocks: a block is configuration only, and makes a client on request."""

from blocks.oauth2 import OAuth2Credentials
from blocks.s3 import S3Credentials
from prefect_stac_asset.blocks.earthdata import EarthdataCredentials
from prefect_stac_asset.blocks.http import HttpCredentials
from prefect_stac_asset.blocks.planetary_computer import PlanetaryComputerCredentials
from prefect_stac_asset.blocks.references import BlockReference, ref

__all__ = [
    "BlockReference",
    "EarthdataCredentials",
    "HttpCredentials",
    "OAuth2Credentials",
    "PlanetaryComputerCredentials",
    "S3Credentials",
    "ref",
]
