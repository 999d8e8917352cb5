"""Microsoft's Planetary Computer: Azure blobs, signed by SAS tokens of one endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from aiohttp import ClientResponse, ClientSession, hdrs
from yarl import URL

from stac_asset.clients.http.client import HttpClient
from stac_asset.clients.http.session import session_from_config
from stac_asset.clients.planetary_computer.sas import SasTokens
from stac_asset.config import Config
from stac_asset.errors import ConfigError
from stac_asset.host_patterns import HostPattern

_BLOB_HOSTS = ("*.blob.core.windows.net", "http://*.blob.core.windows.net")


class PlanetaryComputerClient(HttpClient):
    """Open and download assets from Microsoft's Planetary Computer.

    An href is signed with a SAS token if it is in Azure blob storage, not in the public thumbnail
    account, and not signed already. There is one token for each container. It is asked for once,
    whatever number of assets waits for it, renewed before it expires, and replaced once where the
    storage refuses it.

    Args:
        session: The session that will be used for all requests. Closing this client closes it.
        sas_token_endpoint: Where SAS tokens come from: account and container follow in the path.
        check_content_type: If true, a content type that the asset does not expect is an error;
            if false, it is logged as a warning.
        subscription_key: A key that raises the endpoint's limits. Only the endpoint gets it.
        blob_hosts: More hosts of blob storage whose hrefs are signed, besides
            `*.blob.core.windows.net`. Of `*.blob.example.com` the account is what stands for the
            star; of a host without one, such as `http://127.0.0.1:10000` for Azurite, it is the
            first part of the path. Only https is meant, unless `http://` stands before it.
        config: How often a token request is tried, and how long the waits are.

    Raises:
        ConfigError: One of `blob_hosts` is no host, or the endpoint no URL.
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
        self._hosts = tuple(HostPattern.parse(host) for host in (*_BLOB_HOSTS, *blob_hosts))
        self._credentials = self._tokens = SasTokens(
            self._hosts,
            sas_token_endpoint,
            subscription_key,
            config or Config(),
            self._get,
        )

    @classmethod
    async def from_config(cls, config: Config) -> Self:
        """Creates a client with the endpoint and the subscription key of a configuration.

        Args:
            config: The configuration.

        Raises:
            ConfigError: The endpoint is no URL.
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
        """Returns whether a url is in Azure blob storage.

        Args:
            url: An absolute url, or a relative one without scheme for a local path.
        """
        return super().claims(url) or any(host.match(url) is not None for host in self._hosts)

    async def prepare(self, url: URL) -> URL:
        """Returns the signed url for an href's, or the same where it needs no signature.

        Args:
            url: The href's url.

        Raises:
            TokenError: The endpoint gives no token.
        """
        return await self._tokens.sign(url)

    async def _get(self, url: URL) -> ClientResponse:
        return await self._follow(hdrs.METH_GET, url, {hdrs.ACCEPT_ENCODING: "identity"})
