"""Asks endpoints for tokens, as often as is worth it, and says why there is none."""

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


async def requested_token(
    ask: Callable[[], Awaitable[Token]], url: URL, what: str, config: Config
) -> Token:
    """Returns the token that an endpoint gives.

    Args:
        ask: Asks once; raises what `answered` raises.
        url: The endpoint.
        what: What the token is, such as `SAS token`.
        config: How often the endpoint is asked.

    Raises:
        TokenError: It gives none.
    """

    async def attempt() -> Token:
        with mapped_errors(url):
            return await ask()

    try:
        return await retry(attempt, config)
    except TransferError as error:
        reason, transient = error.message, error.transient
    except StacAssetError as error:
        reason, transient = error.message, False
    failure = TokenError(f"{url.host_port_subcomponent} gave no {what}: {reason}")
    failure.transient = transient
    raise failure


async def answered(response: ClientResponse, url: URL, field: str) -> tuple[str, dict[str, Any]]:
    """Returns the token of an answer, and the whole of it.

    Args:
        response: The answer.
        url: The endpoint.
        field: What the token is called there.

    Raises:
        ResponseError: The endpoint refuses.
        TransferError: The answer holds no token.
    """
    if response.status != 200:
        raise ResponseError.of(response.status, "", str(url), headers.retry_after(response))
    try:
        answer = json.loads(await response.read())
        return str(answer[field]), answer
    except (ValueError, LookupError, TypeError):
        raise TransferError("its answer holds none") from None
