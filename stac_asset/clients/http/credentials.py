"""Credentials: what puts a secret on requests to the hosts that it is for, and on no other.

They are asked anew at each hop of a redirect. (They are no middlewares of aiohttp: that makes a
`ClientOSError` of any `OSError` which a middleware raises, and a refused token is one.)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Protocol

from aiohttp import ClientResponse
from yarl import URL

from stac_asset.config import Config
from stac_asset.errors import ConfigError
from stac_asset.host_patterns import HostPatterns


class Credential(Protocol):
    """A secret, and what is known of the hosts that it is for."""

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Returns the headers that carry it to a url; none where it has no business.

        Args:
            url: Where a request, or one hop of it, goes.
        """
        ...

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Returns whether a request that was refused is worth making again, with another secret.

        Args:
            href: What was asked for.
            refused: The answer, with status 401 or 403.
        """
        ...

    async def close(self) -> None:
        """Closes what it holds."""
        ...


class HostHeaders:
    """Headers that never change, for some hosts.

    Args:
        headers: The headers.
        hosts: The hosts that get them.
    """

    def __init__(self, headers: Mapping[str, str], hosts: HostPatterns) -> None:
        self._headers = dict(headers)
        self._hosts = hosts

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Returns the headers for one of the hosts, and none for another."""
        return self._headers if url in self._hosts else {}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Returns False: there are no others."""
        return False

    async def close(self) -> None:
        """Does nothing."""


def basic(username: str, password: str) -> str:
    """Returns what basic authentication sends as `Authorization`.

    Args:
        username: The user's name, which has no colon.
        password: The user's password.

    Raises:
        ConfigError: The name has a colon.
    """
    if ":" in username:
        raise ConfigError("a user's name cannot have a colon in basic authentication")
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


class Credentials:
    """Several credentials as one; a later one's headers win.

    Args:
        credentials: The credentials, which closing this one closes.
    """

    def __init__(self, *credentials: Credential) -> None:
        self._credentials = credentials

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Returns the headers that any of them has for a url."""
        found: dict[str, str] = {}
        for credential in self._credentials:
            found.update(await credential.headers(url))
        return found

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Returns whether one of them has another secret to try."""
        for credential in self._credentials:
            if await credential.renew(href, refused):
                return True
        return False

    async def close(self) -> None:
        """Closes them all."""
        for credential in self._credentials:
            await credential.close()


async def credentials_from_config(config: Config) -> Credential:
    """Returns the credentials of plain HTTP requests.

    Args:
        config: The configuration.

    Raises:
        ConfigError: It contradicts itself.
    """
    config.validate()
    found: list[Credential] = []
    if config.http_headers and config.http_headers_hosts:
        found.append(HostHeaders(config.http_headers, HostPatterns(config.http_headers_hosts)))
    if config.oauth2_grant is not None:
        # It brings a web server along, which nobody else needs.
        from stac_asset.clients.http.oauth2 import OAuth2Bearer

        found.append(await OAuth2Bearer.from_config(config))
    return Credentials(*found)
