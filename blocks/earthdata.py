"""Block for NASA Earthdata: a token, or a user name and password."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator

from prefect_stac_asset.blocks.base import ProviderCredentials
from prefect_stac_asset.blocks.fields import HostList, HttpUrl, check_login, revealed
from prefect_stac_asset.blocks.form_rules import LOGIN_RULES
from stac_asset import Client, Config, EarthdataClient
from stac_asset.clients.earthdata.hosts import DAAC_HOSTS, HOSTS
from stac_asset.clients.earthdata.login import LOGIN_URL


class EarthdataCredentials(ProviderCredentials):
    """Log in to NASA Earthdata with a token, or with a user name and password.

    A block without credentials uses the token in the environment variable EARTHDATA_PAT, or else
    the entry for the login host in `.netrc`, on the machine that runs the flow.

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
    _documentation_url = "https://urs.earthdata.nasa.gov/documentation"  # type: ignore[assignment]

    _form_rules = LOGIN_RULES

    token: SecretStr | None = Field(
        default=None,
        title="Token",
        description="Personal access token, created on the profile page of the login host.",
    )
    username: SecretStr | None = Field(
        default=None,
        title="User name",
        description="User name, if no token is set. The login host then issues a token.",
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="Password of the user."
    )
    hosts: HostList = Field(
        default=[*HOSTS, *DAAC_HOSTS],
        title="Hosts",
        description=(
            "Hosts that receive the token, in addition to the login host: example.com, or "
            "*.example.com for all subdomains. By default, all known hosts of the DAACs. Only "
            "https is used. For http, write the scheme, such as http://127.0.0.1:8010."
        ),
        min_length=1,
    )
    login_url: HttpUrl = Field(
        default=LOGIN_URL,
        title="Login URL",
        description="URL of the login host. Only this host receives the user name and password.",
    )

    @model_validator(mode="after")
    def _has_one_login(self) -> Self:
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
