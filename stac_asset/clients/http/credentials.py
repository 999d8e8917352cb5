"""Credentials for HTTP requests. Each credential adds secret headers for certain hosts only.

`HttpClient` asks its credential for headers before each hop of a redirect. Credentials are not
aiohttp middlewares, because aiohttp converts any `OSError` of a middleware to `ClientOSError`, and
`TokenError` is an `OSError`.
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
from stac_asset.notices import notice

_OTHER_ORIGIN = (
    "The HTTP headers were not sent, because `http_headers_hosts` names the host with another "
    "scheme or port. Use the whole origin, such as http://example.com:8080, for"
)
_NOT_SENT = (
    "The HTTP headers were not sent, because no request went to a host in `http_headers_hosts`. "
    "Requests went to"
)
_NO_HEADERS = "`http_headers_hosts` has no effect, because `http_headers` is not set"
_MAX_ORIGINS = 100
"""Maximum number of origins to remember without the headers."""


class Credential(Protocol):
    """Interface of a credential: a secret for certain hosts."""

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Return the headers with the secret for a URL; no headers for other hosts.

        Args:
            url: The URL of a request or of one hop of a redirect.
        """
        ...

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Return whether a refused request should be repeated with a new secret.

        Args:
            href: The requested URL.
            refused: The response, with status 401 or 403.
        """
        ...

    async def close(self) -> None:
        """Close the sessions of this credential."""
        ...


class HostHeaders:
    """Credential with constant headers for certain hosts.

    Args:
        headers: The headers.
        hosts: The hosts that receive the headers.
        from_config: Whether the headers are `Config.http_headers`. Their user is notified of
            requests without the headers.
    """

    def __init__(
        self, headers: Mapping[str, str], hosts: HostPatterns, from_config: bool = False
    ) -> None:
        self._headers = dict(headers)
        self._hosts = hosts
        self._from_config = from_config
        self._sent = False
        self._other_origins: set[URL] = set()

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Return the headers for URLs on the hosts, and no headers for other URLs."""
        if url in self._hosts:
            self._sent = True
            return self._headers
        if not self._from_config:
            return {}
        origin = url.origin()
        if origin not in self._other_origins and len(self._other_origins) < _MAX_ORIGINS:
            self._other_origins.add(origin)
            if self._hosts.names_host_of(origin):
                notice(_OTHER_ORIGIN, str(origin))
        return {}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Return False, because the headers are constant."""
        return False

    async def close(self) -> None:
        """Record a notice if the run sent requests, but no request to the hosts."""
        if self._other_origins and not self._sent:
            notice(_NOT_SENT, ", ".join(sorted(map(str, self._other_origins))))


def basic(username: str, password: str) -> str:
    """Return the value of the `Authorization` header for basic authentication.

    Args:
        username: The user name, without a colon.
        password: The password.

    Raises:
        ConfigError: The user name contains a colon.
    """
    if ":" in username:
        raise ConfigError(
            "The user name contains a colon, which basic authentication does not allow. "
            "Set `username` without a colon."
        )
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


class CombinedCredentials:
    """A combination of credentials. If two set the same header, the later credential applies.

    Args:
        credentials: The credentials. Closing this object closes all of them.
    """

    def __init__(self, *credentials: Credential) -> None:
        self._credentials = credentials

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Return the headers of all credentials for a URL."""
        combined: dict[str, str] = {}
        for credential in self._credentials:
            combined.update(await credential.headers(url))
        return combined

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Return whether any of the credentials has a new secret."""
        for credential in self._credentials:
            if await credential.renew(href, refused):
                return True
        return False

    async def close(self) -> None:
        """Close all credentials."""
        for credential in self._credentials:
            await credential.close()


async def credentials_from_config(config: Config) -> Credential:
    """Return the credentials of `HttpClient` for a configuration.

    Args:
        config: The configuration.

    Raises:
        ConfigError: The configuration is contradictory.
    """
    config.validate()
    parts: list[Credential] = []
    if config.http_headers and config.http_headers_hosts:
        hosts = HostPatterns(config.http_headers_hosts)
        parts.append(HostHeaders(config.http_headers, hosts, from_config=True))
    elif config.http_headers_hosts:
        notice(_NO_HEADERS)
    if config.oauth2_grant is not None:
        # Imported here for import time only: aiohttp-oauth2-client imports aiohttp's web server.
        from stac_asset.clients.http.oauth2 import OAuth2Bearer

        parts.append(await OAuth2Bearer.from_config(config))
    return CombinedCredentials(*parts)
