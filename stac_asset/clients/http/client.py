"""Client for HTTP and HTTPS, and base class of the Earthdata and Planetary Computer clients.

The client follows redirects itself, one hop at a time. A hop to another origin uses a session
without headers, cookies and credentials, so that no secret is sent to that origin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import ClientResponse, ClientSession, hdrs
from yarl import URL

from stac_asset import validate
from stac_asset.clients.http import headers
from stac_asset.clients.http.advice import status_advice
from stac_asset.clients.http.cookies import ChainCookies, OriginCookies
from stac_asset.clients.http.credentials import (
    CombinedCredentials,
    Credential,
    credentials_from_config,
)
from stac_asset.clients.http.opening import close_response, opened
from stac_asset.clients.http.page_request import PageRequest
from stac_asset.clients.http.session import (
    WITHOUT_READ_TIMEOUT,
    is_watched,
    proxy_of,
    session_from_config,
    session_without_secrets,
)
from stac_asset.clients.range_client import RangeClient
from stac_asset.config import Config
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import ResponseError, TransferError
from stac_asset.host_patterns import HostPatterns
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Request, Response, Stat
from stac_asset.transfer.logins import is_login, login_error

_MAX_REDIRECTS = 10
"""Number of redirects after which a request fails."""
_IDENTITY_ENCODING: dict[str, str] = {hdrs.ACCEPT_ENCODING: "identity"}
"""Header that requests the stored bytes without compression. Sizes and checksums refer to these
bytes."""
_LOGIN_STATUSES = frozenset({400, 401, 403, 405, 407})
"""Statuses of login pages that refuse the request."""
_HEAD_REFUSED_STATUSES = frozenset({400, 401, 403, 405, 501})
"""Statuses of HEAD after which `stat` sends a GET. A presigned href allows a single method only."""


class HttpClient(RangeClient):
    """A client for HTTP and HTTPS URLs.

    By default, requests carry no credentials. Configure the session to add headers, cookies or
    authentication. These are sent to the origin of each href, and never to another origin after a
    redirect. The session's connections, timeouts and proxy are used for redirects too.

    Args:
        session: The session that will be used for all requests. Closing this client closes the
            session.
        check_content_type: If true, a content type that differs from the asset's is an error. If
            false, the difference is logged as a warning.
        credential: The credential that adds headers to requests for its hosts. Closing this client
            closes the credential.
        hosts: The hosts whose hrefs this client claims, in the form of `Config.oauth2_hosts`. By
            default, the client claims the http and https hrefs that no other built-in client
            claims.

    Raises:
        ConfigError: One of `hosts` is not a valid host pattern.
    """

    name = "http"
    sends_bodies = True

    session: ClientSession
    """The aiohttp session that will be used for all requests."""

    check_content_type: bool
    """If true, a content type that differs from the asset's is an error."""

    def __init__(
        self,
        session: ClientSession,
        check_content_type: bool = True,
        credential: Credential | None = None,
        hosts: Iterable[str] | None = None,
    ) -> None:
        self.session = session
        self.check_content_type = check_content_type
        self._secretless_session: ClientSession | None = None
        self._cookies = OriginCookies()
        self._credentials: Credential = credential or CombinedCredentials()
        self._claimed_hosts = None if hosts is None else HostPatterns(hosts)

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Create the default HTTP client.

        Args:
            config: The configuration. `http_headers` are sent to `http_headers_hosts`, or to the
                origin of each href if no hosts are set. An OAuth2 token is sent to `oauth2_hosts`.

        Raises:
            ConfigError: The configuration is contradictory.
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
        """Return whether a URL is on this client's hosts.

        Args:
            url: An absolute URL, or a URL without a scheme for a local path.
        """
        return super().claims(url) if self._claimed_hosts is None else url in self._claimed_hosts

    def trusts(self, url: URL, origin: URL) -> bool:
        """Return whether a hop may carry the session's headers, cookies and credentials.

        Args:
            url: The URL of the hop.
            origin: The URL of the first hop.
        """
        return url is origin or url.origin() == origin.origin()

    async def secrets(self, url: URL) -> dict[str, str]:
        """Return the headers with this client's secrets for a URL.

        Use this method for requests that are not made by the client itself, such as searches of a
        STAC API.

        Args:
            url: The URL. Send the headers to the origin of this URL only.
        """
        with self.naming_credentials(url):
            return {**self.session.headers, **await self._credentials.headers(url)}

    async def prepare(self, url: URL) -> URL:
        """Return the URL to request for an href. Subclasses for providers may sign the URL.

        Args:
            url: The URL of the href.
        """
        return url

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Open a URL with this client's session.

        Args:
            request: The file and the requested bytes.

        Raises:
            ResponseError: The server responded with an error status, or without the file.
            ContentTypeError: The content type of the response differs from the asset's.
        """
        with self.naming_credentials(request.url):
            watched = is_watched(self.session, request.watched)
            with mapped_errors(request.url):
                response = await self._open(request, watched)
            file = None
            try:
                is_part = response.status == 206
                is_direct = request.accepts_views and watched
                version = headers.validator(response, request.validator if is_part else None)
                file = opened(response, request.url, version, is_part, is_direct)
                file.url = response.url
                if request.body is not None:  # Ranges and versions describe responses to GET.
                    file.ranges, file.validator = False, None
                yield file
            finally:
                await close_response(response, file)

    async def _open(self, request: Request, watched: bool) -> ClientResponse:
        request_headers = _IDENTITY_ENCODING
        if request.validator and (request.offset or request.end):
            last = "" if request.end is None else request.end - 1
            request_headers = {
                **_IDENTITY_ENCODING,
                hdrs.RANGE: f"bytes={request.offset}-{last}",
                hdrs.IF_RANGE: request.validator,
            }
        if request.body is not None or request.headers:
            page = PageRequest(request.url, request.body, request.headers or {})
            response = await self._request(page.method, page.url, _IDENTITY_ENCODING, watched, page)
            return self._checked(response, request)
        response = await self._request(hdrs.METH_GET, request.url, request_headers, watched)
        if (
            request.offset
            and request.end is None
            and (response.status == 416 or headers.is_other_version(response, request.validator))
        ):
            # The part file is complete or too long (416), or belongs to another version: restart.
            response.close()
            response = await self._request(hdrs.METH_GET, request.url, _IDENTITY_ENCODING, watched)
        return self._checked(response, request)

    async def stat(self, request: Request) -> Stat:
        """Return the size and the content type that the server reports for a file.

        The client sends a HEAD request. If the server refuses HEAD, or answers with the length 0 as
        some do for all files, the client sends a GET request for one byte.

        Args:
            request: The file.
        """
        with self.naming_credentials(request.url), mapped_errors(request.url):
            response = await self._request(hdrs.METH_HEAD, request.url, _IDENTITY_ENCODING)
            if response.status in _HEAD_REFUSED_STATUSES or _is_without_file(response):
                response.close()
                first_byte: dict[str, str] = {**_IDENTITY_ENCODING, hdrs.RANGE: "bytes=0-0"}
                response = await self._request(hdrs.METH_GET, request.url, first_byte)
                if response.status == 416:  # An empty file has no first byte.
                    response.close()
                    return Stat(size=0)
            self._checked(response, request)
            try:
                if response.status == 206 and not await response.read():
                    return Stat(0, response.headers.get(hdrs.CONTENT_TYPE))  # As Azurite sends it.
                size = headers.extent(response, request.url, response.status == 206).size
                return Stat(size, response.headers.get(hdrs.CONTENT_TYPE))
            finally:
                response.close()

    async def _request(
        self,
        method: str,
        href: URL,
        request_headers: dict[str, str],
        watched: bool = False,
        page: PageRequest | None = None,
    ) -> ClientResponse:
        url = await self.prepare(href)
        response = await self._follow(method, url, request_headers, watched, page)
        if response.status in (401, 403):
            response.release()
            if await self._credentials.renew(href, response):
                url = await self.prepare(href)
                response = await self._follow(method, url, request_headers, watched, page)
        return response

    async def _follow(
        self,
        method: str,
        url: URL,
        request_headers: dict[str, str],
        watched: bool = False,
        page: PageRequest | None = None,
    ) -> ClientResponse:
        origin = url
        cookies = ChainCookies(self._cookies)
        login = None
        for _ in range(_MAX_REDIRECTS):
            trusted = self.trusts(url, origin)
            session = self.session if trusted else self._session_without_secrets()
            hop_headers = {**request_headers, **await self._credentials.headers(url)}
            if page is not None:  # Credentials take precedence over the headers of a link.
                hop_headers = {**page.headers_for(url), **hop_headers}
            cookies.add_to(hop_headers, url, trusted, session.headers.get(hdrs.COOKIE))
            response = await session.request(
                method,
                url,
                headers=hop_headers,
                allow_redirects=False,
                auto_decompress=False,
                raise_for_status=False,  # `_check_status` checks, whatever the session's default.
                proxy=None if trusted else await proxy_of(self.session, url),
                timeout=WITHOUT_READ_TIMEOUT if watched else session.timeout,
                data=None if page is None else page.body,
            )
            cookies.store(response, trusted)
            location = response.headers.get(hdrs.LOCATION)
            if response.status not in (301, 302, 303, 307, 308) or not (location or "").strip():
                return response
            response.release()
            target = headers.redirect_target(url, location or "")
            url = target if page is None else page.redirected(response, url, target)
            login = login or (url if is_login(url) and not is_login(origin) else None)
        if login is not None:
            raise login_error(origin, login)
        raise TransferError(
            f"{redact_href(origin)} cannot be read: stopped after {_MAX_REDIRECTS} redirects"
        )

    def _session_without_secrets(self) -> ClientSession:
        if self._secretless_session is None:
            self._secretless_session = session_without_secrets(self.session)
        return self._secretless_session

    def _checked(self, response: ClientResponse, request: Request) -> ClientResponse:
        try:
            self._check_status(response, request)
            self._check_content_type(response, request)
        except BaseException:
            response.close()
            raise
        return response

    def _check_status(self, response: ClientResponse, request: Request) -> None:
        if response.status not in headers.FILE_STATUSES:
            if response.status in _LOGIN_STATUSES and _is_at_login(response, request.url):
                raise login_error(request.url, response.url)
            raise ResponseError.of(
                response.status,
                headers.reason_of(response),
                str(request.url),
                headers.retry_after(response),
                status_advice(response.status, request.url, response.url, response.headers),
            )

    def _check_content_type(self, response: ClientResponse, request: Request) -> None:
        actual = response.headers.get(hdrs.CONTENT_TYPE)
        if actual is not None and "html" in actual and _is_at_login(response, request.url):
            raise login_error(request.url, response.url)
        if actual != request.content_type:
            shown = redact_href(request.url)
            validate.check_content_type(
                actual, request.content_type, self.check_content_type, shown
            )

    async def close(self) -> None:
        """Close this client with the session and the credential."""
        await self._credentials.close()
        if self._secretless_session is not None:
            await self._secretless_session.close()
        await self.session.close()


def _is_at_login(response: ClientResponse, requested: URL) -> bool:
    """Return whether a chain of redirects ended at a login page."""
    url = response.url
    is_elsewhere = (url.host, url.path) != (requested.host, requested.path)
    return is_elsewhere and is_login(url) and not is_login(requested)


def _is_without_file(response: ClientResponse) -> bool:
    """Return whether a response has a success status, but describes no file or an empty file."""
    if response.status in headers.FILE_STATUSES:
        return response.headers.get(hdrs.CONTENT_LENGTH) == "0"
    return response.status < 300
