"""Internal: save an item collection with all its pages to files, and read the items.

Memory does not grow with the number of items or pages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from yarl import URL

from stac_asset.concurrency import in_thread
from stac_asset.config import Config
from stac_asset.destinations import LocalDestinations
from stac_asset.destinations.store_copy import CopyTarget, StoredSource
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path, parse_href
from stac_asset.redact import redact_href
from stac_asset.stac.api_request import ApiRequest
from stac_asset.stac.compression import decompressed, open_decompressed
from stac_asset.stac.item_files import Reading, is_item_stream, item_suffix, read_items
from stac_asset.stac.item_stream import ItemStream
from stac_asset.stac.next_page import PageChain, PageFacts
from stac_asset.stac.read import document_href
from stac_asset.stac.unreadable import unreadable_text
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.interface import Request, Response, Source, Sources, Stat
from stac_asset.types import Candidate, Failed, Storage, Transfer

_MAX_ATTEMPTS = 3
"""Maximum number of attempts for a page."""

_CHUNK = 1024 * 1024
"""Number of bytes per read."""


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of an item collection in a local file."""

    path: Path
    """The local file."""

    base: str | None
    """The href of the page after redirects, to resolve relative hrefs. JSON text has no href."""


@dataclass(slots=True)
class ItemPages:
    """An item collection in local files. Each iteration reads the files again."""

    name: str
    """Name of the item collection in errors."""

    pages: list[ItemPage]
    """The pages, in order."""

    is_endless: bool = False
    """Whether the last pages are empty and link to further pages, which were not read."""

    error: SourceError | None = None
    """Reason why further pages were not read, if any."""

    reading: Reading = field(default_factory=Reading)
    """Facts about the last iteration over the items."""

    def documents(self) -> Iterator[tuple[Any, str | None]]:
        """Yield the document of each item, of any shape, with the href of its page.

        A line of newline-delimited JSON that is not JSON is yielded as an `UnreadableItem`.

        Raises:
            SourceError: A file cannot be read, or is not an item collection.
        """
        self.reading = Reading()
        for page in self.pages:
            for document in read_items(page.path, self.name, self.reading):
                yield document, page.base


async def open_item_pages(href: str, clients: Sources, config: Config, scratch: Path) -> ItemPages:
    """Return an item collection with all its pages. Remote files are downloaded first.

    Args:
        href: A URL or a local path. The suffix determines the format.
        clients: The clients of the run.
        config: Retries and timeouts.
        scratch: An empty directory for the downloaded files.

    Raises:
        StacAssetError: The first page cannot be read.
    """
    if is_local(href):
        path = local_path(href).absolute()
        first = ItemPage(path, str(path))
    else:
        path = scratch / f"source{_suffix(href)}"
        first = ItemPage(path, await _save_document(ApiRequest(href), path, clients, config))
    return await follow_pages(first, redact_href(href), clients, config, scratch)


async def follow_pages(
    first: ItemPage, name: str, clients: Sources, config: Config, scratch: Path
) -> ItemPages:
    """Return an item collection with the pages that follow the first page.

    Args:
        first: The first page. Documents of other types have no further pages.
        name: Name of the item collection in errors.
        clients: The clients of the run.
        config: Retries and timeouts.
        scratch: A directory for the downloaded pages.
    """
    found, chain = ItemPages(name, [first]), PageChain(name)
    try:
        while (request := await in_thread(_next_request, found.pages, chain)) is not None:
            path = scratch / f"page-{len(found.pages) + 1}.json"
            if is_local(request.href):
                path = local_path(request.href)
                found.pages.append(ItemPage(path, request.href))
            else:
                base = await _save_document(request, path, clients, config)
                found.pages.append(ItemPage(path, base))
        found.is_endless = chain.is_endless
    except StacAssetError as error:
        page = f"page {len(found.pages) + 1} of " if not isinstance(error, SourceError) else ""
        found.error = (
            error
            if isinstance(error, SourceError)
            else SourceError(f"Item collection: {page}{unreadable_text(name, error)}")
        )
    return found


