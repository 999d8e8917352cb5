"""Earthdata login: exchange of a user name and password for a bearer token.

`EarthdataClient.login` uses `EarthdataLogin` if no token is configured. The login host allows two
tokens per user, and returns an existing token until the token expires:
https://urs.earthdata.nasa.gov/documentation/for_users/user_token
"""

from __future__ import annotations

import math
import netrc
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import ClientResponse, hdrs
from yarl import URL

from stac_asset.clients.http.credentials import basic
from stac_asset.clients.http.session import session_from_config
from stac_asset.clients.http.token_requests import read_token, request_token
from stac_asset.clients.http.tokens import Token, TokenKeeper
from stac_asset.config import Config
from stac_asset.errors import ConfigError, TransferError
from stac_asset.host_patterns import HostPatterns

LOGIN_URL = "https://urs.earthdata.nasa.gov"
"""URL of Earthdata's login host."""

_TOKEN_PATH = "api/users/find_or_create_token"


class EarthdataLogin:
    """Credential that obtains a bearer token for Earthdata's hosts with a user name and password.

    The first request that needs the token obtains it. The token is requested again before it
    expires, and after a host refuses it. Only the login host receives the user name and password.

    Args:
        username: The user name.
        password: The password.
        hosts: The hosts that receive the token.
        login_url: The URL of the login host.
        config: The configuration of the token requests.
    """

    def __init__(
        self, username: str, password: str, hosts: HostPatterns, login_url: str, config: Config
    ) -> None:
        self._login = {hdrs.AUTHORIZATION: basic(username, password)}
        self._hosts = hosts
        self._url = URL(login_url) / _TOKEN_PATH
        self._config = config
        self._session = session_from_config(config)
        self._keeper = TokenKeeper(self._obtain)

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Return the token header for URLs on the hosts, and no headers for other URLs.

        Args:
            url: The URL of a request or of one hop of a redirect.

        Raises:
            TokenError: The login host issued no token.
        """
        if url not in self._hosts:
            return {}
        return {hdrs.AUTHORIZATION: f"Bearer {(await self._keeper.get()).value}"}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Return whether there is a new token in place of the refused token.

        Args:
            href: The requested URL.
            refused: The response, with status 401 or 403.

        Raises:
            TokenError: The login host issued no token.
        """
        token = self._keeper.token
        if refused.status != 401 or refused.url not in self._hosts or token is None:
            return False
        if refused.request_info.headers.get(hdrs.AUTHORIZATION) != f"Bearer {token.value}":
            return True
        if not await self._keeper.replace(token):
            return False
        # Earthdata may return the same token with another lifetime.
        replaced = self._keeper.token
        return replaced is not None and replaced.value != token.value

    async def close(self) -> None:
        """Close the session of the token requests."""
        await self._session.close()

    async def _obtain(self) -> Token:
        return await request_token(self._send, self._url, "Earthdata token", self._config)

    async def _send(self) -> Token:
        async with self._session.post(
            self._url, headers=self._login, allow_redirects=False
        ) as response:
            value, body = await read_token(response, self._url, "access_token")
        if not (value.isascii() and value.isprintable() and value):
            raise TransferError("the response contains no token")
        return Token.lasting(value, _lifetime(body.get("expiration_date")))


def netrc_login(host: str) -> tuple[str, str] | None:
    """Return the user name and password for a host in `.netrc`, if any.

    The path is the value of the environment variable `NETRC`, or `~/.netrc`.

    Args:
        host: The host.

    Raises:
        ConfigError: The file cannot be read.
    """
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        entry = netrc.netrc(path).hosts.get(host)
    except FileNotFoundError:
        return None
    except (OSError, netrc.NetrcParseError) as error:
        # The message of the error is left out, because it may quote a password.
        raise ConfigError(
            f"{path} cannot be read ({type(error).__name__}). Check the format and permissions."
        ) from None
    return (entry[0], entry[2]) if entry is not None and entry[2] else None


def _lifetime(expiration: object) -> float:
    """Return the seconds until the start of the day (UTC) on which a token expires.

    Args:
        expiration: The day in the form MM/DD/YYYY. The lifetime is infinite for other values.
    """
    try:
        day = datetime.strptime(str(expiration), "%m/%d/%Y").replace(tzinfo=UTC)
    except ValueError:
        return math.inf
    return (day - datetime.now(UTC)).total_seconds()
