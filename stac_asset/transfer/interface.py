"""What the engine asks of a client: requests, responses, and the protocols of both sides.

Clients implement these protocols. The engine imports no client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from yarl import URL

from stac_asset.types import Storage


@dataclass(frozen=True, slots=True)
class Request:
    """What the engine wants of a client."""

    url: URL = field(repr=False)
    """The url; it may be signed, so it is not shown."""

    content_type: str | None = None
    """The media type that the asset says."""

    offset: int = 0
    """The first byte wanted."""

    validator: str | None = None
    """The version that the bytes before the offset are of; another one has to start over."""

    storage: Storage | None = None
    """What the item says of the object store."""

    end: int | None = None
    """The first byte not wanted, if the file is fetched in pieces; the validator is known then."""

    watched: bool = False
    """Whether whoever asks ends the response itself when it is silent for too long."""


@dataclass(slots=True)
class Response:
    """What a client gives for a request."""

    chunks: AsyncIterator[bytes]
    """The bytes, as the source stores them: never decompressed."""

    offset: int = 0
    """The position of the first of these bytes: the request's offset, or 0 to start over."""

    size: int | None = None
    """Bytes of the whole file, if the source says."""

    validator: str | None = None
    """What the source calls this version, if a range can be asked of it later."""

    ranges: bool = False
    """Whether other ranges can be asked for at the same time, by requests with an `end`."""

    end: int | None = None
    """The first byte that will not come, where the source says that it sends only a part."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What a source says of a file without sending it."""

    size: int | None = None
    """Bytes, if the source says."""

    content_type: str | None = None
    """The media type, if the source says."""


class Source(Protocol):
    """A client, as the engine uses it."""

    @property
    def name(self) -> str:
        """The name of the client, for plans and messages."""

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
        """Return what the source reports about a file, without downloading it.

        Args:
            href: The href of the file.
            content_type: The media type to expect, if any.
            storage: The storage extension's fields of the asset, if any.

        Raises:
            StacAssetError: The file does not exist, or the source cannot be asked.
        """


class Sources(Protocol):
    """The clients of a run, as the engine uses them."""

    async def client_of(self, url: URL) -> Source:
        """Return the client that claims a URL.

        Args:
            url: The URL.

        Raises:
            SchemeError: No client claims the URL.
        """
