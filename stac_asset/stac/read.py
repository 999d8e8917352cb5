"""Reads documents through the clients of a run. All documents of remote sources are read here."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from stac_asset.config import Config
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path, parse_href
from stac_asset.redact import redact_href
from stac_asset.stac.parse import Stac, stac_of
from stac_asset.transfer.interface import Request, Sources
from stac_asset.transfer.retry import retry

_MAX_ATTEMPTS = 3
"""Maximum number of attempts for a document without which a run cannot start."""


async def read_stac(href: str, clients: Sources, config: Config) -> Stac:
    """Read an item, a collection or an item collection.

    Its self href becomes the href that it was read from, whatever the document declares. Whether
    the source is local or remote decides which files the document may reference.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.

    Raises:
        SourceError: The document cannot be read, or is not JSON or STAC.
    """
    try:
        data, _ = await _read(href, clients, config, _MAX_ATTEMPTS)
    except StacAssetError as error:
        raise SourceError(f"'{redact_href(href)}' cannot be read: {error}") from error
    base = str(local_path(href).absolute()) if is_local(href) else href
    return stac_of(_parse(href, data), base, redact_href(href))


async def read_bytes(href: str, clients: Sources, config: Config) -> bytes:
    """Return the bytes of an href.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.

    Raises:
        StacAssetError: The href cannot be read.
    """
    data, _ = await _read(href, clients, config, _MAX_ATTEMPTS)
    return data


async def read_object(
    href: str, clients: Sources, config: Config
) -> tuple[dict[str, Any], str | None]:
    """Return a JSON object and its version.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.

    Returns:
        The object, and the source's name for its version, such as an ETag. Local files have none.

    Raises:
        StacAssetError: The document cannot be read, or is not a JSON object.
    """
    data, validator = await _read(href, clients, config)
    document = _parse(href, data)
    if not isinstance(document, dict):
        raise SourceError(f"'{redact_href(href)}' is no JSON object")
    return document, None if is_local(href) else validator


async def _read(
    href: str, clients: Sources, config: Config, max_attempts: int | None = None
) -> tuple[bytes, str | None]:
    async def attempt() -> tuple[bytes, str | None]:
        with mapped_errors(href):
            url = parse_href(href)
            client = await clients.client_of(url)
            async with (
                asyncio.timeout(config.http_client_timeout),
                client.fetch(Request(url)) as response,
            ):
                chunks = [chunk async for chunk in response.chunks]
                return b"".join(chunks), response.validator

    return await retry(attempt, config, max_attempts=max_attempts)


def _parse(href: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"'{redact_href(href)}' is no JSON: {error}") from None
