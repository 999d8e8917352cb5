"""S3."""

from stac_asset.clients.http import HttpClient


class S3Client(HttpClient):
    """x"""

    name = "s3"
