"""S3 buckets of moto and rclone, and S3 clients for these buckets and for origins with faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from stac_asset.clients import Request, S3Client
from stac_asset.hrefs import parse_href
from stac_asset.testing import Origin
from stac_asset.types import Storage

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN"
HREF = "s3://bucket/a.bin"


@dataclass
class MotoBucket:
    """A bucket of moto. Uploads use botocore."""

    endpoint: str
    client: Any
    name: ClassVar[str] = "my.bucket"

    def put(
        self, key: str, data: bytes, content_type: str | None = None, public: bool = True
    ) -> str:
        """Upload an object and return the href."""
        extra = {"ContentType": content_type} if content_type else {}
        extra |= {"ACL": "public-read"} if public else {}
        self.client.put_object(Bucket=self.name, Key=key, Body=data, **extra)
        return f"s3://{self.name}/{key}"


@dataclass
class RcloneBucket:
    """A bucket of rclone, which is a folder."""

    endpoint: str
    path: Path
    name: ClassVar[str] = "other.bucket"

    def put(self, key: str, data: bytes, content_type: str | None = None) -> str:
        """Write a file and return the href. The content type is ignored."""
        path = self.path / self.name / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"s3://{self.name}/{key}"


@asynccontextmanager
async def s3_client(
    endpoint: str | Origin | MotoBucket | RcloneBucket, **kwargs: Any
) -> AsyncIterator[S3Client]:
    """Open a client of an endpoint with a single attempt per request.

    Args:
        endpoint: The endpoint URL, or an object with an endpoint.
        kwargs: Further arguments of `S3Client`.
    """
    url = endpoint.url if isinstance(endpoint, Origin) else getattr(endpoint, "endpoint", endpoint)
    defaults = {"endpoint_url": url, "max_attempts": 1, "retry_mode": "standard"}
    async with S3Client(**{**defaults, **kwargs}) as client:
        yield client


async def fetch_object(
    client: S3Client, storage: Storage | None = None, **kwargs: Any
) -> tuple[int, bytes]:
    """Fetch `HREF` and return the offset and the body of the response.

    Args:
        client: The client.
        storage: Storage of the item.
        kwargs: Further arguments of `Request`.
    """
    async with client.fetch(Request(parse_href(HREF), storage=storage, **kwargs)) as response:
        return response.offset, b"".join([chunk async for chunk in response.chunks])


def record_created_clients(client: S3Client) -> list[str]:
    """Return a list to which each client that aiobotocore creates adds an entry."""
    created: list[str] = []
    client.session.register("creating-client-class.s3", lambda **_: created.append("s3"))
    return created


def error_body(code: str, details: str = "") -> bytes:
    """Return the body of an S3 error response."""
    return f"<?xml version='1.0'?><Error><Code>{code}</Code>{details}</Error>".encode()
