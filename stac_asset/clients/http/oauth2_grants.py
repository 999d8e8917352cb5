"""The grants of `aiohttp-oauth2-client`, with the corrections that long runs need.

- Token requests are retried, and redirects are refused.
- Tokens without an expiration time are accepted.
- Public clients send their `client_id` when they refresh a token.
- A refresh token is kept if the server sends no new refresh token.

`OAuth2Bearer` in `oauth2` uses the grants.
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
"""The type of all grants. A grant obtains and refreshes tokens."""


class RequestFailedError(Exception):
    """Raised when the last attempt of a token request failed.

    This class is not a `StacAssetError`. aiohttp converts any `OSError` of a middleware to
    `ClientOSError`, and some errors of this package are also `OSError`.

    Args:
        reason: Reason for the failure of the last attempt.
        transient: Whether a later request may succeed.
    """

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.transient = transient


async def grant_from_config(config: Config) -> Grant:
    """Return the grant of a configuration. The caller closes the grant.

    Args:
        config: A valid configuration with an `oauth2_grant`.

    Raises:
        ConfigError: `oauth2_extra` contains a field that another parameter sets, or a token.
    """
    kind, names = _GRANTS[str(config.oauth2_grant)]
    fields = {name: getattr(config, f"oauth2_{name}") for name in names}
    fields = {name: value for name, value in fields.items() if value is not None}
    for name in config.oauth2_extra:
        if name in fields:
            raise ConfigError(f"oauth2_extra repeats the field '{name}'. Set `oauth2_{name}` only.")
        if name == "token":
            raise ConfigError(
                "oauth2_extra contains 'token'. Set `oauth2_extra` to fields of the token request."
            )
    grant = kind(**fields, **config.oauth2_extra)
    await grant.session.close()
    grant.session = session_from_config(config, middlewares=(_RetryMiddleware(config),))
    return grant


class _CorrectedGrant(OAuth2Grant):  # type: ignore[misc]
    """Base class of the grants, with the corrections for responses and refresh tokens."""

    token: Any

    async def execute_token_request(self, data: Any) -> Any:
        """Request a token. Accept tokens without an expiration time or a token type."""
        fields = data.model_dump(exclude_none=True)
        async with self.session.post(self.token_url, data=fields) as response:
            body = _json_object(await response.read())
            if "error" not in body:
                response.raise_for_status()
        if "error" in body:
            raise OAuth2Error(ErrorResponse.model_validate(body))
        if body.get("expires_in") is None:
            body.setdefault("expires_at", 0)
        return Token.model_validate({"token_type": "Bearer", **body})

    async def refresh_token(self) -> None:
        """Refresh the token. If the server sends no new refresh token, keep the present value."""
        present: str = self.token.refresh_token
        client = {name: getattr(self, name, None) for name in ("client_id", "client_secret")}
        request = RefreshTokenAccessTokenRequest(refresh_token=present, **{**client, **self.kwargs})
        self.token = await self.execute_token_request(request)
        self.token.refresh_token = self.token.refresh_token or present


class _AuthorizationCode(_CorrectedGrant, AuthorizationCodeGrant):  # type: ignore[misc]
    pass


class _ClientCredentials(_CorrectedGrant, ClientCredentialsGrant):  # type: ignore[misc]
    pass


class _DeviceCode(_CorrectedGrant, DeviceCodeGrant):  # type: ignore[misc]
    pass


class _Password(_CorrectedGrant, ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
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
"""Grant class and grant fields by grant name. `Config` has the fields with the prefix `oauth2_`."""


class _RetryMiddleware:
    """aiohttp middleware that retries token requests and refuses redirects.

    A redirect could send a secret to another host, or change the POST to a GET without a body.

    Args:
        config: The configuration of the retries.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        async def attempt() -> ClientResponse:
            with mapped_errors(request.url):
                return await _send(request, handler)

        try:
            return await retry(attempt, self._config)
        except StacAssetError as error:
            failure = RequestFailedError(error.message, is_transient(error))
        raise failure


async def _send(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise TokenError("the endpoint redirects the request")
    if response.status >= 400:
        wait = headers.retry_after(response)
        error = ResponseError.of(response.status, "", str(request.url), wait)
        # Some servers send `slow_down` with status 429. The device code grant handles that error.
        if error.transient and b"slow_down" not in await response.read():
            raise error
    return response


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
