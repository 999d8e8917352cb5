"""NASA's Earthdata: a bearer token, and a chain of redirects by which hosts log one another in."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Self

from aiohttp import ClientResponse, ClientSession, hdrs
from yarl import URL

from stac_asset.clients import headers
from stac_asset.clients.base import Request
from stac_asset.clients.credentials import HostHeaders
from stac_asset.clients.http import HttpClient
from stac_asset.clients.session import session_from_config
from stac_asset.config import Config
from stac_asset.errors import ConfigError, LoginPageError, ResponseError
from stac_asset.hosts import Hosts

_HOSTS = ("*.earthdata.nasa.gov", "*.earthdatacloud.nasa.gov", "earthdata.nasa.gov")
_LOGIN_HOSTS = ("urs.earthdata.nasa.gov", "*.urs.earthdata.nasa.gov")
_WHY = "the Earthdata token is missing, has expired, or is not meant for this data"
_PAGES = frozenset({"text/html", "application/xhtml+xml"})


class EarthdataClient(HttpClient):
    """Access data from https://www.earthdata.nasa.gov/.

    To access data, you'll need a personal access token.

    1. Create a new personal access token by going to https://urs.earthdata.nasa.gov/profile and
       then clicking "Generate Token" (you'll need to log in).
    2. Set an environment variable named `EARTHDATA_PAT` to your token.
    3. Use `EarthdataClient.from_config()` to create a new client.

    You can also provide your token directly to `EarthdataClient.login()`.

    The token, the session's headers and its cookies go to Earthdata's hosts, wherever in a chain of
    redirects they are, and not to the storage at the end of it.

    Args:
        session: The session that will be used for all requests. Closing this client closes it.
        check_content_type: If true, a content type that the asset does not expect is an error;
            if false, it is logged as a warning. A login page is an error in any case.
        token: The bearer token, if the session's headers do not carry it already.
        hosts: The hosts that get the token: `example.com`, or `*.example.com` for all below it.
            Only https is meant, unless `http://` stands before it.
        login_hosts: Those of them that log users in, and have no data.

    Raises:
        ConfigError: One of the hosts is none.
    """

    name = "earthdata"

    def __init__(
        self,
        session: ClientSession,
        check_content_type: bool = True,
        token: str | None = None,
        hosts: Iterable[str] = _HOSTS,
        login_hosts: Iterable[str] = _LOGIN_HOSTS,
    ) -> None:
        super().__init__(session, check_content_type)
        self._hosts = Hosts(hosts)
        self._login_hosts = Hosts(login_hosts)
        if token:
            bearer: dict[str, str] = {hdrs.AUTHORIZATION: f"Bearer {token}"}
            self._credentials = HostHeaders(bearer, self._hosts)

    @classmethod
    async def login(cls, token: str | None = None) -> Self:
        """Logs in to Earthdata and returns a client.

        Args:
            token: The Earthdata bearer token. If it is not provided, it is read from the
                `EARTHDATA_PAT` environment variable, now.

        Returns:
            A client configured to use the bearer token

        Raises:
            ConfigError: There is no token.
        """
        return await cls.from_config(Config(earthdata_token=token))

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Logs in to Earthdata and returns the default earthdata client.

        Uses a token stored in the `EARTHDATA_PAT` environment variable, if the token is not
        provided in the config.

        Args:
            config: A configuration object.

        Returns:
            A logged-in Earthdata client.

        Raises:
            ConfigError: There is no token.
        """
        token = (config.earthdata_token or os.environ.get("EARTHDATA_PAT", "")).strip()
        if not token:
            raise ConfigError(
                "there is no Earthdata token: set EARTHDATA_PAT or Config.earthdata_token"
            )
        return cls(session_from_config(config), config.http_check_content_type, token)

    def claims(self, url: URL) -> bool:
        """Returns whether a url is on one of Earthdata's hosts.

        Args:
            url: An absolute url, or a relative one without scheme for a local path.
        """
        return super().claims(url) or url in self._hosts

    def trusts(self, url: URL, origin: URL) -> bool:
        """Returns whether a hop may carry the session's headers, cookies and credentials.

        Args:
            url: Where the hop goes.
            origin: The url of the first hop.
        """
        return url in self._hosts

    def _check_status(self, response: ClientResponse, request: Request) -> None:
        if response.status in (401, 403) and response.url in self._hosts:
            raise ResponseError.of(
                response.status,
                response.reason or "",
                str(request.url),
                hint=f"{response.url.host} says so where {_WHY}",
            )
        super()._check_status(response, request)

    def _check_content_type(self, response: ClientResponse, request: Request) -> None:
        if self._is_login(response, request):
            raise LoginPageError(
                f"{response.url.host} sent a login page in place of the file: {_WHY}"
            )
        super()._check_content_type(response, request)

    def _is_login(self, response: ClientResponse, request: Request) -> bool:
        if response.url in self._login_hosts and request.url not in self._login_hosts:
            return True
        return headers.is_login_page(response) and not _is_page(request)


def _is_page(request: Request) -> bool:
    """Returns whether a web page is what was asked for."""
    if request.content_type:
        return request.content_type.partition(";")[0].strip().lower() in _PAGES
    return PurePosixPath(request.url.path).suffix.lower() in (".html", ".htm", ".xhtml")
