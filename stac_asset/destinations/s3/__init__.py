"""Internal: a prefix of an S3 bucket as a destination."""

from stac_asset.destinations.s3.destination import S3Destination
from stac_asset.destinations.s3.direct import DirectConnection
from stac_asset.destinations.s3.objects import ObjectSettings
from stac_asset.destinations.s3.store import S3Store

__all__ = ["DirectConnection", "ObjectSettings", "S3Destination", "S3Store"]
