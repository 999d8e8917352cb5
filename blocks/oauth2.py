"""Block for servers that require an OAuth2 token, such as the Copernicus Data Space."""

from __future__ import annotations

import dataclasses
from typing import Literal, Self

from prefect.types import SecretDict
from pydantic import Field, SecretStr, model_validator

from prefect_stac_asset.blocks.base import ProviderCredentials
from prefect_stac_asset.blocks.fields import HostList, HttpUrl, revealed
from prefect_stac_asset.blocks.form_rules import is_set
from stac_asset import Client, Config, ConfigError, HttpClient
from stac_asset.clients.http.oauth2 import OAuth2Bearer
from stac_asset.clients.http.session import session_from_config
from stac_asset.config import OAUTH2_GRANTS

Grant = Literal[
    "client_credentials",
    "resource_owner_password_credentials",
    "authorization_code",
    "device_code",
]


class OAuth2Credentials(ProviderCredentials):
    """Obtain a token by an OAuth2 grant, and refresh the token during a run.

    The grants `authorization_code` and `device_code` require a person to log in during the run.

    Example:
        Save the credentials of the Copernicus Data Space once, and use them for downloads:
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
    _documentation_url = "https://datatracker.ietf.org/doc/html/rfc6749"  # type: ignore[assignment]

    _form_rules = tuple(
        {
            "anyOf": [
                {"not": {"properties": {"grant": {"const": grant}}}},
                is_set(*(field.removeprefix("oauth2_") for field in fields)),
            ]
        }
        for grant, fields in OAUTH2_GRANTS.items()
    )

    grant: Grant = Field(title="Grant", description="OAuth2 grant to obtain a token.")
    token_url: HttpUrl = Field(title="Token URL", description="URL of the token endpoint.")
    hosts: HostList = Field(
        title="Hosts",
        description=(
            "Hosts that receive the token: example.com, or *.example.com for all subdomains. Only "
            "https is used. For http, write the scheme, such as http://127.0.0.1:8010."
        ),
        min_length=1,
    )
    client_id: str | None = Field(default=None, title="Client id", description="Id of the client.")
    client_secret: SecretStr | None = Field(
        default=None, title="Client secret", description="Secret of the client, if required."
    )
    username: SecretStr | None = Field(
        default=None, title="User name", description="User name for the password grant."
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="Password for the password grant."
    )
    scopes: list[str] = Field(default=[], title="Scopes", description="Scopes to request.")
    authorization_url: HttpUrl | None = Field(
        default=None,
        title="Authorization URL",
        description="URL of the authorization endpoint, for the authorization code grant.",
    )
    device_authorization_url: HttpUrl | None = Field(
        default=None,
        title="Device authorization URL",
        description="URL of the device authorization endpoint, for the device code grant.",
    )
    extra: SecretDict | None = Field(
        default=None,
        title="Additional fields",
        description='Additional fields of the token request, such as {"audience": "…"}.',
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        try:
            self._with_credentials(Config()).validate()
        except ConfigError as error:
            # Raised outside of `except`: the context would show the values of the fields.
            reason = str(error).replace("oauth2_", "")
        else:
            return self
        raise ValueError(reason)

    def _with_credentials(self, config: Config) -> Config:
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
        bearer = await OAuth2Bearer.from_config(self._with_credentials(config))
        session = session_from_config(config)
        return HttpClient(session, config.http_check_content_type, bearer, self.hosts)
