"""Servers that want a token of OAuth2, such as those of the Copernicus Data Space."""

from __future__ import annotations

import dataclasses
from typing import Literal, Self

from prefect.types import SecretDict
from pydantic import Field, SecretStr, model_validator

from prefect_stac_asset.blocks.base import DOCUMENTATION, ProviderCredentials, logo
from prefect_stac_asset.blocks.fields import HostList, revealed
from stac_asset import Client, Config, ConfigError, HttpClient
from stac_asset.clients.http.oauth2 import OAuth2Bearer
from stac_asset.clients.http.session import session_from_config

Grant = Literal[
    "client_credentials",
    "resource_owner_password_credentials",
    "authorization_code",
    "device_code",
]


class OAuth2Credentials(ProviderCredentials):
    """Obtains a token by one of the grants of OAuth2, and renews it for as long as a run takes.

    Of the grants, `authorization_code` and `device_code` need a person beside the flow.

    Example:
        Save the credentials of the Copernicus Data Space once, and download with them:
        ```python
        import asyncio

        from prefect_stac_asset.blocks import OAuth2Credentials
        from prefect_stac_asset.flows import download_item

        OAuth2Credentials(
            grant="resource_owner_password_credentials",
            token_url=(
                "https://identity.dataspace.copernicus.eu/auth/realms/CDSE"
                "/protocol/openid-connect/token"
            ),
            client_id="cdse-public",
            username="…",
            password="…",
            hosts=["*.dataspace.copernicus.eu"],
        ).save("BLOCK_NAME")

        credentials = OAuth2Credentials.load("BLOCK_NAME")
        asyncio.run(download_item(href, "downloads", credentials=credentials))
        ```
    """

    _block_type_name = "OAuth2 Credentials"
    _block_type_slug = "oauth2-credentials"
    _logo_url = logo("oauth2")  # type: ignore[assignment]
    _documentation_url = DOCUMENTATION  # type: ignore[assignment]

    grant: Grant = Field(title="Grant", description="How a token is obtained.")
    token_url: str = Field(title="Token URL", description="The token endpoint.")
    hosts: HostList = Field(
        title="Hosts",
        description=(
            "The only hosts that the token may go to: example.com, or *.example.com for all below "
            "it, over https unless http:// stands before it."
        ),
        min_length=1,
    )
    client_id: str | None = Field(default=None, title="Client id", description="The client's id.")
    client_secret: SecretStr | None = Field(
        default=None, title="Client secret", description="The client's secret, if it has one."
    )
    username: SecretStr | None = Field(
        default=None, title="User name", description="The user's name, for the password grant."
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="The user's password, for the password grant."
    )
    scopes: list[str] = Field(
        default=[], title="Scopes", description="The scopes that are asked for."
    )
    authorization_url: str | None = Field(
        default=None,
        title="Authorization URL",
        description="The authorization endpoint, for the authorization code grant.",
    )
    device_authorization_url: str | None = Field(
        default=None,
        title="Device authorization URL",
        description="The device authorization endpoint, for the device code grant.",
    )
    extra: SecretDict | None = Field(
        default=None,
        title="Further fields",
        description='Further fields of the token request, such as {"audience": "…"}.',
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        try:
            self._configured(Config()).validate()
        except ConfigError as error:
            # Without `from`, which would hang a text with the fields' values on it.
            reason = str(error).replace("oauth2_", "")
        else:
            return self
        raise ValueError(reason)

    def _configured(self, config: Config) -> Config:
        extra = dict(self.extra.get_secret_value()) if self.extra else {}
        if self.scopes:
            extra["scope"] = " ".join(self.scopes)
        return dataclasses.replace(
            config,
            oauth2_grant=self.grant,
            oauth2_token_url=self.token_url,
            oauth2_hosts=self.hosts,
            oauth2_client_id=self.client_id,
            oauth2_client_secret=revealed(self.client_secret),
            oauth2_username=revealed(self.username),
            oauth2_password=revealed(self.password),
            oauth2_authorization_url=self.authorization_url,
            oauth2_device_authorization_url=self.device_authorization_url,
            oauth2_extra=extra,
        )

    async def _client(self, config: Config) -> Client:
        bearer = await OAuth2Bearer.from_config(self._configured(config))
        session = session_from_config(config)
        return HttpClient(session, config.http_check_content_type, bearer, self.hosts)
