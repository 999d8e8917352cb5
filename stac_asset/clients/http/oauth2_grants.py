"""The grants of `aiohttp-oauth2-client`, mended where a long run needs more than they do.

Token requests are tried again and not redirected, a token need not say when it ends, and public
clients say who they are when they refresh one.
"""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import json
from typing import Any, TypeAlias

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp_oauth2_client.grant.authorization_code import AuthorizationCodeGrant
from aiohttp_oauth2_client.grant.client_credentials import ClientCredentialsGrant
from aiohttp_oauth2_client.grant.common import OAuth2Grant
from aiohttp_oauth2_client.grant.device_code import DeviceCodeGrant
from aiohttp_oauth2_client.grant.resource_owner_password_credentials import (
    ResourceOwnerPasswordCredentialsGrant,
)
from aiohttp_oauth2_client.models.errors import OAuth2Error
from aiohttp_oauth2_client.models.request import RefreshTokenAccessTokenRequest
from aiohttp_oauth2_client.models.response import ErrorResponse
from aiohttp_oauth2_client.models.token import Token

from stac_asset.clients.http import headers
from stac_asset.clients.http.session import session_from_config
from stac_asset.config import Config
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import ConfigError, ResponseError, StacAssetError, TokenError
from stac_asset.transfer.retry import is_transient, retry

Grant: TypeAlias = OAuth2Grant
"""How a token is obtained."""


class RequestFailedError(Exception):
    """Raised when a token request failed for good.

    It is none of our errors, for aiohttp makes a `ClientOSError` of any `OSError` that comes out of
    a middleware, and some of ours are that.

    Args:
        reason: What went wrong at the last attempt.
        transient: Whether a later request may succeed.
    """

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.transient = transient


async def grant_from_config(config: Config) -> Grant:
    """Returns the grant of a configuration, which the caller closes.

    Args:
        config: A valid configuration with an `oauth2_grant`.

    Raises:
        ConfigError: `oauth2_extra` has a field that another setting gives.
    """
    kind, names = _GRANTS[str(config.oauth2_grant)]
    fields = {name: getattr(config, f"oauth2_{name}") for name in names}
    fields = {name: value for name, value in fields.items() if value is not None}
    for name in config.oauth2_extra:
        if name in fields:
            raise ConfigError(f"oauth2_extra has '{name}' too: set oauth2_{name} only")
        if name == "token":
            raise ConfigError("oauth2_extra holds fields of the token request, not a token")
    grant = kind(**fields, **config.oauth2_extra)
    await grant.session.close()
    grant.session = session_from_config(config, middlewares=(_Retried(config),))
    return grant


class _Mended(OAuth2Grant):  # type: ignore[misc]
    token: Any

    async def execute_token_request(self, data: Any) -> Any:
        """Returns the token that a request gives, also if it does not say when it ends."""
        fields = data.model_dump(exclude_none=True)
        async with self.session.post(self.token_url, data=fields) as response:
            answer = _json_object(await response.read())
            if "error" not in answer:
                response.raise_for_status()
        if "error" in answer:
            raise OAuth2Error(ErrorResponse.model_validate(answer))
        if answer.get("expires_in") is None:
            answer.setdefault("expires_at", 0)
        return Token.model_validate({"token_type": "Bearer", **answer})

    async def refresh_token(self) -> None:
        """Refreshes the token. A server that gives no new refresh token lets the old one live."""
        old: str = self.token.refresh_token
        client = {name: getattr(self, name, None) for name in ("client_id", "client_secret")}
        request = RefreshTokenAccessTokenRequest(refresh_token=old, **{**client, **self.kwargs})
        self.token = await self.execute_token_request(request)
        self.token.refresh_token = self.token.refresh_token or old


class _AuthorizationCode(_Mended, AuthorizationCodeGrant):  # type: ignore[misc]
    pass


class _ClientCredentials(_Mended, ClientCredentialsGrant):  # type: ignore[misc]
    pass


class _DeviceCode(_Mended, DeviceCodeGrant):  # type: ignore[misc]
    pass


class _Password(_Mended, ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    pass


_GRANTS: dict[str, tuple[type[Grant], tuple[str, ...]]] = {
    "authorization_code": (
        _AuthorizationCode,
        ("token_url", "authorization_url", "client_id", "pkce"),
    ),
    "client_credentials": (_ClientCredentials, ("token_url", "client_id", "client_secret")),
    "device_code": (
        _DeviceCode,
        ("token_url", "device_authorization_url", "client_id", "pkce"),
    ),
    "resource_owner_password_credentials": (
        _Password,
        ("token_url", "username", "password", "client_id", "client_secret"),
    ),
}
"""Each grant, and its fields: those of `Config`, without their prefix."""


class _Retried:
    """A middleware that tries token requests again, and lets none be redirected.

    A redirect would take a secret to another place, or nowhere, as a GET.

    Args:
        config: How often a request is tried.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        async def attempt() -> ClientResponse:
            with mapped_errors(request.url):
                return await _answer(request, handler)

        try:
            return await retry(attempt, self._config)
        except StacAssetError as error:
            failure = RequestFailedError(error.message, is_transient(error))
        raise failure


async def _answer(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise TokenError("it redirects the request")
    if response.status >= 400:
        asked = headers.retry_after(response)
        error = ResponseError.of(response.status, "", str(request.url), asked)
        # Some servers say with a 429 that a device code was asked for too often: not our business.
        if error.transient and b"slow_down" not in await response.read():
            raise error
    return response


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
