"""Block for Microsoft's Planetary Computer: a subscription key and the token endpoint."""

from __future__ import annotations

from pydantic import Field, SecretStr

from prefect_stac_asset.blocks.base import ProviderCredentials
from prefect_stac_asset.blocks.fields import HostList, HttpUrl, revealed
from stac_asset import Client, Config, PlanetaryComputerClient
from stac_asset.clients.http.session import session_from_config


class PlanetaryComputerCredentials(ProviderCredentials):
    """Sign URLs of Azure blob storage, with a subscription key for higher rate limits.

    The Planetary Computer also signs URLs without a key. This block is only required for a key, for
    another token endpoint or for additional blob hosts.

    Example:
        Download an item of the Planetary Computer:
        ```python
        import asyncio

        from prefect_stac_asset.blocks import PlanetaryComputerCredentials
        from prefect_stac_asset.flows import download_item

        credentials = PlanetaryComputerCredentials.load("BLOCK_NAME")
        asyncio.run(download_item(href, "downloads", credentials=credentials))
        ```
    """

    _block_type_name = "Planetary Computer Credentials"
    _block_type_slug = "planetary-computer-credentials"
    _documentation_url = "https://planetarycomputer.microsoft.com/docs/concepts/sas/"  # type: ignore[assignment]

    subscription_key: SecretStr | None = Field(
        default=None,
        title="Subscription key",
        description="Key for higher rate limits. Only the token endpoint receives the key.",
    )
    token_endpoint: HttpUrl = Field(
        default=Config.sas_token_endpoint,
        title="Token endpoint",
        description="URL that issues SAS tokens. Account and container are appended to the path.",
    )
    blob_hosts: HostList = Field(
        default=[],
        title="Blob hosts",
        description=(
            "Additional hosts of blob storage, besides *.blob.core.windows.net. The part of the "
            "host that matches * is the account. Without *, the first part of the path is the "
            "account."
        ),
    )

    async def _client(self, config: Config) -> Client:
        session = session_from_config(config)
        try:
            return PlanetaryComputerClient(
                session,
                self.token_endpoint,
                config.http_check_content_type,
                revealed(self.subscription_key),
                self.blob_hosts,
                config,
            )
        except BaseException:
            await session.close()
            raise
