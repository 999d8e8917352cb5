"""Blocks of prefect-aws, which are accepted in place of `S3Credentials`.

`S3Bucket` is accepted as the destination of a flow. The blocks require the extra `aws`. Only the
endpoint URL of their client parameters is used.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from yarl import URL

from prefect_stac_asset.blocks.references import name_of
from stac_asset import Client, Config, ConfigError, S3Client
from stac_asset.clients.s3.identity import S3Identity


@dataclass(frozen=True, slots=True)
class AwsBlockType:
    """A block type of prefect-aws.

    The class of the type is not imported: importing prefect-aws takes half a second.
    """

    name: str
    """Name of the class."""

    slug: str
    """Slug of the block type."""

    description: str
    """One sentence for run forms."""

    module: str = "prefect_aws.credentials"
    """Name of the module of the class."""

    def is_instance(self, value: Any) -> bool:
        """Return whether a value is a block of this type.

        Args:
            value: Any value. The module of the class is imported if a block of the class exists.
        """
        module = sys.modules.get(self.module)
        return module is not None and isinstance(value, getattr(module, self.name))


AWS = AwsBlockType("AwsCredentials", "aws-credentials", "Saved AWS credentials of prefect-aws.")
MINIO = AwsBlockType(
    "MinIOCredentials", "minio-credentials", "Saved MinIO credentials of prefect-aws."
)

BUCKET = AwsBlockType(
    "S3Bucket", "s3-bucket", "Saved bucket of prefect-aws, with credentials.", "prefect_aws.s3"
)

AWS_BLOCKS: tuple[AwsBlockType, ...] = (AWS, MINIO) if find_spec("prefect_aws") else ()
"""The supported types of credentials, or empty if prefect-aws is not installed."""

BUCKET_BLOCKS: tuple[AwsBlockType, ...] = (BUCKET,) if find_spec("prefect_aws") else ()
"""The supported types of destinations, or empty if prefect-aws is not installed."""


async def aws_client(block: Any, config: Config) -> Client:
    """Return a client that uses the credentials of a block of prefect-aws.

    Args:
        block: A block of one of the types in `AWS_BLOCKS`.
        config: Options for requests. `s3_endpoint_url` is used if the block has no endpoint.

    Raises:
        ConfigError: The credentials are incomplete, or a MinIO block has no endpoint.
    """
    endpoint = endpoint_of(block) or config.s3_endpoint_url
    identity = identity_of(block, endpoint)
    config = dataclasses.replace(
        config,
        s3_region_name=block.region_name or config.s3_region_name,
        s3_endpoint_url=endpoint,
    )
    host = URL(endpoint).host_port_subcomponent if endpoint else None
    client = await S3Client.from_config(config, identity)
    client.credentials, client.credentials_host = name_of(block), host
    return client


def endpoint_of(block: Any) -> str | None:
    """Return the endpoint URL of a block, if it is not AWS.

    Args:
        block: A block of one of the types in `AWS_BLOCKS`.
    """
    endpoint: str | None = block.aws_client_parameters.endpoint_url
    return endpoint or None


def identity_of(block: Any, endpoint: str | None) -> S3Identity:
    """Return the identity of a block, which signs requests.

    Args:
        block: A block of one of the types in `AWS_BLOCKS`.
        endpoint: The endpoint URL of the requests, if it is not AWS.

    Raises:
        ConfigError: The credentials are incomplete, or a MinIO block has no endpoint.
    """
    if block.get_block_type_slug() == MINIO.slug:
        if endpoint is None:
            raise ConfigError(
                f"{name_of(block)} has no MinIO endpoint. Set `endpoint_url` in its "
                "`aws_client_parameters`."
            )
        return S3Identity(
            access_key_id=block.minio_root_user,
            secret_access_key=block.minio_root_password.get_secret_value(),
        )
    secret = block.aws_secret_access_key
    return S3Identity(
        access_key_id=block.aws_access_key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
        session_token=block.aws_session_token,
        profile_name=block.profile_name,
        role_arn=block.assume_role_arn,
        role_options=block.assume_role_kwargs.get_params_override(),
    )
