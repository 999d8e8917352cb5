"""Block for S3 and compatible services: credentials, endpoint and buckets."""

from __future__ import annotations

import dataclasses
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from yarl import URL

from prefect_stac_asset.blocks.base import ProviderCredentials
from prefect_stac_asset.blocks.fields import HttpUrl, revealed
from prefect_stac_asset.blocks.form_rules import needs
from stac_asset import Client, Config, S3Client
from stac_asset.clients.s3.identity import BucketPrefix, S3Identity


class S3Credentials(ProviderCredentials):
    """Sign requests to S3 with access keys, a profile or an assumed role, for given buckets.

    Example:
        Download an item from a bucket with requester pays:
        ```python
        import asyncio

        from prefect_stac_asset.blocks import S3Credentials
        from prefect_stac_asset.flows import download_item

        credentials = S3Credentials.load("BLOCK_NAME")
        asyncio.run(download_item(href, "downloads", credentials=credentials))
        ```
    """

    _block_type_name = "S3 Credentials"
    _block_type_slug = "s3-credentials"
    _documentation_url = "https://docs.aws.amazon.com/IAM/latest/UserGuide/security-creds.html"  # type: ignore[assignment]

    _form_rules = (
        needs("access_key_id", "secret_access_key"),
        needs("secret_access_key", "access_key_id"),
        needs("session_token", "access_key_id"),
        needs("external_id", "role_arn"),
    )

    access_key_id: SecretStr | None = Field(
        default=None, title="Access key id", description="Id of the access key."
    )
    secret_access_key: SecretStr | None = Field(
        default=None, title="Secret access key", description="Secret of the access key."
    )
    session_token: SecretStr | None = Field(
        default=None,
        title="Session token",
        description="Session token, if the access key is temporary.",
    )
    profile_name: str | None = Field(
        default=None,
        title="Profile",
        description="Profile in the AWS configuration files of the machine that runs the flow.",
    )
    role_arn: str | None = Field(
        default=None,
        title="Role to assume",
        description="ARN of a role to assume with the access key or the profile.",
    )
    external_id: SecretStr | None = Field(
        default=None,
        title="External id",
        description="External ID required by the role's trust policy, if any.",
    )
    sts_endpoint_url: HttpUrl | None = Field(
        default=None,
        title="STS endpoint URL",
        description="URL of the service that assumes the role, if it is not AWS.",
    )
    region_name: str | None = Field(
        default=None,
        title="Region",
        description="Region of buckets whose region is not declared by an item.",
    )
    endpoint_url: HttpUrl | None = Field(
        default=None,
        title="Endpoint URL",
        description="URL of an S3-compatible service, if it is not AWS.",
    )
    requester_pays: bool = Field(
        default=False,
        title="Requester pays",
        description="Accept the charges for requests to buckets with requester pays.",
    )
    buckets: list[str] = Field(
        default=[],
        title="Buckets",
        description=(
            "Buckets, or prefixes in buckets (bucket/prefix), for which these credentials are "
            "used. By default all buckets."
        ),
    )

    @field_validator("buckets")
    @classmethod
    def _are_buckets(cls, buckets: list[str]) -> list[str]:
        for bucket in buckets:
            BucketPrefix.parse(bucket)
        return buckets

    @field_validator("endpoint_url", "sts_endpoint_url")
    @classmethod
    def _no_empty_url(cls, url: str | None) -> str | None:
        return url or None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        self.identity()
        return self

    def identity(self) -> S3Identity:
        """Return the identity that signs requests.

        Raises:
            ConfigError: The credentials are incomplete.
        """
        return S3Identity(
            access_key_id=revealed(self.access_key_id),
            secret_access_key=revealed(self.secret_access_key),
            session_token=revealed(self.session_token),
            profile_name=self.profile_name or None,
            role_arn=self.role_arn or None,
            external_id=revealed(self.external_id),
            sts_endpoint_url=self.sts_endpoint_url,
        )

    async def _client(self, config: Config) -> Client:
        config = dataclasses.replace(
            config,
            s3_region_name=self.region_name or config.s3_region_name,
            s3_endpoint_url=self.endpoint_url,
            s3_requester_pays=self.requester_pays or config.s3_requester_pays,
        )
        return await S3Client.from_config(config, self.identity(), self.buckets)

    def _endpoint(self) -> str | None:
        return URL(self.endpoint_url).host_port_subcomponent if self.endpoint_url else None
