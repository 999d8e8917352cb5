"""Client for `data:` URLs, whose href contains the file itself."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote_to_bytes

from yarl import URL

from stac_asset.clients.range_client import RangeClient
from stac_asset.errors import HrefError, SchemeError
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Request, Response, Stat

_WHITE_SPACE = re.compile(rb"\s+")
_BASE64_EXTENSION = re.compile(r";\s*base64\s*$", re.IGNORECASE)


class DataClient(RangeClient):
    """A client that decodes `data:` URLs.

    Source: https://datatracker.ietf.org/doc/html/rfc2397
    """

    name = "data"

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Decode a URL.

        Args:
            request: The file.

        Raises:
            SchemeError: The URL has another scheme.
            HrefError: The URL has no data, or its data is not valid base64.
        """
        _, data = decode(request.url)
        yield Response(_chunks(data), size=len(data))

    async def stat(self, request: Request) -> Stat:
        """Return the size and the media type of a file.

        Args:
            request: The file.
        """
        media_type, data = decode(request.url)
        return Stat(len(data), media_type)


def decode(url: URL) -> tuple[str, bytes]:
    """Return the media type and the bytes of a `data:` URL.

    The bytes are not converted to another character set.

    Args:
        url: The URL, as returned by `parse_href`.

    Raises:
        SchemeError: The URL has another scheme.
        HrefError: The URL has no data, or its data is not valid base64.
    """
    if url.scheme != "data":
        raise SchemeError(f"'{redact_href(url)}' is not a data URL: its scheme is '{url.scheme}'")
    header, comma, encoded = url.raw_path.partition(",")
    if not comma:
        raise HrefError(f"href '{redact_href(url)}' has no comma before its data")
    data = unquote_to_bytes(encoded)
    media_type = header.partition(";")[0].strip()
    if _BASE64_EXTENSION.search(header):
        data = _WHITE_SPACE.sub(b"", data).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        try:
            data = base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
        except binascii.Error:
            raise HrefError(f"the data of href '{redact_href(url)}' is not valid base64") from None
    return media_type or "text/plain", data


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data
