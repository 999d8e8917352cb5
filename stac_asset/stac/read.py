"""Read documents through the clients of a run.

All remote STAC documents are read here, except the pages of STAC APIs
(`stac_asset.mirror.sources.api_io`) and large item collections, which are downloaded to a file.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any

from stac_asset.config import Config
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path, parse_href, stripped_href
from stac_asset.redact import redact_href, unsigned_href
from stac_asset.stac.api_request import ApiRequest
from stac_asset.stac.compression import MAX_DOCUMENT, decompressed
from stac_asset.stac.json_text import loads
from stac_asset.stac.next_page import PageChain, PageFacts, has_next
from stac_asset.stac.parse import Stac, item_collection_of, kind_of, stac_of
from stac_asset.stac.unreadable import unreadable_text
from stac_asset.transfer.interface import Response, Sources
from stac_asset.transfer.retry import retry

_MAX_ATTEMPTS = 3
"""Maximum number of attempts for a document that is required to start a run."""


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A JSON document, with the href that it was read from."""

    content: Any = field(repr=False)
    """The parsed document, of any type. Hidden from `repr`, because hrefs may be signed."""

    href: str = field(repr=False)
    """The href after redirects, which resolves relative hrefs. A local path is absolute."""

    validator: str | None = None
    """The version that the source reports, such as an ETag. Local files have no version."""


async def read_stac(href: str, clients: Sources, config: Config, follow_next: bool = True) -> Stac:
    """Read an item, a collection or an item collection.

    The self href of an item or collection becomes the href that the document was read from, after
    redirects. The items of an item collection keep their own self hrefs, except local self hrefs
    in a remote document. By default, only documents from local sources may reference local files.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.
        follow_next: Read all pages of an item collection. Otherwise, read only the first page.

    Raises:
        SourceError: The document cannot be read, or is not valid JSON or valid STAC.
    """
    href = stripped_href(href)
    name = redact_href(href)
    found = await read_json(href, clients, config, _MAX_ATTEMPTS)
    if follow_next:
        return await read_pages(found.content, found.href, name, clients, config)
    return stac_of(found.content, found.href, name)


async def read_pages(
    content: Any, base: str | None, name: str, clients: Sources, config: Config
) -> Stac:
    """Return the STAC object of a document. An item collection contains the items of all pages.

    Args:
        content: The parsed document, of any type. For an item collection, this is the first page.
        base: The href that the document was read from, if known.
        name: Name of the document in errors.
        clients: The clients of the run.
        config: Retries and timeouts.

    Raises:
        SourceError: The document is not valid STAC, or a further page cannot be read.
    """
    is_collection = kind_of(content) == "FeatureCollection"
    if not is_collection or not has_next(content.get("links")):
        return stac_of(content, base, name)
    pages, chain = [(content, base)], PageChain(name)
    while True:
        content, base = pages[-1]
        is_page = kind_of(content) == "FeatureCollection"
        features = content.get("features") if is_page else None
        if not isinstance(features, list):
            raise SourceError(f"Page {len(pages)} of '{name}' is not an item collection.")
        request = chain.next_request(content.get("links"), PageFacts(features), base)
        if request is None:
            return item_collection_of(pages, name)
        page = await _read_json(request, clients, config, _MAX_ATTEMPTS)
        pages.append((page.content, page.href))


async def read_json(
    href: str,
    clients: Sources,
    config: Config,
    max_attempts: int | None = None,
    max_size: int | None = None,
) -> JsonDocument:
    """Return a JSON document. Compressed documents are decompressed.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.
        max_attempts: Maximum number of attempts, if lower than `Config.http_max_attempts`.
        max_size: Maximum size of the document, in bytes. Default: no limit, except for compressed
            documents.

    Raises:
        SourceError: The document cannot be read, is too large, or is not JSON.
    """
    return await _read_json(
        ApiRequest(stripped_href(href)), clients, config, max_attempts, max_size
    )


