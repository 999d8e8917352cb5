"""NASA's Earthdata: a token, or the user that a token is given to."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator

from prefect_stac_asset.blocks.base import DOCUMENTATION, ProviderCredentials, logo
from prefect_stac_asset.blocks.fields import HostList, check_login, revealed
from stac_asset import Client, Config, EarthdataClient
from stac_asset.clients.earthdata.client import HOSTS
from stac_asset.clients.earthdata.login import LOGIN_URL


class EarthdataCredentials(ProviderCredentials):
    """Logs in to NASA's Earthdata, by a token or by a user's name and password.

    A block without either takes the token from the environment variable EARTHDATA_PAT, or else the
    login that `.netrc` has for the login host, where the flow runs.

    Example:
        Download an item of the LP DAAC:
        ```python
        import asyncio

        from prefect_stac_asset.blocks import EarthdataCredentials
        from prefect_stac_asset.flows import download_item

        credentials = EarthdataCredentials.load("BLOCK_NAME")
        asyncio.run(download_item(href, "downloads", credentials=credentials))
        ```
    """

    _block_type_name = "Earthdata Credentials"
    _block_type_slug = "earthdata-credentials"
    _logo_url = logo("earthdata")  # type: ignore[assignment]
    _documentation_url = DOCUMENTATION  # type: ignore[assignment]

    token: SecretStr | None = Field(
        default=None,
        title="Token",
        description="A personal access token, as the profile page of the login host makes it.",
    )
    username: SecretStr | None = Field(
        default=None,
        title="User name",
        description="The user's name, if there is no token: the login host gives one for it.",
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="The user's password."
    )
    hosts: HostList = Field(
        default=list(HOSTS),
        title="Hosts",
        description=(
            "The hosts that get the token, besides the login host: example.com, or *.example.com "
            "for all below it, over https unless http:// stands before it."
        ),
        min_length=1,
    )
    login_url: str = Field(
        default=LOGIN_URL,
        title="Login URL",
        description="Where users log in; only this host gets the user's name and password.",
    )

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        check_login(self.token, self.username, self.password)
        return self

    async def _client(self, config: Config) -> Client:
        return await EarthdataClient.login(
            revealed(self.token),
            revealed(self.username),
            revealed(self.password),
            HOSTS if self.hosts == list(HOSTS) else self.hosts,
            self.login_url,
            config,
        )