def _next_request(pages: list[ItemPage], chain: PageChain) -> ApiRequest | None:
    """Return the request for the page after the last page, if any. An unreadable page is removed.

    Raises:
        SourceError: The page cannot be read, or the next page cannot be requested.
    """
    page, is_first = pages[-1], len(pages) == 1
    if is_item_stream(page.path.name) or (is_first and not _may_have_next(page.path)):
        return None
    try:
        with open_decompressed(page.path) as file:
            stream = ItemStream(file, chain.name)
            facts = PageFacts(stream)
    except (OSError, ValueError) as error:
        if is_first:
            return None  # Not an item collection, or not readable: the caller reports this.
        reason = error.strerror if isinstance(error, OSError) else error
        pages.pop()
        raise SourceError(
            f"Item collection '{chain.name}' cannot be read to the end: a page is not an item "
            f"collection: {reason}."
        ) from None
    return chain.next_request(stream.fields.get("links"), facts, page.base)


def _may_have_next(path: Path) -> bool:
    """Return whether a file may have a link `next`. A search for the word is fast."""
    try:
        with open_decompressed(path) as file:
            rest = b""
            while block := file.read(_CHUNK):
                if b"next" in rest + block or b"n\0e\0x\0t" in rest + block:
                    return True
                rest = block[-8:]
    except (OSError, ValueError):
        return False
    return False


async def _save_document(request: ApiRequest, path: Path, clients: Sources, config: Config) -> str:
    """Download a document to a file, and return the href that resolves relative hrefs.

    Raises:
        StacAssetError: The download failed.
    """
    config = config.copy()
    config.http_max_attempts = min(_MAX_ATTEMPTS, config.http_max_attempts)
    config.overwrite, config.write_checksums = True, False
    recorder = _Recorder(clients, request)
    transfer = Transfer("", path.name, (Candidate(request.href, str(path)),), str(path.parent))
    outcome = await Engine(recorder, config, LocalDestinations(fsync=False)).download(transfer)
    if isinstance(outcome, Failed):
        raise outcome.error
    if (recorder.encoding or "").lower() == "deflate":
        # The bytes do not tell this compression.
        path.write_bytes(decompressed(path.read_bytes(), recorder.encoding))
    return recorder.found


class _Recorder:
    """Clients that record the final address and the compression of a document.

    Args:
        clients: The clients of the run.
        request: The request for the document.
    """

    def __init__(self, clients: Sources, request: ApiRequest) -> None:
        self._clients = clients
        self.request = request
        self.found = request.href
        self.encoding: str | None = None

    async def client_of(self, url: URL) -> Source:
        return _RecordingSource(await self._clients.client_of(url), self)

    def record(self, response: Response) -> None:
        self.found = document_href(self.request.href, response)
        self.encoding = response.encoding


class _RecordingSource:
    def __init__(self, source: Source, recorder: _Recorder) -> None:
        self._source = source
        self._recorder = recorder

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def sends_bodies(self) -> bool:
        return self._source.sends_bodies

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        page = self._recorder.request.for_client(self._source)
        if page.body is not None or page.headers:
            request = replace(request, body=page.body, headers=page.headers)
        async with self._source.fetch(request) as response:
            self._recorder.record(response)
            response.encoding = None  # Documents are decompressed after the download.
            yield response

    async def probe(
        self, href: str, content_type: str | None = None, storage: Storage | None = None
    ) -> Stat:
        return await self._source.probe(href, content_type, storage)

    async def stored_source(self, request: Request, target: CopyTarget) -> StoredSource | None:
        return None


def _suffix(href: str) -> str:
    """Return the suffix of a URL that stands for a format, with `.gz`, if any."""
    path = parse_href(href).path
    compression = ".gz" if PurePosixPath(path).suffix.lower() == ".gz" else ""
    return item_suffix(path) + compression
