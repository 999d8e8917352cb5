"""What every client is: something that claims hrefs, and opens them.

The engine talks to clients through `Client.fetch` and `Client.stat`. Who writes a client needs
only `open_url`: the rest follows from it, without continuation of part files. A client that can
continue derives from `RangeClient` and writes `fetch` and `stat` instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from yarl import URL

from stac_asset.clients.route_table import route
from stac_asset.config import Config
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import AccessError, CredentialError, NotFoundError, RangeError, TokenError
from stac_asset.hrefs import parse_href
from stac_asset.messages import OpenUrl
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


class Client(ABC):
    """An abstract base class for all clients."""

    name: ClassVar[str] = ""
    """What the client is called in `Config.client_override`, logs and plans."""

    made_from: Config | None = None
    """The configuration that `from_config` was given: that of `download_href`."""

    credentials: str | None = None
    """Name of the credentials, such as `block 's3-credentials/mine'`. Access errors contain it."""

    credentials_host: str | None = None
    """Host that receives the credentials, if it is not the host of the hrefs."""

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Creates a client using the provided configuration.

        Needed because some client setups require async operations.

        Args:
            config: The configuration.

        Returns:
            A new client
        """
        client = cls()
        client.made_from = config.copy()
        return client

    def claims(self, url: URL) -> bool:
        """Returns whether this client is for a url.

        A client that the caller passes is asked before any other. By default, it claims what
        the table of routes gives to clients of its name, which for a client of one's own is
        nothing: say what it is for.

        Args:
            url: An absolute url, or a relative one without scheme for a local path.
        """
        return bool(self.name) and route(url) == self.name

    async def secrets(self, url: URL) -> dict[str, str]:
        """Returns the headers that carry this client's secrets to a url, for those who ask there.

        Args:
            url: The url, whose origin is theirs alone.
        """
        return {}

    @contextmanager
    def naming_credentials(self, url: URL) -> Iterator[None]:
        """Add the name of the credentials to access errors.

        Args:
            url: The URL of the request.

        Raises:
            CredentialError: The server rejects the credentials, or issues no token for them.
        """
        try:
            yield
        except AccessError as error:
            if self.credentials is None or isinstance(error, CredentialError):
                raise
            host = self.credentials_host or url.host_port_subcomponent or url.raw_host
            fails = "got no token for" if isinstance(error, TokenError) else "does not open"
            named = CredentialError(f"{self.credentials} {fails} {host}: {error.message}")
            named.transient, named.retry_after = error.transient, error.retry_after
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
        """Opens a url and yields an iterator over its bytes.

        This is the core method that all clients must implement.

        Args:
            url: The input url
            content_type: The expected content type, to be checked by the client implementations
            messages: An optional queue to use for progress reporting
            stream: If False, the whole file is read before the first bytes are yielded

        Yields:
            AsyncIterator[bytes]: An iterator over chunks of the read file
        """

    def fetch(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Opens a file, from the request's offset on where the source can do that.

        Args:
            request: What is wanted.

        Returns:
            A context manager of the response; leaving it ends the transfer.
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

    async def check(self, request: Request) -> None:  # noqa: B027 - most need no credential
        """Makes sure that this client has the credential that a file needs; asks no server for it.

        Args:
            request: What is going to be asked for.

        Raises:
            MissingCredentialError: It has none.
        """

    async def stat(self, request: Request) -> Stat:
        """Returns what the source says of a file; raises what a fetch would, if it is not there.

        The default implementation opens it and reads one chunk.

        Args:
            request: What is meant.
        """
        async with self.fetch(request) as response:
            async for _ in response.chunks:
                break
            return Stat(size=response.size)

    async def probe(
        self, href: str, content_type: str | None = None, storage: Storage | None = None
    ) -> Stat:
        """Return what the source reports about a file, without downloading it.

        This is the only existence check of the library, the command line, the tasks and the flows.
        It calls `assert_href_exists` or `href_exists` if a subclass overrides one of them, and
        `stat` otherwise.

        Args:
            href: The href of the file.
            content_type: The media type to expect, if any.
            storage: The storage extension's fields of the asset, if any.

        Raises:
            StacAssetError: The file does not exist, or the source cannot be asked.
        """
        kind = type(self)
        if kind.assert_href_exists is not Client.assert_href_exists:
            await self.assert_href_exists(href)
        elif kind.href_exists is not Client.href_exists:
            if not await self.href_exists(href):
                name = self.name or kind.__name__
                raise NotFoundError(f"{redact_href(href)} does not exist, says the client '{name}'")
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
        """Opens a href and yields an iterator over its bytes.

        Args:
            href: The input href
            content_type: The expected content type
            messages: An optional queue to use for progress reporting
            stream: If False, the whole file is read before the first bytes are yielded

        Yields:
            AsyncIterator[bytes]: An iterator over chunks of the read file
        """
        # Only those who ask for it: the documented `open_url` has no such argument.
        asked = {} if stream is None else {"stream": stream}
        chunks = self.open_url(
            parse_href(href), content_type=content_type, messages=messages, **asked
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
        """Downloads a file to the local filesystem.

        The file appears under its name when it is whole, and replaces what stood there. How often
        that is tried, and how long, says the configuration that the client was made from.

        Args:
            href: The input href
            path: The output file path
            clean: If an error occurs, delete the part file even if it could be continued
            content_type: The expected content type
            messages: An optional queue to use for progress reporting
            stream: If False, the whole file is read before its first bytes are written
        """
        await download_with(
            self, href, Path(path), clean, content_type, messages=messages, stream=stream
        )

    async def href_exists(self, href: str) -> bool:
        """Returns true if the href exists.

        Args:
            href: The href to open

        Returns:
            Whether the href exists
        """
        try:
            await self.assert_href_exists(href)
        except Exception:
            return False
        return True

    async def assert_href_exists(self, href: str) -> None:
        """Asserts that a href exists.

        Args:
            href: The href to open

        Raises:
            Exception: The underlying error when trying to open the file.
        """
        await self.stat(Request(parse_href(href)))

    async def close(self) -> None:  # noqa: B027 - most clients hold nothing to close
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


class RangeClient(Client):
    """A client that can begin in the middle of a file; `open_url` follows from `fetch`.

    Where a subclass overrides `open_url` alone, it is the other way round, as with any client.
    """

    _own_fetch: ClassVar[Callable[[Any, Request], AbstractAsyncContextManager[Response]]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Lets the engine see an `open_url` that is overridden."""
        super().__init_subclass__(**kwargs)
        if "fetch" in vars(cls):
            cls._own_fetch = cls.fetch
        elif "open_url" in vars(cls):
            cls.fetch = Client.fetch  # type: ignore[method-assign]
            cls.stat = Client.stat  # type: ignore[method-assign]

    @abstractmethod
    def fetch(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Opens a file, from the request's offset on.

        Args:
            request: What is wanted.

        Returns:
            A context manager of the response; leaving it ends the transfer.
        """

    @abstractmethod
    async def stat(self, request: Request) -> Stat:
        """Returns what the source says of a file; raises what a fetch would, if it is not there.

        Args:
            request: What is meant.
        """

    async def open_url(
        self,
        url: URL,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> AsyncIterator[bytes]:
        """Opens a url and yields an iterator over its bytes.

        Args:
            url: The input url
            content_type: The expected content type
            messages: An optional queue to use for progress reporting
            stream: If False, the whole file is read before the first bytes are yielded

        Yields:
            AsyncIterator[bytes]: An iterator over the file's bytes

        Raises:
            TransferError: The file cannot be read.
        """
        async with type(self)._own_fetch(self, Request(url, content_type)) as response:
            if response.end not in (None, response.size):
                raise RangeError(f"{redact_href(url)} sent a part, and was asked for the whole")
            if messages is not None:
                shown = URL(redact_href(url).removesuffix("?…"), encoded=True)
                await messages.put(OpenUrl(url=shown, size=response.size))
            if stream is False:
                yield b"".join([chunk async for chunk in response.chunks])
                return
            async for chunk in response.chunks:
                yield chunk


@dataclass(frozen=True, slots=True)
class _OneClient:
    """The clients of a run that uses one client for every URL."""

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
    """Downloads one href with one client, replacing what is there.

    Args:
        client: The client, whatever it claims; it stays open.
        href: What to download.
        path: Where to.
        clean: Whether a part file is removed after an error.
        content_type: The media type to expect.
        messages: Where progress is reported.
        stream: If False, the file is read whole before its first byte is written.

    Raises:
        TransferError: It did not arrive.
    """
    path = Path(path).absolute()
    config = (client.made_from or Config()).copy()
    config.overwrite, config.clean = True, clean
    engine = Engine(_OneClient(client), config, LocalDestinations(), messages, stream=stream)
    transfer = Transfer(
        "", path.name, (Candidate(href, str(path)),), str(path.parent), content_type=content_type
    )
    outcome = await engine.download(transfer)
    if isinstance(outcome, Failed):
        raise outcome.error
