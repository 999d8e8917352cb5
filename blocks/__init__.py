"""Credentials as Prefect blocks: a block is configuration only, and makes a client on request."""

from blocks.earthdata import EarthdataCredentials
from blocks.http import HttpCredentials
from blocks.oauth2 import OAuth2Credentials
from blocks.planetary_computer import PlanetaryComputerCredentials
from blocks.references import BlockReference, ref
from blocks.s3 import S3Credentials

__all__ = [
    "BlockReference",
    "EarthdataCredentials",
    "HttpCredentials",
    "OAuth2Credentials",
    "PlanetaryComputerCredentials",
    "S3Credentials",
    "ref",
]
