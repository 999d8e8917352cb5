"""Gives the credentials of a client a name, which errors say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from yarl import URL

from stac_asset.clients.base import Client, RangeClient
from stac_asset.errors import AccessError, CredentialError, TokenError
from stac_asset.transfer.interface import Request, Response, Stat


class NamedClient(RangeClient):
    """A client that says whose credentials they were where a server does not let them in.

    It keeps the name of the client that it is made of, and closing it closes that.

    Args:
        client: The client.
        credentials: What its credentials are called, such as `block 's3-credentials/mine'`.
        endpoint: The host that they are shown to, where hrefs do not name it.
    """

    credentials: str
    """What its credentials are called."""

    def __init__(self, client: Client, credentials: str, endpoint: str | None = None) -> None:
        self.name = client.name  # type: ignore[misc] # it is that of a kind of client
        self.credentials = credentials
        self.made_from = client.made_from
        self._client = client
        self._endpoint = endpoint

    def claims(self, url: URL) -> bool:
        """Returns whether the client is for a url.

        Args:
            url: An absolute url, or a relative one without scheme for a local path.
        """
        return self._client.claims(url)

    async def check(self, request: Request) -> None:
        """Makes sure that the client has the credential that a file needs.

        Args:
            request: What is going to be asked for.

        Raises:
            MissingCredentialError: It has none.
        """
        await self._client.check(request)

    async def secrets(self, url: URL) -> dict[str, str]:
        """Returns the headers that carry the client's secrets to a url.

        Args:
            url: The url, whose origin is that of who asks.

        Raises:
            CredentialError: There is no token to be had.
        """
        with self._named(url):
            return await self._client.secrets(url)

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Opens a file, from the request's offset on where the client can do that.

        Args:
            request: What is wanted.

        Raises:
            CredentialError: The server does not let the credentials in.
        """
        with self._named(request.url):
            async with self._client.fetch(request) as response:
                yield response

    async def stat(self, request: Request) -> Stat:
        """Returns what the source says of a file.

        Args:
            request: What is meant.

        Raises:
            CredentialError: The server does not let the credentials in.
        """
        with self._named(request.url):
            return await self._client.stat(request)

    async def close(self) -> None:
        """Closes the client."""
        await self._client.close()

    @contextmanager
    def _named(self, url: URL) -> Iterator[None]:
        try:
            yield
        except AccessError as error:
            host = self._endpoint or url.host_port_subcomponent or url.raw_host
            fails = "got no token for" if isinstance(error, TokenError) else "does not open"
            named = CredentialError(f"{self.credentials} {fails} {host}: {error.message}")
            named.transient, named.retry_after = error.transient, error.retry_after
            raise named from None
