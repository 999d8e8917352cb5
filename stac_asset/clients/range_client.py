"""Base class of clients that can start at an offset of a file, such as the HTTP client."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from yarl import URL

from stac_asset.clients.base import Client
from stac_asset.errors import RangeError
from stac_asset.messages import OpenUrl
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Request, Response, Stat
from stac_asset.types import MessageQueue


class RangeClient(Client):
    """A client that can start at an offset of a file, so that downloads can be resumed.

    Subclasses implement `fetch` and `stat`; `open_url` calls `fetch`. If a subclass overrides
    `open_url` but not `fetch`, then `fetch` and `stat` call `open_url`, as in `Client`.
    """

    _ranged_fetch: ClassVar[Callable[[Any, Request], AbstractAsyncContextManager[Response]]]
    """The `fetch` of the nearest class that defines `fetch`.

    `open_url` calls this function, because `fetch` itself calls `open_url` if a subclass overrides
    `open_url`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make `fetch` and `stat` of a subclass use an overridden `open_url`."""
        super().__init_subclass__(**kwargs)
        if "fetch" in vars(cls):
            cls._ranged_fetch = cls.fetch
        elif "open_url" in vars(cls):
            cls.fetch = Client.fetch  # type: ignore[method-assign]
            cls.stat = Client.stat  # type: ignore[method-assign]

    @abstractmethod
    def fetch(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Open a file at the request's offset.

        Args:
            request: The file and the requested bytes.

        Returns:
            A context manager of the response. Leaving the context ends the transfer.
        """

    @abstractmethod
    async def stat(self, request: Request) -> Stat:
        """Return the size and the content type that the source reports for a file.

        If the file does not exist, this method raises the same errors as `fetch`.

        Args:
            request: The file.
        """

    async def open_url(
        self,
        url: URL,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> AsyncIterator[bytes]:
        """Open a URL and yield the bytes of the file.

        Args:
            url: The URL of the file.
            content_type: The expected content type.
            messages: An optional queue to use for progress reporting.
            stream: If False, the whole file is read before the first bytes are yielded.

        Yields:
            bytes: A chunk of the file.

        Raises:
            TransferError: The file cannot be read.
        """
        async with type(self)._ranged_fetch(self, Request(url, content_type)) as response:
            if response.end not in (None, response.size):
                raise RangeError(
                    f"{redact_href(url)}: the server sent only a part of the file, although the "
                    "whole file was requested"
                )
            if messages is not None:
                shown = URL(redact_href(url).removesuffix("?…"), encoded=True)
                await messages.put(OpenUrl(url=shown, size=response.size))
            if stream is False:
                yield b"".join([chunk async for chunk in response.chunks])
                return
            async for chunk in response.chunks:
                yield bytes(chunk)
