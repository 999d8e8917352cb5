"""OAuth2: a bearer token for the hosts that it is for, by one of the grants, for as long as a run.

The requests carry it through `HttpClient`; the grants are those of `aiohttp-oauth2-client`.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Mapping
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

_CODE = re.compile(r"[a-z_]{1,40}")
"""An error code that can be shown. Descriptions are not: they may repeat what was sent."""
_REFUSALS = (AuthError, ClientError, LookupError, ValueError)
"""What the library raises where a server answers, but gives no token."""


class OAuth2Bearer:
    """A bearer token for some hosts, renewed as long as requests go on.

    It is asked for by the first request that needs it. When it comes to its end, or a server
    refuses it (401), it is refreshed, and where that is refused too, asked for afresh.

    Args:
        grant: How a token is obtained. Closing this closes it.
        hosts: The hosts that get the token.
    """

    def __init__(self, grant: Grant, hosts: HostPatterns) -> None:
        self._grant = grant
        self._hosts = hosts
        self._keeper = TokenKeeper(self._obtain)

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Creates it for the grant and the hosts of a configuration.

        Args:
            config: A valid configuration with an `oauth2_grant`.

        Raises:
            ConfigError: `oauth2_extra` has a field that another setting gives.
        """
        return cls(await grant_from_config(config), HostPatterns(config.oauth2_hosts))

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Returns the token for one of the hosts, and nothing for another.

        Args:
            url: Where a request, or one hop of it, goes.

        Raises:
            TokenError: The token endpoint gives none.
        """
        return _bearer(await self._keeper.get()) if url in self._hosts else {}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Returns whether there is another token than the one that a server refused.

        Args:
            href: What was asked for.
            refused: The answer, with status 401 or 403.

        Raises:
            TokenError: The token endpoint gives none.
        """
        if refused.status != 401 or refused.url not in self._hosts:
            return False
        token = self._keeper.token
        used = refused.request_info.headers.get(hdrs.AUTHORIZATION)
        if token is None or _bearer(token)[hdrs.AUTHORIZATION] != used:
            return True
        return await self._keeper.replace(token)

    async def close(self) -> None:
        """Closes the grant's own session."""
        await self._grant.close()

    async def _obtain(self) -> Token:
        try:
            if not await self._refreshed():
                await self._grant.fetch_token()
            return self._granted()
        except (RequestFailedError, *_REFUSALS) as error:
            reason, transient = _reason(error), _is_transient(error)
        # Raised here, so that it has no context: the library's errors may hold what was sent.
        host = self._grant.token_url.host_port_subcomponent
        failure = TokenError(f"{host} gave no OAuth2 token: {reason}")
        failure.transient = transient
        raise failure

    async def _refreshed(self) -> bool:
        """Returns whether there was a refresh token, and it was accepted."""
        if self._grant.token is None or not self._grant.token.refresh_token:
            return False
        try:
            await self._grant.refresh_token()
        except (RequestFailedError, *_REFUSALS) as error:
            if _is_transient(error):
                raise
            self._grant.token.refresh_token = None
            logger.info("no token by a refresh token (%s): asking for a new one", _reason(error))
            return False
        return True

    def _granted(self) -> Token:
        granted = self._grant.token
        if granted.expires_in is not None:
            seconds = float(granted.expires_in)
        elif granted.expires_at:
            seconds = granted.expires_at - time.time()
        else:
            seconds = math.inf
        return Token.lasting(granted.access_token, seconds)


def _bearer(token: Token) -> dict[str, str]:
    return {hdrs.AUTHORIZATION: f"Bearer {token.value}"}


def _is_transient(error: Exception) -> bool:
    return isinstance(error, RequestFailedError) and error.transient


def _reason(error: Exception) -> str:
    """Returns what can be shown of the library's error."""
    match error:
        case RequestFailedError():
            return error.reason
        case OAuth2Error():
            code = str(error.response.error)
            return f"it says '{code}'" if _CODE.fullmatch(code) else "it refuses to"
        case ClientResponseError():
            return f"it answered {error.status}"
        case AuthError():
            return str(error).rstrip(".").lower()
        case ClientError():
            return f"it cannot be asked ({type(error).__name__})"
        case _:
            return "its answer holds none"
