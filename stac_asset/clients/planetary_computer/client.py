"""Client for Microsoft's Planetary Computer: Azure Blob Storage with SAS tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from aiohttp import ClientResponse, ClientSession, hdrs
from yarl import URL

from stac_asset.clients.http.client import HttpClient
from stac_asset.clients.http.session import session_from_config
from stac_asset.clients.planetary_computer.sas import SasTokens
from stac_asset.config import Config
from stac_asset.errors import ConfigError, TokenError
from stac_asset.host_patterns import HostPattern
from stac_asset.string_lists import string_list
from stac_asset.transfer.interface import Request

_REFUSED_STATUSES = frozenset({401, 403, 404, 409})
"""Statuses with which Azure refuses requests without a token. Private containers seem missing."""
_BLOB_HOSTS = ("*.blob.core.windows.net", "http://*.blob.core.windows.net")


class PlanetaryComputerClient(HttpClient):
    """Open and download assets from Microsoft's Planetary Computer.

    An href is signed with a SAS token if it is in Azure Blob Storage, not in the public thumbnail
    account, and not signed already. There is one token per container. Concurrent downloads share
    one token request. The client renews a token before the token expires, and replaces a token once
    if the storage refuses the token. If the endpoint does not know a container, the client requests
    the blobs of this container without a token.

    Args:
        session: The session that will be used for all requests. Closing this client closes the
            session.
        sas_token_endpoint: The URL of the endpoint that issues SAS tokens. Account and container
            are appended to the path.
        check_content_type: If true, a content type that differs from the asset's is an error. If
            false, the difference is logged as a warning.
        subscription_key: A key that raises the endpoint's rate limits. Only the endpoint receives
            the key.
        blob_hosts: More hosts of blob storage whose hrefs are signed, in addition to
            `*.blob.core.windows.net`. The part that matches the star of `*.blob.example.com` is the
            account. For a host without a star, such as `http://127.0.0.1:10000` for Azurite, the
            account is the first segment of the path. A host without a scheme means https; prepend
            `http://` for http.
        config: The configuration of the token requests: attempts and wait times.

    Raises:
        ConfigError: One of `blob_hosts` is not a valid host pattern, or the endpoint is not a URL.
    """

    name = "planetary-computer"

    def __init__(
        self,
        session: ClientSession,
        sas_token_endpoint: str = Config.sas_token_endpoint,
        check_content_type: bool = True,
        subscription_key: str | None = None,
        blob_hosts: Iterable[str] = (),
        config: Config | None = None,
    ) -> None:
        super().__init__(session, check_content_type)
        self.sas_token_endpoint = sas_token_endpoint
        hosts = (*_BLOB_HOSTS, *string_list("blob_hosts", blob_hosts))
        self._hosts = tuple(map(HostPattern.parse, hosts))
        self._credentials = self._tokens = SasTokens(
            self._hosts,
            sas_token_endpoint,
            subscription_key,
            config or Config(),
            self._get,
        )

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Create a client with the endpoint and the subscription key of a configuration.

        Args:
            config: The configuration.

        Raises:
            ConfigError: The endpoint is not a URL.
        """
        session = session_from_config(config)
        try:
            client = cls(
                session,
                config.sas_token_endpoint,
                check_content_type=config.http_check_content_type,
                subscription_key=config.pc_subscription_key,
                config=config,
            )
        except ConfigError:
            await session.close()
            raise
        client.made_from = config.copy()
        return client

    def claims(self, url: URL) -> bool:
        """Return whether a URL is in Azure Blob Storage or on one of `blob_hosts`.

        Args:
            url: An absolute URL, or a URL without a scheme for a local path.
        """
        return super().claims(url) or any(host.match(url) is not None for host in self._hosts)

    async def prepare(self, url: URL) -> URL:
        """Return the signed URL for an href, or the same URL if no signature is needed.

        Args:
            url: The URL of the href.

        Raises:
            TokenError: The endpoint cannot be reached, or its response contains no token.
        """
        return await self._tokens.sign(url)

    def _check_status(self, response: ClientResponse, request: Request) -> None:
        refusal = (
            self._tokens.refusal(request.url) if response.status in _REFUSED_STATUSES else None
        )
        is_missing = response.headers.get("x-ms-error-code") == "BlobNotFound"
        if refusal is not None and not is_missing:
            raise TokenError(
                f"{refusal}, and the storage refuses requests without a token ({response.status})"
            )
        super()._check_status(response, request)

    async def _get(self, url: URL) -> ClientResponse:
        return await self._follow(hdrs.METH_GET, url, {hdrs.ACCEPT_ENCODING: "identity"})
