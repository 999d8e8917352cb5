"""Blocks of prefect-aws, which are accepted in place of `S3Credentials`.

The blocks require the extra `aws`. Only the endpoint URL of their client parameters is used.
"""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from typing import Any

from yarl import URL

from prefect_stac_asset.blocks.integrations import IntegrationBlock
from prefect_stac_asset.blocks.references import name_of
from stac_asset import Client, Config, ConfigError, S3Client
from stac_asset.clients.s3.identity import S3Identity

_CREDENTIALS = "prefect_aws.credentials"
AWS = IntegrationBlock(
    "AwsCredentials", "aws-credentials", "Saved AWS credentials of prefect-aws.", _CREDENTIALS
)
MINIO = IntegrationBlock(
    "MinIOCredentials", "minio-credentials", "Saved MinIO credentials of prefect-aws.", _CREDENTIALS
)
BUCKET = IntegrationBlock(
    "S3Bucket", "s3-bucket", "Saved bucket of prefect-aws, with credentials.", "prefect_aws.s3"
)

AWS_BLOCKS: tuple[IntegrationBlock, ...] = (AWS, MINIO, BUCKET) if find_spec("prefect_aws") else ()
"""The supported types, or empty if prefect-aws is not installed."""


async def aws_client(block: Any, config: Config) -> Client:
    """Return a client that uses the credentials of a block of prefect-aws.

    Args:
        block: A block of one of the types in `AWS_BLOCKS`. A bucket is for its own objects only.
        config: Options for requests. `s3_endpoint_url` is used if the block has no endpoint.

    Raises:
        ConfigError: The credentials are incomplete, or a MinIO block has no endpoint.
    """
    endpoint = endpoint_of(block) or config.s3_endpoint_url
    identity = identity_of(block, endpoint)
    config = dataclasses.replace(
        config,
        s3_region_name=region_of(block) or config.s3_region_name,
        s3_endpoint_url=endpoint,
    )
    host = URL(endpoint).host_port_subcomponent if endpoint else None
    buckets = [block.bucket_name] if BUCKET.is_instance(block) else []
    client = await S3Client.from_config(config, identity, buckets)
    client.credentials, client.credentials_host = name_of(block), host
    return client


def endpoint_of(block: Any) -> str | None:
    """Return the endpoint URL of a block, if it is not AWS.

    Args:
        block: A block of one of the types in `AWS_BLOCKS`.
    """
    endpoint: str | None = _credentials_of(block).aws_client_parameters.endpoint_url
    return endpoint or None


def region_of(block: Any) -> str | None:
    """Return the region of a block, if the block has one.

    Args:
        block: A block of one of the types in `AWS_BLOCKS`.
    """
    region: str | None = _credentials_of(block).region_name
    return region or None


def identity_of(block: Any, endpoint: str | None) -> S3Identity:
    """Return the identity of a block, which signs requests.

    Args:
        block: A block of one of the types in `AWS_BLOCKS`.
        endpoint: The endpoint URL of the requests, if it is not AWS.

    Raises:
        ConfigError: The credentials are incomplete, or a MinIO block has no endpoint.
    """
    named, block = block, _credentials_of(block)
    if MINIO.is_instance(block):
        if endpoint is None:
            raise ConfigError(
                f"{name_of(named)} has no MinIO endpoint. Set `endpoint_url` in its "
                "`aws_client_parameters`."
            )
        return S3Identity(
            access_key_id=block.minio_root_user,
            secret_access_key=block.minio_root_password.get_secret_value(),
        )
    secret = block.aws_secret_access_key
    # Blocks of prefect-aws 0.7.0 and older have no role.
    role_arn = getattr(block, "assume_role_arn", None)
    role_options = block.assume_role_kwargs.get_params_override() if role_arn else {}
    return S3Identity(
        access_key_id=block.aws_access_key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
        session_token=block.aws_session_token,
        profile_name=block.profile_name,
        role_arn=role_arn,
        role_options=role_options,
    )


def _credentials_of(block: Any) -> Any:
    """Return the block that has the credentials."""
    return block.credentials if BUCKET.is_instance(block) else block
