"""SAS tokens of Azure's containers: which href needs one, and whence it comes."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote

from aiohttp import ClientResponse
from yarl import URL

from stac_asset.clients.http import headers
from stac_asset.clients.http.token_requests import answered, requested_token
from stac_asset.clients.http.tokens import Token, TokenKeeper
from stac_asset.config import Config
from stac_asset.errors import ConfigError, TransferError
from stac_asset.host_patterns import HostPattern
from stac_asset.redact import redact_href

_PUBLIC_ACCOUNTS = frozenset({"ai4edatasetspublicassets"})
"""Accounts that anybody may read: the thumbnails."""
_SIGNATURE = frozenset({"st", "se", "sp", "sig"})
"""Fields of a query of which each says that the href is signed already."""

# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*|\$(?:root|web|logs)")
_SAS_TOKEN = re.compile(r"[A-Za-z0-9%&=:._~+/,*-]+")


class Container(NamedTuple):
    """A container of blobs: the unit that a token is for."""

    account: str
    name: str

    def __str__(self) -> str:
        return f"container '{self.name}' of account '{self.account}'"


class SasTokens:
    """The tokens of all containers, and the key for the endpoint that gives them.

    Args:
        hosts: The hosts of blob storage.
        endpoint: The endpoint.
        key: The subscription key, if there is one.
        config: How often a token request is tried.
        get: Makes a GET request.

    Raises:
        ConfigError: The endpoint is no URL.
    """

    def __init__(
        self,
        hosts: tuple[HostPattern, ...],
        endpoint: str,
        key: str | None,
        config: Config,
        get: Callable[[URL], Awaitable[ClientResponse]],
    ) -> None:
        self._endpoint = URL(endpoint)
        if self._endpoint.scheme not in ("http", "https") or not self._endpoint.host:
            shown = redact_href(endpoint)
            raise ConfigError(f"sas_token_endpoint '{shown}' is no URL of http or https")
        self._hosts, self._config, self._get = hosts, config, get
        self._headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        self._keepers: dict[Container, TokenKeeper] = {}

    async def sign(self, url: URL) -> URL:
        """Returns a url with its container's token, or the same if it needs none."""
        container = _container(url, self._hosts)
        if container is None:
            return url
        if container not in self._keepers:
            self._keepers[container] = TokenKeeper(partial(self._obtain, container))
        return _signed(url, await self._keepers[container].get())

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Returns the subscription key for a url of the endpoint."""
        of_endpoint = url.origin() == self._endpoint.origin() and url.raw_path.startswith(
            f"{self._endpoint.raw_path.rstrip('/')}/"
        )
        return self._headers if of_endpoint else {}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Returns whether there is another token than the one that the storage refused."""
        container = _container(href, self._hosts)
        if container is None or refused.status != 403:
            return False
        keeper = self._keepers[container]
        if keeper.token is None or _signed(href, keeper.token) != refused.url:
            return True
        return await keeper.replace(keeper.token)

    async def close(self) -> None:
        """Does nothing: the client closes the session."""

    async def _obtain(self, container: Container) -> Token:
        url = self._endpoint / container.account / container.name
        what = f"SAS token for {container}"
        return await requested_token(partial(self._ask, url), url, what, self._config)

    async def _ask(self, url: URL) -> Token:
        async with await self._get(url) as response:
            value, answer = await answered(response, url, "token")
        value = value.lstrip("?")
        if not _SAS_TOKEN.fullmatch(value):
            raise TransferError("its answer holds none")
        return Token.lasting(value, _life(answer.get("msft:expiry"), headers.answered_at(response)))


def _life(expiry: object, now: datetime | None) -> float:
    """Returns seconds until a token expires, by the endpoint's clock rather than by ours."""
    try:
        end = datetime.fromisoformat(str(expiry))
    except ValueError:
        return math.inf
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    return (end - (now or datetime.now(UTC))).total_seconds()


def _container(url: URL, hosts: tuple[HostPattern, ...]) -> Container | None:
    """Returns the container whose token a url needs, if it needs one."""
    if _SIGNATURE & url.query.keys():
        return None
    for host in hosts:
        label = host.match(url)
        if label is None:
            continue
        parts = [unquote(part) for part in url.raw_path.split("/")[1:]]
        account = label if host.below else parts.pop(0)
        name = parts[0] if len(parts) > 1 else ""
        if (
            _ACCOUNT.fullmatch(account)
            and _CONTAINER.fullmatch(name)
            and account not in _PUBLIC_ACCOUNTS
        ):
            return Container(account, name)
    return None


def _signed(url: URL, token: Token) -> URL:
    bare = str(url.with_fragment(None))
    separator = "&" if url.raw_query_string else "" if bare.endswith("?") else "?"
    return URL(f"{bare}{separator}{token.value}", encoded=True)
