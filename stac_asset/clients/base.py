"""Base class of clients, which claim and open URLs.

The engine calls `Client.fetch` and `Client.probe`. There are two ways to write a client:

- A simple client implements `open_url` only. Downloads with this client cannot be resumed.
- A client that can start at an offset derives from `RangeClient` (`range_client.py`) and implements
  `fetch` and `stat`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from yarl import URL

from stac_asset.clients.route_table import route
from stac_asset.config import Config
from stac_asset.destinations import LocalDestinations
from stac_asset.destinations.directories import directory_path
from stac_asset.destinations.store_copy import CopyTarget, StoredSource
from stac_asset.errors import AccessError, CredentialError, NotFoundError, TokenError
from stac_asset.hrefs import parse_href
from stac_asset.redact import redact_href
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.interface import Request, Response, Stat
from stac_asset.types import (
    Candidate,
    Failed,
    MessageQueue,
    PathLikeObject,
    Storage,
    Transfer,
)

_UNNAMED = nullcontext()


class Client(ABC):
    """An abstract base class for all clients."""

    name: ClassVar[str] = ""
    """Name of the client in `Config.client_override`, logs and plans."""

    sends_bodies: bool = False
    """Whether the client sends the body and the headers of a request, for pages of a search."""

    made_from: Config | None = None
    """Configuration that the client was created from. `download_href` uses this configuration."""

    credentials: str | None = None
    """Name of the credentials for access errors, such as `block 's3-credentials/mine'`."""

    credentials_host: str | None = None
    """Host that receives the credentials, if different from the host of the hrefs."""

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Create a client using the provided configuration.

        This method is a coroutine, because some clients await I/O during their creation.

        Args:
            config: The configuration.

        Returns:
            A new client.
        """
        client = cls()
        client.made_from = config.copy()
        return client

    def claims(self, url: URL) -> bool:
        """Return whether this client opens a URL.

        Clients that the caller passes are asked before all others. By default, a client claims the
        URLs that `route_table` assigns to its name. Override this method in your own clients: the
        table has no rows for them.

        Args:
            url: An absolute URL, or a URL without a scheme for a local path.
        """
        return bool(self.name) and route(url) == self.name

    async def secrets(self, url: URL) -> dict[str, str]:
        """Return the headers with this client's secrets for a URL.

        Use this method for requests that are not made by the client itself, such as searches of a
        STAC API.

        Args:
            url: The URL. Send the headers to the origin of this URL only.
        """
        return {}

    def naming_credentials(self, url: URL) -> AbstractContextManager[None]:
        """Add the name of the credentials to access errors.

        Args:
            url: The URL of the request.

        Returns:
            A context manager.

        Raises:
            CredentialError: The server rejects the credentials, or issues no token for them.
        """
        return _UNNAMED if self.credentials is None else self._naming_credentials(url)

    @contextmanager
    def _naming_credentials(self, url: URL) -> Iterator[None]:
        try:
            yield
        except AccessError as error:
            if isinstance(error, CredentialError):
                raise
            host = self.credentials_host or url.host_port_subcomponent or url.raw_host
            failure = "received no token for" if isinstance(error, TokenError) else "was refused by"
            named = CredentialError(f"{self.credentials} {failure} {host}: {error.message}")
            named.transient, named.retry_after = error.transient, error.retry_after
            named.may_be_limit = error.may_be_limit
        else:
            return
        raise named

    @abstractmethod
    def open_url(
        self,
        url: URL,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> AsyncIterator[bytes]:
        """Open a URL and yield the bytes of the file.

        This is the core method that all clients must implement.

        Args:
            url: The URL of the file.
            content_type: The expected content type. The implementation checks the content type.
            messages: An optional queue to use for progress reporting.
            stream: If False, the whole file is read before the first bytes are yielded.

        Yields:
            bytes: A chunk of the file.
        """

    def fetch(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Open a file, at the request's offset if the source supports offsets.

        The default implementation calls `open_url` and starts at the first byte.

        Args:
            request: The file and the requested bytes.

        Returns:
            A context manager of the response. Leaving the context ends the transfer.
        """
        return self._fetch_whole(request)

    @asynccontextmanager
    async def _fetch_whole(self, request: Request) -> AsyncIterator[Response]:
        chunks = self.open_url(request.url, content_type=request.content_type)
        try:
            yield Response(chunks)
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    async def stored_source(self, request: Request, target: CopyTarget) -> StoredSource | None:
        """Return the object of a request, if the store of the destination can copy the object.

        The default implementation returns None, so that the file is downloaded.

        Args:
            request: The file.
            target: Returns the store of the destination, if any.
        """
        return None

    async def check(self, request: Request) -> None:  # noqa: B027 - optional for subclasses
        """Check that this client has the credentials for a file, before the file is requested.

        Args:
            request: The file.

        Raises:
            MissingCredentialError: The file requires credentials, and the client has none.
        """

    async def stat(self, request: Request) -> Stat:
        """Return the size and the content type that the source reports for a file.

        If the file does not exist, this method raises the same errors as `fetch`. The default
        implementation opens the file, reads one chunk and returns the size only.

        Args:
            request: The file.
        """
        async with self.fetch(request) as response:
            async for _ in response.chunks:
                break
            return Stat(size=response.size)

    async def probe(
        self, href: str, content_type: str | None = None, storage: Storage | None = None
    ) -> Stat:
        """Return the metadata that the source reports for a file, without a download.

        This is the only existence check of the library, the command line, the tasks and the flows.
        It calls `assert_href_exists` or `href_exists` if a subclass overrides one of them, and
        `stat` otherwise.

        Args:
            href: The href of the file.
            content_type: The media type to expect, if any.
            storage: The asset's storage extension fields, if any.

        Raises:
            StacAssetError: The file does not exist, or the request failed.
        """
        kind = type(self)
        if kind.assert_href_exists is not Client.assert_href_exists:
            await self.assert_href_exists(href)
        elif kind.href_exists is not Client.href_exists:
            if not await self.href_exists(href):
                name = self.name or kind.__name__
                raise NotFoundError(
                    f"{redact_href(href)} does not exist according to client '{name}'"
                )
        else:
            return await self.stat(Request(parse_href(href), content_type, storage=storage))
        return Stat()

    async def open_href(
        self,
        href: str,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> AsyncIterator[bytes]:
        """Open an href and yield the bytes of the file.

        Args:
            href: The href of the file.
            content_type: The expected content type.
            messages: An optional queue to use for progress reporting.
            stream: If False, the whole file is read before the first bytes are yielded.

        Yields:
            bytes: A chunk of the file.
        """
        # `stream` is passed only if set, because `open_url` of a custom client may not accept it.
        options = {} if stream is None else {"stream": stream}
        chunks = self.open_url(
            parse_href(href), content_type=content_type, messages=messages, **options
        )
        async for chunk in chunks:
            yield chunk

    async def download_href(
        self,
        href: str,
        path: PathLikeObject,
        clean: bool = True,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> None:
        """Download a file to the local filesystem.

        The file appears at `path` only when complete, and replaces an existing file. Retries and
        timeouts follow the configuration that the client was created from.

        Args:
            href: The href of the file.
            path: The output file path.
            clean: If an error occurs, delete the part file even if it could be resumed.
            content_type: The expected content type.
            messages: An optional queue to use for progress reporting.
            stream: If False, the whole file is read before the first bytes are written.
        """
        await download_with(
            self, href, Path(path), clean, content_type, messages=messages, stream=stream
        )

    async def href_exists(self, href: str) -> bool:
        """Return whether an href exists. Any error counts as False.

        Args:
            href: The href to check.

        Returns:
            Whether the href exists.
        """
        try:
            await self.assert_href_exists(href)
        except Exception:
            return False
        return True

    async def assert_href_exists(self, href: str) -> None:
        """Check that an href exists.

        Args:
            href: The href to check.

        Raises:
            Exception: The underlying error when trying to open the file.
        """
        await self.stat(Request(parse_href(href)))

    async def close(self) -> None:  # noqa: B027 - optional for subclasses
        """Close this client."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()


@dataclass(frozen=True, slots=True)
class _OneClient:
    """A registry of clients that returns the same client for every URL."""

    client: Client

    async def client_of(self, url: URL) -> Client:
        return self.client


async def download_with(
    client: Client,
    href: str,
    path: Path,
    clean: bool,
    content_type: str | None,
    messages: MessageQueue | None = None,
    stream: bool | None = None,
) -> None:
    """Download an href with the given client, and replace an existing file.

    Args:
        client: The client. It is used even if it does not claim the href, and stays open.
        href: The href of the file.
        path: The output file path.
        clean: If an error occurs, delete the part file even if it could be resumed.
        content_type: The expected media type.
        messages: An optional queue for progress messages.
        stream: If False, the whole file is read before the first bytes are written.

    Raises:
        StacAssetError: The download failed.
    """
    path = directory_path(path, "path")
    config = (client.made_from or Config()).copy()
    config.overwrite, config.clean = True, clean
    destinations = LocalDestinations(fsync=config.fsync)
    engine = Engine(_OneClient(client), config, destinations, messages, stream=stream)
    transfer = Transfer(
        "", path.name, (Candidate(href, str(path)),), str(path.parent), content_type=content_type
    )
    outcome = await engine.download(transfer)
    if isinstance(outcome, Failed):
        raise outcome.error
