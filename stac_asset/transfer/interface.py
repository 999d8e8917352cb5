"""The interface of clients: requests, responses, and the protocols `Source` and `Sources`.

Clients implement `Source`, and the registry of clients implements `Sources`. The engine imports no
client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from yarl import URL

from stac_asset.destinations.store_copy import CopyTarget, StoredSource
from stac_asset.pipes import Chunk
from stac_asset.types import Storage


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the engine for a file or a byte range."""

    url: URL = field(repr=False)
    """The URL. `repr` omits the URL, because it may be signed."""

    content_type: str | None = None
    """The media type that the asset declares."""

    offset: int = 0
    """Position of the first requested byte."""

    validator: str | None = None
    """The version of the bytes before the offset. A response with another version starts at 0."""

    storage: Storage | None = None
    """The object store of the asset, if the item declares the store."""

    end: int | None = None
    """Position after the last requested byte. Set only together with `validator`."""

    watched: bool = False
    """Whether the caller ends stalled responses, so that the client needs no read timeout."""

    body: bytes | None = field(default=None, repr=False)
    """JSON text to send by POST, for pages of a search. Without it, the client sends a GET request.

    Only clients with `sends_bodies` receive such requests."""

    headers: Mapping[str, str] | None = field(default=None, repr=False)
    """Headers that a link between pages requires. They are sent to the origin of the URL only."""

    accepts_views: bool = False
    """Whether the client may yield a `memoryview` of memory that the next chunk overwrites."""


@dataclass(slots=True)
class Response:
    """The response of a client to a request."""

    chunks: AsyncIterator[bytes | memoryview]
    """The bytes as the source stores them, never decompressed.

    A `memoryview` is valid until the next chunk is requested. Clients yield memoryviews only if the
    request has `accepts_views`.
    """

    offset: int = 0
    """Position of the first byte: the offset of the request, or 0 to start over."""

    size: int | None = None
    """Size of the complete file in bytes, if reported."""

    validator: str | None = None
    """The identifier of this version, such as an ETag, if the source supports range requests."""

    ranges: bool = False
    """Whether other ranges can be requested at the same time, by requests with an `end`."""

    end: int | None = None
    """Position after the last byte, if the source sends only a part of the file."""

    url: URL | None = field(default=None, repr=False)
    """The URL of the response after all redirects, if reported."""

    encoding: str | None = None
    """The compression that the source declares for the bytes, such as `gzip`, if any."""

    wait: float | None = None
    """Seconds without a further request that the source asks for, if any."""

    content_type: str | None = None
    """The media type that the source declares for the bytes, if any."""

    ends_with_connection: bool = False
    """Whether only the end of the connection ends the bytes, so that missing bytes go unnoticed."""

    piped_chunks: AsyncIterator[Chunk] | None = None
    """The same bytes as `chunks`, some of them in pipes, if the client can receive into pipes.

    The engine reads them in place of `chunks` if the upload accepts pipes.
    """


@dataclass(frozen=True, slots=True)
class Stat:
    """The facts that a source reports about a file without sending the file."""

    size: int | None = None
    """Size in bytes, if reported."""

    content_type: str | None = None
    """The media type, if reported."""


class Source(Protocol):
    """The part of a client that the engine uses."""

    @property
    def name(self) -> str:
        """The name of the client, for plans and messages."""

    @property
    def sends_bodies(self) -> bool:
        """Whether the client sends the body and the headers of a request."""

    def fetch(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Open a file at the requested offset.

        Args:
            request: The file, and the range of bytes.

        Returns:
            A context manager of the response. Leaving it ends the transfer.
        """

    async def probe(
        self, href: str, content_type: str | None = None, storage: Storage | None = None
    ) -> Stat:
        """Return the facts that the source reports about a file, without a download.

        Args:
            href: The href of the file.
            content_type: The media type to expect, if any.
            storage: The storage extension's fields of the asset, if any.

        Raises:
            StacAssetError: The file does not exist, or the source did not answer.
        """

    async def stored_source(self, request: Request, target: CopyTarget) -> StoredSource | None:
        """Return the object of a request, if the store of the destination can copy the object.

        Args:
            request: The file.
            target: Returns the store of the destination, if any.
        """


class Sources(Protocol):
    """The part of a registry of clients that the engine uses."""

    async def client_of(self, url: URL) -> Source:
        """Return the client that claims a URL.

        Args:
            url: The URL.

        Raises:
            SchemeError: No client claims the URL.
        """
