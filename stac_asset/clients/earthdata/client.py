"""Client for NASA Earthdata.

Requests carry a bearer token. Earthdata's hosts log users in through a chain of redirects. In this
chain, the token is sent to Earthdata's hosts only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Self

from aiohttp import ClientResponse, ClientSession, hdrs
from yarl import URL

from stac_asset.clients.earthdata.applications import approval_advice
from stac_asset.clients.earthdata.hosts import HOSTS
from stac_asset.clients.earthdata.login import LOGIN_URL, EarthdataLogin, netrc_login
from stac_asset.clients.http import headers
from stac_asset.clients.http.client import HttpClient
from stac_asset.clients.http.credentials import Credential, HostHeaders
from stac_asset.clients.http.session import session_from_config
from stac_asset.config import Config
from stac_asset.errors import LoginPageError, MissingCredentialError, ResponseError
from stac_asset.host_patterns import HostPatterns
from stac_asset.redact import redact_href
from stac_asset.string_lists import string_list
from stac_asset.transfer.interface import Request
from stac_asset.validate import format_of

_LOGIN_HOSTS = ("urs.earthdata.nasa.gov", "*.urs.earthdata.nasa.gov")
_TOKEN_PROBLEM = "the Earthdata token is missing, has expired, or is not valid for this data"


class EarthdataClient(HttpClient):
    """Access data from https://www.earthdata.nasa.gov/.

    To access data, you need an Earthdata login or a personal access token. For a token:

    1. Create a new personal access token by going to https://urs.earthdata.nasa.gov/profile and
       then clicking "Generate Token" (you'll need to log in).
    2. Set an environment variable named `EARTHDATA_PAT` to your token.
    3. Use `EarthdataClient.from_config()` to create a new client.

    You can also provide your token, or your user name and password, to `EarthdataClient.login()`.

    The token, the session's headers and the session's cookies are sent to every Earthdata host in a
    chain of redirects. They are not sent to the storage service at the end of the chain.

    Args:
        session: The session that will be used for all requests. Closing this client closes the
            session.
        check_content_type: If true, a content type that differs from the asset's is an error. If
            false, the difference is logged as a warning. A login page is always an error.
        token: The bearer token, if the session's headers do not contain the token already.
        hosts: The hosts that receive the token: `example.com`, or `*.example.com` for all
            subdomains. A host without a scheme means https; prepend `http://` for http.
            `DAAC_HOSTS` lists known hosts outside of the default hosts.
        login_hosts: The hosts that log users in. These hosts have no data.
        credential: The credential that provides the token, instead of `token`. Closing this client
            closes the credential.

    Raises:
        ConfigError: One of the hosts is not a valid host pattern.
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
        self._has_default_hosts = hosts is HOSTS
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
        """Log in to Earthdata and return a client.

        The first of these that is available is used:

        1. `token`
        2. `username` and `password`
        3. the token in the environment variable `EARTHDATA_PAT`
        4. the user name and password for the login host in `.netrc`

        The environment variable and `.netrc` are read during this call. With a user name, the
        client requests the token from the login host before the first request for a file.

        Args:
            token: The Earthdata bearer token.
            username: The user name. The login host issues a token for the user.
            password: The password.
            hosts: The hosts that receive the token, in addition to the login host.
            login_url: The URL of the login host.
            config: The configuration of the requests.

        Returns:
            A client configured to use the bearer token.

        Raises:
            MissingCredentialError: There is neither a token nor a user name.
            ConfigError: One of the hosts is not a valid host pattern, or `.netrc` cannot be read.
        """
        config = (config or Config()).copy()
        login = URL(login_url)
        if hosts is not HOSTS:
            hosts = (*string_list("hosts", hosts), str(login.origin()))
        trusted = HostPatterns(hosts)
        token = (token or ("" if username else os.environ.get("EARTHDATA_PAT", ""))).strip()
        credential = None
        if not token:
            user = (username, password or "") if username else netrc_login(login.host or "")
            if user is None:
                raise MissingCredentialError(
                    "No Earthdata token is configured. Set `EARTHDATA_PAT` or "
                    f"`Config.earthdata_token`, or add a login for {login.host} to .netrc."
                )
            credential = EarthdataLogin(*user, trusted, login_url, config)
        session = session_from_config(config)
        login_hosts = (*_LOGIN_HOSTS, str(login.origin()))
        client = cls(session, config.http_check_content_type, token, hosts, login_hosts, credential)
        client.made_from = config
        return client

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Log in to Earthdata and return the default Earthdata client.

        The client uses the token of the configuration, the token in the environment variable
        `EARTHDATA_PAT`, or the login in `.netrc`, in this order. The hosts are `HOSTS` and
        `Config.earthdata_hosts`.

        Args:
            config: The configuration.

        Returns:
            A logged-in Earthdata client.

        Raises:
            MissingCredentialError: There is neither a token nor a login.
            ConfigError: `.netrc` cannot be read.
        """
        hosts = (*HOSTS, *config.earthdata_hosts) if config.earthdata_hosts else HOSTS
        return await cls.login(config.earthdata_token, hosts=hosts, config=config)

    def claims(self, url: URL) -> bool:
        """Return whether a URL is on Earthdata's hosts.

        Args:
            url: An absolute URL, or a URL without a scheme for a local path.
        """
        return url in self._hosts or (self._has_default_hosts and super().claims(url))

    def trusts(self, url: URL, origin: URL) -> bool:
        """Return whether a hop may carry the session's headers, cookies and credentials.

        Args:
            url: The URL of the hop.
            origin: The URL of the first hop.
        """
        return url in self._hosts

    def _check_status(self, response: ClientResponse, request: Request) -> None:
        if response.status in (401, 403) and response.url in self._hosts:
            raise ResponseError.of(
                response.status,
                headers.reason_of(response),
                str(request.url),
                hint=(
                    f"{response.url.host} sends this status if {_TOKEN_PROBLEM}. "
                    f"{approval_advice(request.url, response.url)}"
                ),
            )
        super()._check_status(response, request)

    def _check_content_type(self, response: ClientResponse, request: Request) -> None:
        if self._is_login(response, request):
            raise LoginPageError(
                f"{redact_href(request.url)} cannot be read: {response.url.host} sent a login page "
                f"instead of the file, because {_TOKEN_PROBLEM}. "
                f"{approval_advice(request.url, response.url)}"
            )
        super()._check_content_type(response, request)

    def _is_login(self, response: ClientResponse, request: Request) -> bool:
        if response.url in self._login_hosts and request.url not in self._login_hosts:
            return True
        return format_of(response.content_type) == "html" and not _is_web_page(request)


def _is_web_page(request: Request) -> bool:
    """Return whether the requested file is a web page."""
    if request.content_type:
        return format_of(request.content_type) == "html"
    return PurePosixPath(request.url.path).suffix.lower() in (".html", ".htm", ".xhtml")
