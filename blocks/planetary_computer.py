"""Microsoft's Planetary Computer: a subscription key, and the endpoint that signs hrefs."""

from __future__ import annotations

from pydantic import Field, SecretStr

from prefect_stac_asset.blocks.base import DOCUMENTATION, ProviderCredentials, logo
from prefect_stac_asset.blocks.fields import HostList, revealed
from stac_asset import Client, Config, PlanetaryComputerClient
from stac_asset.clients.http.session import session_from_config


class PlanetaryComputerCredentials(ProviderCredentials):
    """Signs hrefs of Azure blob storage, with a subscription key that raises the limits.

    The Planetary Computer signs hrefs for everybody; this block is for who has a key, or an
    endpoint of their own.

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
    _logo_url = logo("planetary-computer")  # type: ignore[assignment]
    _documentation_url = DOCUMENTATION  # type: ignore[assignment]

    subscription_key: SecretStr | None = Field(
        default=None,
        title="Subscription key",
        description="A key that raises the token endpoint's limits; nobody else gets it.",
    )
    token_endpoint: str = Field(
        default=Config.sas_token_endpoint,
        title="Token endpoint",
        description="Where SAS tokens come from; account and container follow in the path.",
    )
    blob_hosts: HostList = Field(
        default=[],
        title="Blob hosts",
        description=(
            "More hosts of blob storage whose hrefs are signed, besides *.blob.core.windows.net: "
            "what stands for the star is the account, or else the first part of the path."
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
