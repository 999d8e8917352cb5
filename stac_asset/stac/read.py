"""TODO."""

from __future__ import annotations

import asyncio
import json

from stac_asset.config import Config
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path, parse_href
from stac_asset.redact import redact_href
from stac_asset.stac.parse import Stac, stac_of
from stac_asset.transfer.interface import Request, Sources
from stac_asset.transfer.retry import retrying

_ATTEMPTS = 3
"""A document that cannot be read ends a run, and somebody may be waiting to hear it."""


async def read_stac(href: str, clients: Sources, config: Config) -> Stac:
    """Reads an item, a collection or an item collection.

    Its self href is where it was read from, whatever the document says of itself: what is local
    and what is remote decides which files it may name.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: How often to try.

    Raises:
        SourceError: It cannot be read, is no JSON, or is no STAC.
    """
    try:
        data = await read_bytes(href, clients, config)
    except StacAssetError as error:
        raise SourceError(f"'{redact_href(href)}' cannot be read: {error}") from error
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"'{redact_href(href)}' is no JSON: {error}") from None
    base = str(local_path(href).absolute()) if is_local(href) else href
    return stac_of(document, base, redact_href(href))


async def read_bytes(href: str, clients: Sources, config: Config) -> bytes:
    """Returns the bytes of an href.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: How often to try, and how long.

    Raises:
        StacAssetError: It cannot be read.
    """
    async for attempt in retrying(config, _ATTEMPTS):
        with attempt, mapped_errors(href):
            client = await clients.client_of(parse_href(href))
            async with (
                asyncio.timeout(config.http_client_timeout),
                client.fetch(Request(parse_href(href))) as response,
            ):
                data = b"".join([chunk async for chunk in response.chunks])
    return data
