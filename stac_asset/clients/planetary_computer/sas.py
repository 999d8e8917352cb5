"""SAS tokens of Azure Blob Storage: requests for tokens, and signing of URLs.

`PlanetaryComputerClient` signs each URL with `SasTokens`.
"""

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
from stac_asset.clients.http.token_requests import read_token, request_token
from stac_asset.clients.http.tokens import Token, TokenKeeper
from stac_asset.config import Config
from stac_asset.errors import ConfigError, ResponseError, TransferError
from stac_asset.host_patterns import HostPattern
from stac_asset.notices import notice
from stac_asset.redact import redact_href

_PUBLIC_ACCOUNTS = frozenset({"ai4edatasetspublicassets"})
"""Accounts with public read access, which contain thumbnails."""
_SIGNATURE = frozenset({"st", "se", "sp", "sig"})
"""Query parameters of SAS tokens. An href with such a parameter is signed."""

# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*|\$(?:root|web|logs)")
_TRANSIENT = frozenset({407, 408, 425, 429})
"""Client errors of the endpoint that do not mean that the container is unknown."""
_UNKNOWN = "The token service issued no SAS token for containers, which are read without a token"
_SAS_TOKEN = re.compile(r"[A-Za-z0-9%&=:._~+/,*-]+")


class Container(NamedTuple):
    """A container of blobs. SAS tokens are issued per container."""

    account: str
    name: str

    def __str__(self) -> str:
        return f"container '{self.name}' of account '{self.account}'"


class SasTokens:
    """Credential with the SAS tokens of all containers, and the key for the token endpoint.

    Args:
        hosts: The hosts of blob storage.
        endpoint: The URL of the endpoint that issues tokens.
        key: The subscription key, if any.
        config: The configuration of the token requests.
        get: Function that sends a GET request.

    Raises:
        ConfigError: The endpoint is not a URL.
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
            raise ConfigError(
                f"sas_token_endpoint '{shown}' is not a URL. "
                "Set `sas_token_endpoint` to an http or https URL."
            )
        self._hosts, self._config, self._get = hosts, config, get
        self._headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        self._keepers: dict[Container, TokenKeeper] = {}
        self._refusals: dict[Container, str] = {}

    @property
    def _limit_advice(self) -> str:
        if self._headers:
            return "the limit of the subscription key is reached. Start the run again later"
        return (
            "set `pc_subscription_key` to a subscription key of the Planetary Computer, which "
            "raises the limit, or start the run again later"
        )

    async def sign(self, url: URL) -> URL:
        """Return the URL with the token of the container, or unchanged if no token is needed.

        Args:
            url: The URL of a blob, or any other URL.

        Raises:
            TokenError: The endpoint issued no token.
        """
        container = _container(url, self._hosts)
        if container is None:
            return url
        if container not in self._keepers:
            self._keepers[container] = TokenKeeper(partial(self._obtain, container))
        token = await self._keepers[container].get()
        return _signed(url, token) if token.value else url

    def refusal(self, url: URL) -> str | None:
        """Return why the endpoint issued no token for a blob that was requested without a token.

        Args:
            url: The URL of the blob, without signature.
        """
        container = _container(url, self._hosts) if self._refusals else None
        return self._refusals.get(container) if container is not None else None

    async def headers(self, url: URL) -> Mapping[str, str]:
        """Return the subscription key for a URL of the endpoint; otherwise no headers.

        Args:
            url: The URL of a request or of one hop of a redirect.
        """
        of_endpoint = url.origin() == self._endpoint.origin() and url.raw_path.startswith(
            f"{self._endpoint.raw_path.rstrip('/')}/"
        )
        return self._headers if of_endpoint else {}

    async def renew(self, href: URL, refused: ClientResponse) -> bool:
        """Return whether there is a new token in place of the refused token.

        Args:
            href: The URL of the blob, without signature.
            refused: The response, with status 401 or 403.

        Raises:
            TokenError: The endpoint issued no token.
        """
        container = _container(href, self._hosts)
        if container is None or refused.status != 403 or container in self._refusals:
            return False
        keeper = self._keepers[container]
        if keeper.token is None or _signed(href, keeper.token) != refused.url:
            return True
        return await keeper.replace(keeper.token)

    async def close(self) -> None:
        """Do nothing, because the client closes the session."""

    async def _obtain(self, container: Container) -> Token:
        url = self._endpoint / container.account / container.name
        label = f"SAS token for {container}"
        token = await request_token(partial(self._send, url, container), url, label, self._config)
        if not token.value:
            notice(_UNKNOWN, str(container))
        return token

    async def _send(self, url: URL, container: Container) -> Token:
        """Return the token of a container. The token is empty if the endpoint refuses to issue one.

        The endpoint knows only the containers of the Planetary Computer. Other containers may be
        public.
        """
        async with await self._get(url) as response:
            if 400 <= response.status < 500 and response.status not in _TRANSIENT:
                self._refusals[container] = (
                    f"{url.host_port_subcomponent} issued no SAS token for {container}: "
                    f"{response.status} for {redact_href(url)}"
                )
                return Token.lasting("", math.inf)
            if response.status == 429:
                wait = headers.retry_after(response)
                raise ResponseError.of(429, "", str(url), wait, self._limit_advice)
            value, body = await read_token(response, url, "token")
        value = value.lstrip("?")
        if not _SAS_TOKEN.fullmatch(value):
            raise TransferError("the response contains no token")
        return Token.lasting(value, _lifetime(body.get("msft:expiry"), headers.sent_at(response)))


def _lifetime(expiry: object, now: datetime | None) -> float:
    """Return the seconds until a token expires.

    Args:
        expiry: The expiration time, in ISO 8601. The lifetime is infinite for other values.
        now: The time of the endpoint's clock, if known. The local clock may be wrong.
    """
    try:
        end = datetime.fromisoformat(str(expiry))
    except ValueError:
        return math.inf
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    return (end - (now or datetime.now(UTC))).total_seconds()


def _container(url: URL, hosts: tuple[HostPattern, ...]) -> Container | None:
    """Return the container of a URL, if requests for the URL need a token."""
    if _SIGNATURE & url.query.keys():
        return None
    for host in hosts:
        label = host.match(url)
        if label is None:
            continue
        parts = [unquote(part) for part in url.raw_path.split("/")[1:]]
        account = label if host.subdomains else parts.pop(0)
        name = parts[0] if len(parts) > 1 else ""
        if (
            _ACCOUNT.fullmatch(account)
            and _CONTAINER.fullmatch(name)
            and account not in _PUBLIC_ACCOUNTS
        ):
            return Container(account, name)
    return None


def _signed(url: URL, token: Token) -> URL:
    text = str(url.with_fragment(None))
    separator = "&" if url.raw_query_string else "" if text.endswith("?") else "?"
    return URL(f"{text}{separator}{token.value}", encoded=True)
