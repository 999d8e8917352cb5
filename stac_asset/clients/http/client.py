"""Plain HTTP and HTTPS, and what all clients over HTTP share.

Redirects are followed here, hop by hop: a hop to another origin is made through a session that
knows no header, cookie or credential, so that nothing can leak by it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
from aiohttp import ClientResponse, ClientSession, hdrs
from yarl import URL

from stac_asset import validate
from stac_asset.clients.base import RangeClient
from stac_asset.clients.http import headers
from stac_asset.clients.http.credentials import Credential, Credentials, credentials_from_config
from stac_asset.clients.http.session import (
    proxy_of,
    session_from_config,
    session_without_secrets,
    timeout_of,
)
from stac_asset.config import Config
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import ResponseError, TransferError
from stac_asset.host_patterns import HostPatterns
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Request, Response, Stat

_MAX_REDIRECTS = 10
_IDENTITY: dict[str, str] = {hdrs.ACCEPT_ENCODING: "identity"}
"""Bytes as they are stored: what sizes and checksums speak of."""
_WITH_FILE = frozenset({200, 203, 206})
"""Answers that come with the file, or a part of it; all others of 2xx come with something else."""
_MEANINGS = {
    202: "the server is still preparing the file",
    204: "the server has no bytes to send",
    205: "the server has no bytes to send",
}
_HEAD_REFUSED = frozenset({400, 401, 403, 405, 501})
"""Answers to HEAD after which a GET decides; presigned hrefs are signed for one method."""


class HttpClient(RangeClient):
    """A simple client for making HTTP requests.

    By default, doesn't do any authentication. Configure the session to customize its behavior:
    its headers, cookies and credentials go to the origin of each href, never over a redirect to
    another one. Its connections, timeouts and proxy serve there too.

    Args:
        session: The session that will be used for all requests. Closing this client closes it.
        check_content_type: If true, a content type that the asset does not expect is an error;
            if false, it is logged as a warning.
        credential: What puts a secret on the requests to the hosts that it is for. Closing this
            client closes it.
        hosts: The hosts whose hrefs this client claims, as in `Config.oauth2_hosts`; all hrefs of
            http and https by default.

    Raises:
        ConfigError: One of the hosts is none.
    """

    name = "http"

    session: ClientSession
    """The aiohttp session that will be used for all requests."""

    check_content_type: bool
    """If true, check the asset's content type against the response from the server."""

    def __init__(
        self,
        session: ClientSession,
        check_content_type: bool = True,
        credential: Credential | None = None,
        hosts: Iterable[str] | None = None,
    ) -> None:
        self.session = session
        self.check_content_type = check_content_type
        self._bare: ClientSession | None = None
        self._credentials: Credential = credential or Credentials()
        self._claimed = None if hosts is None else HostPatterns(hosts)

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Creates the default http client.

        Args:
            config: The configuration. Its `http_headers` go to `http_headers_hosts`, or else to
                the origin of each href, and an OAuth2 token to `oauth2_hosts`.

        Raises:
            ConfigError: The configuration contradicts itself.
        """
        credentials = await credentials_from_config(config)
        own_headers = {} if config.http_headers_hosts else config.http_headers
        client = cls(
            session_from_config(config, own_headers),
            check_content_type=config.http_check_content_type,
        )
        client._credentials = credentials
        client.made_from = config.copy()
        return client

    def claims(self, url: URL) -> bool:
        """Returns whether a url is on one of this client's hosts.

        Args:
            url: An absolute url, or a relative one without scheme for a local path.
        """
        return super().claims(url) if self._claimed is None else url in self._claimed

    def trusts(self, url: URL, origin: URL) -> bool:
        """Returns whether a hop may carry the session's headers, cookies and credentials.

        Args:
            url: Where the hop goes.
            origin: The url of the first hop.
        """
        return url is origin or url.origin() == origin.origin()

    async def secrets(self, url: URL) -> dict[str, str]:
        """Returns the headers that carry this client's secrets to a url, for those who ask there.

        Args:
            url: The url, whose origin is theirs alone.
        """
        with self.naming_credentials(url):
            return {**self.session.headers, **await self._credentials.headers(url)}

    async def prepare(self, url: URL) -> URL:
        """Returns the url to request in place of an href's; where a provider signs, it is signed.

        Args:
            url: The href's url.
        """
        return url

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Opens a url with this client's session.

        Args:
            request: What is wanted.

        Raises:
            aiohttp.ClientResponseError: Raised if the response is not OK
            ContentTypeError: The response has not the content type that the asset says.
        """
        with self.naming_credentials(request.url):
            with mapped_errors(request.url):
                response = await self._open(request)
            try:
                offset, end, size = headers.extent(response)
                chunks = _chunks(response, request.url)
                ranges = headers.takes_ranges(response)
                yield Response(chunks, offset, size, headers.validator(response), ranges, end)
            finally:
                response.close()

    async def _open(self, request: Request) -> ClientResponse:
        ask: dict[str, str] = dict(_IDENTITY)
        if request.validator and (request.offset or request.end):
            last = "" if request.end is None else request.end - 1
            ask[hdrs.RANGE] = f"bytes={request.offset}-{last}"
            ask[hdrs.IF_RANGE] = request.validator
        watched = request.watched
        response = await self._request(hdrs.METH_GET, request.url, ask, watched)
        if (
            request.offset
            and request.end is None
            and (response.status == 416 or headers.differs(response, request.validator))
        ):
            # What is here is as long as what is there, or longer, or of another version.
            response.close()
            response = await self._request(hdrs.METH_GET, request.url, _IDENTITY, watched)
        return self._checked(response, request)

    async def stat(self, request: Request) -> Stat:
        """Returns what the server says of a file.

        Uses a HEAD request, and where the server refuses that, a GET of one byte.

        Args:
            request: What is meant.
        """
        with self.naming_credentials(request.url), mapped_errors(request.url):
            response = await self._request(hdrs.METH_HEAD, request.url, _IDENTITY)
            if response.status in _HEAD_REFUSED or _is_beside_the_file(response):
                response.close()
                one: dict[str, str] = {**_IDENTITY, hdrs.RANGE: "bytes=0-0"}
                response = await self._request(hdrs.METH_GET, request.url, one)
                if response.status == 416:  # A file of no bytes has no first one.
                    response.close()
                    return Stat(size=0)
            self._checked(response, request)
            try:
                if response.status == 206:
                    await response.read()
                return Stat(headers.extent(response).size, response.headers.get(hdrs.CONTENT_TYPE))
            finally:
                response.close()

    async def _request(
        self, method: str, href: URL, ask: dict[str, str], watched: bool = False
    ) -> ClientResponse:
        response = await self._follow(method, await self.prepare(href), ask, watched)
        if response.status in (401, 403):
            response.release()
            if await self._credentials.renew(href, response):
                response = await self._follow(method, await self.prepare(href), ask, watched)
        return response

    async def _follow(
        self, method: str, url: URL, ask: dict[str, str], watched: bool = False
    ) -> ClientResponse:
        href = origin = url
        for _ in range(_MAX_REDIRECTS):
            trusted = self.trusts(url, origin)
            session = self.session if trusted else self._session_without_secrets()
            response = await session.request(
                method,
                url,
                headers={**ask, **await self._credentials.headers(url)},
                allow_redirects=False,
                auto_decompress=False,
                raise_for_status=False,  # A status is for us to judge, whatever the session says.
                proxy=None if trusted else await proxy_of(self.session, url),
                timeout=timeout_of(session, watched),
            )
            location = response.headers.get(hdrs.LOCATION)
            if response.status not in (301, 302, 303, 307, 308) or location is None:
                return response
            response.release()
            url = headers.redirect_target(url, location)
        raise TransferError(f"more than {_MAX_REDIRECTS} redirects from {redact_href(href)}")

    def _session_without_secrets(self) -> ClientSession:
        if self._bare is None:
            self._bare = session_without_secrets(self.session)
        return self._bare

    def _checked(self, response: ClientResponse, request: Request) -> ClientResponse:
        try:
            self._check_status(response, request)
            self._check_content_type(response, request)
        except BaseException:
            response.close()
            raise
        return response

    def _check_status(self, response: ClientResponse, request: Request) -> None:
        if response.status not in _WITH_FILE:
            meaning = "the server answers with something else than the file"
            raise ResponseError.of(
                response.status,
                response.reason or "",
                str(request.url),
                headers.retry_after(response),
                _MEANINGS.get(response.status, meaning) if response.status < 300 else "",
            )

    def _check_content_type(self, response: ClientResponse, request: Request) -> None:
        actual = response.headers.get(hdrs.CONTENT_TYPE)
        if actual != request.content_type:
            shown = redact_href(request.url)
            validate.check_content_type(
                actual, request.content_type, self.check_content_type, shown
            )

    async def close(self) -> None:
        """Close this http client.

        Closes the underlying session.
        """
        await self._credentials.close()
        if self._bare is not None:
            await self._bare.close()
        await self.session.close()


def _is_beside_the_file(response: ClientResponse) -> bool:
    """Returns whether an answer is neither the file nor an error."""
    return response.status < 300 and response.status not in _WITH_FILE


async def _chunks(response: ClientResponse, href: URL) -> AsyncIterator[bytes]:
    with mapped_errors(href):
        try:
            async for chunk in response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError):
            # What came before a connection broke is still in aiohttp's buffer, which no public
            # method gives away then; fetching it again could cost half a megabyte.
            if received := response.content._read_nowait(-1):
                yield received
            raise