async def _read_json(
    request: ApiRequest,
    clients: Sources,
    config: Config,
    max_attempts: int | None,
    max_size: int | None = None,
) -> JsonDocument:
    href = request.href
    shown = redact_href(href)
    try:
        found = await _read(request, clients, config, max_attempts, max_size)
    except StacAssetError as error:
        if text := directory_text(href):
            raise SourceError(text) from None
        raise SourceError(unreadable_text(shown, error)) from error
    try:
        content = loads(decompressed(found.data, found.encoding, max_size or MAX_DOCUMENT), shown)
    except ValueError as error:
        raise SourceError(f"'{shown}' is not valid JSON: {error}") from None
    return JsonDocument(content, found.href, None if is_local(href) else found.validator)


def directory_text(href: str) -> str | None:
    """Return the text of the error for a directory in place of a document.

    Args:
        href: A URL or a local path.

    Returns:
        The text, or None if the href is not a local directory.
    """
    if not is_local(href) or not os.path.isdir(path := local_path(href)):  # No OSError.
        return None
    first = min((one.name for one in path.glob("*.json")), default=None)
    example = f", such as '{path / first}'" if first else ""
    return (
        f"'{path}' is a directory, not a STAC document. Give the path of a document in the "
        f"directory{example}. `stac-asset verify` checks the files of a directory."
    )


async def read_document(href: str, clients: Sources, config: Config) -> tuple[bytes, str]:
    """Return the uncompressed bytes of a document, and the href that resolves relative hrefs.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.

    Raises:
        StacAssetError: The document cannot be read.
        SourceError: The document is compressed, and cannot be decompressed.
    """
    href = stripped_href(href)
    found = await _read(ApiRequest(href), clients, config, _MAX_ATTEMPTS)
    try:
        return decompressed(found.data, found.encoding), found.href
    except ValueError as error:
        raise SourceError(f"'{redact_href(href)}' cannot be decompressed: {error}") from None


async def read_bytes(href: str, clients: Sources, config: Config) -> bytes:
    """Return the bytes of an href, as the source stores them.

    Args:
        href: A URL or a local path.
        clients: The clients of the run.
        config: Retries and timeouts.

    Raises:
        StacAssetError: The href cannot be read.
    """
    return (await _read(ApiRequest(stripped_href(href)), clients, config, _MAX_ATTEMPTS)).data


def document_href(href: str, response: Response) -> str:
    """Return the href that resolves the relative hrefs of a document.

    Args:
        href: The requested href.
        response: The response with the document.

    Returns:
        The URL after redirects, or an absolute path. The query of another origin is left out,
        because the query may be a signature.
    """
    if is_local(href):
        return str(local_path(href).absolute())
    url, requested = response.url, parse_href(href)
    # Clients sign URLs, so a URL that differs only in its query is not redirected.
    if url is None or url.with_query(None) == requested.with_query(None).with_fragment(None):
        return href
    is_same_origin = url.origin() == requested.origin()
    return unsigned_href(str(url if is_same_origin else url.with_query(None)))


@dataclass(frozen=True, slots=True)
class _ReceivedDocument:
    data: bytes
    href: str
    validator: str | None
    encoding: str | None


async def _read(
    request: ApiRequest,
    clients: Sources,
    config: Config,
    max_attempts: int | None,
    max_size: int | None = None,
) -> _ReceivedDocument:
    href = request.href

    async def attempt() -> _ReceivedDocument:
        with mapped_errors(href):
            client = await clients.client_of(parse_href(href))
            async with (
                asyncio.timeout(config.http_client_timeout),
                client.fetch(request.for_client(client)) as response,
            ):
                chunks, size = [], 0
                async for chunk in response.chunks:
                    size += len(chunk)
                    if max_size is not None and size > max_size:
                        raise SourceError(f"the document is larger than {max_size:,} bytes")
                    chunks.append(chunk)
                found = document_href(href, response)
                return _ReceivedDocument(
                    b"".join(chunks), found, response.validator, response.encoding
                )

    return await retry(attempt, config, max_attempts=max_attempts)
