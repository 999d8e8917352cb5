"""Read documents through the clients of a run.

All remote STAC documents are read here, except the pages of STAC APIs
(`stac_asset.mirror.sources.api_io`) and large item collections, which are downloaded to a file.
"""

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
"""Maximum number of attempts for a document that is required to start a run."""


async def read_stac(href: str, clients: Sources, config: Config) -> Stac:
    """Read an item, a collection or an item collection.

    The self href of an item or collection becomes the href that the document was read from. The
    items of an item collection keep their own self hrefs, except local self hrefs in a remote
    document. By default, only documents from local sources may reference local files.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.

    Raises:
        SourceError: The document cannot be read, or is not valid JSON or valid STAC.
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
    """Return a JSON object, and the version that the source reports.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.

    Returns:
        The object, and a version such as an ETag. Local files have no version.

    Raises:
        StacAssetError: The document cannot be read, or is not a JSON object.
    """
    data, validator = await _read(href, clients, config)
    document = _parse(href, data)
    if not isinstance(document, dict):
        raise SourceError(f"'{redact_href(href)}' is not a JSON object")
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
        raise SourceError(f"'{redact_href(href)}' is not valid JSON: {error}") from None
