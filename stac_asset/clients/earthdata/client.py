"""NASA's Earthdata: a bearer token, and a chain of redirects by which hosts log one another in."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Self

from aiohttp import ClientResponse, ClientSession, hdrs
from yarl import URL

from stac_asset.clients.earthdata.login import LOGIN_URL, EarthdataLogin, netrc_login
from stac_asset.clients.http import headers
from stac_asset.clients.http.client import HttpClient
from stac_asset.clients.http.credentials import Credential, HostHeaders
from stac_asset.clients.http.session import session_from_config
from stac_asset.config import Config
from stac_asset.errors import LoginPageError, MissingCredentialError, ResponseError
from stac_asset.host_patterns import HostPatterns
from stac_asset.transfer.interface import Request

HOSTS = (
    "*.earthdata.nasa.gov",
    "*.earthdatacloud.nasa.gov",
    "earthdata.nasa.gov",
    "earthdatacloud.nasa.gov",
)
"""Earthdata's hosts, which get a token unless others are named."""

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
        credential: What gives the token in its place. Closing this client closes it.

    Raises:
        ConfigError: One of the hosts is none.
    """

    name = "earthdata"

    def __init__(
        self,
        session: ClientSession,
        check_content_type: bool = True,
        token: str | None = None,
        hosts: Iterable[str] = HOSTS,
        login_hosts: Iterable[str] = _LOGIN_HOSTS,
        credential: Credential | None = None,
    ) -> None:
        super().__init__(session, check_content_type, credential)
        self._by_route = hosts is HOSTS
        self._hosts = HostPatterns(hosts)
        self._login_hosts = HostPatterns(login_hosts)
        if token:
            bearer: dict[str, str] = {hdrs.AUTHORIZATION: f"Bearer {token}"}
            self._credentials = HostHeaders(bearer, self._hosts)

    @classmethod
    async def login(
        cls,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        hosts: Iterable[str] = HOSTS,
        login_url: str = LOGIN_URL,
        config: Config | None = None,
    ) -> Self:
        """Logs in to Earthdata and returns a client.

        What gets it in is the first of these that there is: the token, the user's name and
        password, the token in the environment variable `EARTHDATA_PAT`, and the name and password
        that `.netrc` has for the login host. All are read now; the login host is asked for a token
        when the first file is.

        Args:
            token: The Earthdata bearer token.
            username: The user's name, for which the login host gives a token.
            password: The user's password.
            hosts: The hosts that get the token, besides the login host.
            login_url: Where the user logs in.
            config: How to make requests.

        Returns:
            A client configured to use the bearer token

        Raises:
            MissingCredentialError: There is neither a token nor a user.
            ConfigError: One of the hosts is none, or `.netrc` cannot be read.
        """
        config = (config or Config()).copy()
        login = URL(login_url)
        if hosts is not HOSTS:
            hosts = (*hosts, str(login.origin()))
        trusted = HostPatterns(hosts)
        token = (token or ("" if username else os.environ.get("EARTHDATA_PAT", ""))).strip()
        credential = None
        if not token:
            user = (username, password or "") if username else netrc_login(login.host or "")
            if user is None:
                raise MissingCredentialError(
                    "there is no Earthdata token: set EARTHDATA_PAT or Config.earthdata_token, or "
                    f"give {login.host} a login in .netrc"
                )
            credential = EarthdataLogin(*user, trusted, login_url, config)
        session = session_from_config(config)
        logs_in = (*_LOGIN_HOSTS, str(login.origin()))
        client = cls(session, config.http_check_content_type, token, hosts, logs_in, credential)
        client.made_from = config
        return client

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Logs in to Earthdata and returns the default earthdata client.

        Uses a token stored in the `EARTHDATA_PAT` environment variable, if the token is not
        provided in the config, and the login in `.netrc`, if it is not there either.

        Args:
            config: A configuration object.

        Returns:
            A logged-in Earthdata client.

        Raises:
            MissingCredentialError: There is neither.
        """
        return await cls.login(config.earthdata_token, config=config)

    def claims(self, url: URL) -> bool:
        """Returns whether a url is on one of Earthdata's hosts.

        Args:
            url: An absolute url, or a relative one without scheme for a local path.
        """
        return url in self._hosts or (self._by_route and super().claims(url))

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
