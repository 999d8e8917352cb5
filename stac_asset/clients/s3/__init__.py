"""Client for S3 and S3-compatible services, with connections, errors and AWS identities."""

from stac_asset.clients.s3.client import S3Client
from stac_asset.clients.s3.identity import S3Identity

__all__ = ["S3Client", "S3Identity"]
