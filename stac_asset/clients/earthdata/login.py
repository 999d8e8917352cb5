"""Earthdata's login: a bearer token for a user's name and password, from `.netrc` if need be.

The login host gives a user two tokens at most, and the one that there is as long as it lasts:
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
from stac_asset.clients.http.token_requests import answered, requested_token
from stac_asset.clients.http.tokens import Token, TokenKeeper
from stac_asset.config import Config
from stac_asset.errors import ConfigError, TransferError
from stac_asset.host_patterns import HostPatterns

LOGIN_URL = "https://urs.earthdata.nasa.gov"
"""Where users log in to Earthdata."""

_TOKEN_PATH = "api/users/find_or_create_token"


class EarthdataLogin:
    """A bearer token for Earthdata's hosts, which a user's name and password are given for.

    It is asked for by the first request that needs it, and again when it comes to its end or is
    refused. Only the login host gets the name and the password.

    Args:
        username: The user's name.
        password: The user's password.
        hosts: The hosts that get the token.
        login_url: Where the user logs in.
        config: How often the login host is asked.
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
        """Returns the token for one of the hosts, and nothing for another.

        Args:
            url: Where a request, or one hop of it, goes.

        Raises:
            TokenError: The login host gives none.
        """
        if url not in self._hosts:
            return {}
        return {hdrs.AUTHORIZATION: f"Bearer {(await self._keeper.get()).value}"}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Returns whether there is another token than the one that a host refused.

        Args:
            href: What was asked for.
            refused: The answer, with status 401 or 403.

        Raises:
            TokenError: The login host gives none.
        """
        token = self._keeper.token
        if refused.status != 401 or refused.url not in self._hosts or token is None:
            return False
        if refused.request_info.headers.get(hdrs.AUTHORIZATION) != f"Bearer {token.value}":
            return True
        return await self._keeper.replace(token) and self._keeper.token != token

    async def close(self) -> None:
        """Closes the session of the token requests."""
        await self._session.close()

    async def _obtain(self) -> Token:
        return await requested_token(self._ask, self._url, "Earthdata token", self._config)

    async def _ask(self) -> Token:
        async with self._session.post(
            self._url, headers=self._login, allow_redirects=False
        ) as response:
            value, answer = await answered(response, self._url, "access_token")
        if not (value.isascii() and value.isprintable() and value):
            raise TransferError("its answer holds none")
        return Token.lasting(value, _life(answer.get("expiration_date")))


def netrc_login(host: str) -> tuple[str, str] | None:
    """Returns the user's name and password that `.netrc` has for a host, or None.

    It is the file that the environment variable `NETRC` names, or `.netrc` in the home folder.

    Args:
        host: The host.

    Raises:
        ConfigError: The file cannot be read.
    """
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        found = netrc.netrc(path).hosts.get(host)
    except FileNotFoundError:
        return None
    except (OSError, netrc.NetrcParseError) as error:
        # Without what the error says: it may quote the file.
        raise ConfigError(f"{path} cannot be read ({type(error).__name__})") from None
    return (found[0], found[2]) if found is not None and found[2] else None


def _life(expiration: object) -> float:
    """Returns seconds until the end of the day on which a token expires."""
    try:
        day = datetime.strptime(str(expiration), "%m/%d/%Y").replace(tzinfo=UTC)
    except ValueError:
        return math.inf
    return (day - datetime.now(UTC)).total_seconds()
