"""Block for HTTP servers: a bearer token, a user name and password, or headers, for given hosts."""

from __future__ import annotations

from typing import Self

from aiohttp import hdrs
from prefect.types import SecretDict
from pydantic import Field, SecretStr, field_validator, model_validator

from prefect_stac_asset.blocks.base import ProviderCredentials
from prefect_stac_asset.blocks.fields import HostList, check_login, revealed
from prefect_stac_asset.blocks.form_rules import LOGIN_RULES, is_set
from stac_asset import Client, Config, HttpClient
from stac_asset.clients.http.credentials import HostHeaders, basic
from stac_asset.clients.http.session import session_from_config
from stac_asset.host_patterns import HostPatterns


class HttpCredentials(ProviderCredentials):
    """Send a bearer token, a user name and password, or headers to the given hosts only.

    Example:
        Download an item from a server that requires a token:
        ```python
        import asyncio

        from prefect_stac_asset.blocks import HttpCredentials
        from prefect_stac_asset.flows import download_item

        credentials = HttpCredentials.load("BLOCK_NAME")
        asyncio.run(download_item(href, "downloads", credentials=credentials))
        ```
    """

    _block_type_name = "HTTP Credentials"
    _block_type_slug = "http-credentials"
    _documentation_url = "https://developer.mozilla.org/docs/Web/HTTP/Guides/Authentication"  # type: ignore[assignment]

    _form_rules = (
        *LOGIN_RULES,
        {"anyOf": [is_set("token"), is_set("username"), is_set("headers")]},
    )

    hosts: HostList = Field(
        title="Hosts",
        description=(
            "Hosts that receive these credentials: example.com, or *.example.com for all "
            "subdomains. Only https is used. For http, write the scheme, such as "
            "http://127.0.0.1:8010."
        ),
        min_length=1,
    )
    token: SecretStr | None = Field(
        default=None, title="Bearer token", description="Token to send as `Authorization: Bearer`."
    )
    username: SecretStr | None = Field(
        default=None, title="User name", description="User name for basic authentication."
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="Password for basic authentication."
    )
    headers: SecretDict | None = Field(
        default=None,
        title="Headers",
        description='Headers to send, such as {"X-API-Key": "…"}.',
    )

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: SecretDict | None) -> SecretDict | None:
        for value in headers.get_secret_value().values() if headers else ():
            if not isinstance(value, str):
                raise ValueError("Header values must be strings.")
        return headers

    @model_validator(mode="after")
    def _has_credentials(self) -> Self:
        check_login(self.token, self.username, self.password)
        if not self._all_headers():
            raise ValueError(
                "The block has no credentials. Set `token`, `username` and `password`, or "
                "`headers`."
            )
        return self

    def _all_headers(self) -> dict[str, str]:
        """Return the headers to send, including `Authorization`."""
        sent = dict(self.headers.get_secret_value()) if self.headers else {}
        if token := revealed(self.token):
            sent[hdrs.AUTHORIZATION] = f"Bearer {token}"
        if username := revealed(self.username):
            sent[hdrs.AUTHORIZATION] = basic(username, revealed(self.password) or "")
        return sent

    async def _client(self, config: Config) -> Client:
        return HttpClient(
            session_from_config(config),
            config.http_check_content_type,
            HostHeaders(self._all_headers(), HostPatterns(self.hosts)),
            self.hosts,
        )
