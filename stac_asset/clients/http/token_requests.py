"""Token requests with retries, for the Earthdata login and the SAS tokens of Planetary Computer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientResponse
from yarl import URL

from stac_asset.clients.http import headers
from stac_asset.clients.http.tokens import Token
from stac_asset.config import Config
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import ResponseError, StacAssetError, TokenError, TransferError
from stac_asset.transfer.retry import retry


async def request_token(
    send: Callable[[], Awaitable[Token]], url: URL, label: str, config: Config
) -> Token:
    """Request a token from an endpoint, with retries.

    Args:
        send: Function that sends one request. It may raise the errors of `read_token`.
        url: The URL of the endpoint.
        label: Description of the token for error messages, such as `SAS token`.
        config: The configuration of the retries.

    Raises:
        TokenError: The endpoint issued no token.
    """

    async def attempt() -> Token:
        with mapped_errors(url):
            return await send()

    try:
        return await retry(attempt, config)
    except TransferError as error:
        reason, transient = error.message, error.transient
    except StacAssetError as error:
        reason, transient = error.message, False
    failure = TokenError(f"{url.host_port_subcomponent} issued no {label}: {reason}")
    failure.transient = transient
    raise failure


async def read_token(response: ClientResponse, url: URL, field: str) -> tuple[str, dict[str, Any]]:
    """Return the token in a JSON response, and the whole JSON object.

    Args:
        response: The response of the endpoint.
        url: The URL of the endpoint.
        field: Name of the JSON field that contains the token.

    Raises:
        ResponseError: The status of the response is not 200.
        TransferError: The response contains no token.
    """
    if response.status != 200:
        raise ResponseError.of(response.status, "", str(url), headers.retry_after(response))
    try:
        body = json.loads(await response.read())
        value = body[field]
    except (ValueError, LookupError, TypeError):
        value = None
    if not isinstance(value, str) or not value:  # Some endpoints send null with status 200.
        raise TransferError("the response contains no token")
    return value, body
