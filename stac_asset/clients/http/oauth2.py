"""OAuth2 credential: a bearer token for certain hosts, renewed during the run.

`HttpClient` adds the token to requests for these hosts. The grants that obtain the token are in
`oauth2_grants`.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Collection, Mapping
from typing import Self

from aiohttp import ClientError, ClientResponse, ClientResponseError, hdrs
from aiohttp_oauth2_client.models.errors import (  # type: ignore[import-untyped]
    AuthError,
    OAuth2Error,
)
from yarl import URL

from stac_asset.clients.http.oauth2_grants import Grant, RequestFailedError, grant_from_config
from stac_asset.clients.http.tokens import Token, TokenKeeper
from stac_asset.config import Config
from stac_asset.errors import TokenError
from stac_asset.host_patterns import HostPatterns

logger = logging.getLogger(__name__)

_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
"""Form of OAuth2 error codes. Messages contain the code, but not the server's description, which
may repeat secrets of the request."""
_GRANT_ERRORS = (AuthError, ClientError, LookupError, ValueError)
"""Errors of aiohttp-oauth2-client for token requests that failed."""


class OAuth2Bearer:
    """Credential with an OAuth2 bearer token for certain hosts.

    The first request that needs the token obtains it. The token is refreshed before it expires, and
    after a server refuses the token with status 401. If the refresh fails, a new token is
    requested.

    Args:
        grant: The grant that obtains tokens. Closing this object closes the grant.
        hosts: The hosts that receive the token.
    """

    def __init__(self, grant: Grant, hosts: HostPatterns) -> None:
        self._grant = grant
        self._hosts = hosts
        self._keeper = TokenKeeper(self._obtain)

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Create the credential for the grant and the hosts of a configuration.

        Args:
            config: A valid configuration with an `oauth2_grant`.

        Raises:
            ConfigError: `oauth2_extra` contains a field that another parameter sets, or a token.
        """
        return cls(await grant_from_config(config), HostPatterns(config.oauth2_hosts))

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Return the token header for URLs on the hosts, and no headers for other URLs.

        Args:
            url: The URL of a request or of one hop of a redirect.

        Raises:
            TokenError: The token endpoint issued no token.
        """
        return _bearer_header(await self._keeper.get()) if url in self._hosts else {}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Return whether there is a new token in place of the refused token.

        Args:
            href: The requested URL.
            refused: The response, with status 401 or 403.

        Raises:
            TokenError: The token endpoint issued no token.
        """
        if refused.status != 401 or refused.url not in self._hosts:
            return False
        token = self._keeper.token
        used = refused.request_info.headers.get(hdrs.AUTHORIZATION)
        if token is None or _bearer_header(token)[hdrs.AUTHORIZATION] != used:
            return True
        return await self._keeper.replace(token)

    async def close(self) -> None:
        """Close the session of the grant."""
        await self._grant.close()

    async def _obtain(self) -> Token:
        try:
            if not await self._refresh():
                await self._grant.fetch_token()
            return self._token_from_grant()
        except (RequestFailedError, *_GRANT_ERRORS) as error:
            reason, transient = _reason(error, self._secrets()), _is_transient(error)
        # Raised outside the `except` block, so that the error has no `__context__`. Errors of
        # aiohttp-oauth2-client may contain the secrets that were sent.
        host = self._grant.token_url.host_port_subcomponent
        failure = TokenError(f"{host} issued no OAuth2 token: {reason}")
        failure.transient = transient
        raise failure

    async def _refresh(self) -> bool:
        """Return whether the grant had a refresh token and the server accepted the token."""
        if self._grant.token is None or not self._grant.token.refresh_token:
            return False
        try:
            await self._grant.refresh_token()
        except (RequestFailedError, *_GRANT_ERRORS) as error:
            if _is_transient(error):
                raise
            reason = _reason(error, self._secrets())
            self._grant.token.refresh_token = None
            logger.info("Token refresh failed (%s); requesting a new token.", reason)
            return False
        return True

    def _secrets(self) -> set[str]:
        present = self._grant.token
        names = ("client_id", "client_secret", "username", "password")
        values = [getattr(self._grant, name, None) for name in names]
        values += self._grant.kwargs.values()
        if present is not None:
            values += [present.access_token, present.refresh_token]
        return {str(value) for value in values if value}

    def _token_from_grant(self) -> Token:
        granted = self._grant.token
        if granted.expires_in is not None:
            seconds = float(granted.expires_in)
        elif granted.expires_at:
            seconds = granted.expires_at - time.time()
        else:
            seconds = math.inf
        return Token.lasting(granted.access_token, seconds)


def _bearer_header(token: Token) -> dict[str, str]:
    return {hdrs.AUTHORIZATION: f"Bearer {token.value}"}


def _is_transient(error: Exception) -> bool:
    return isinstance(error, RequestFailedError) and error.transient


def _reason(error: Exception, secrets: Collection[str]) -> str:
    """Return the reason for a failed token request, without the secrets of the request."""
    match error:
        case RequestFailedError():
            return error.reason
        case OAuth2Error():
            # The code is shown only if it cannot be a repeated secret of the request.
            code = str(error.response.error)
            return (
                f"error '{code}'"
                if code not in secrets and _ERROR_CODE.fullmatch(code)
                else "the request was refused"
            )
        case ClientResponseError():
            return f"status {error.status}"
        case AuthError():
            return str(error).rstrip(".").lower()
        case ClientError():
            return f"the request failed ({type(error).__name__})"
        case _:
            return "the response contains no token"
