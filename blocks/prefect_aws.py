"""Blocks of prefect-aws, which are accepted in place of `S3Credentials`.

The blocks require the extra `aws`. Only the endpoint URL of their client parameters is used.
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

_MODULE = "prefect_aws.credentials"


@dataclass(frozen=True, slots=True)
class AwsBlockType:
    """A block type of prefect-aws.

    The class of the type is not imported: importing prefect-aws takes half a second.
    """

    name: str
    """Name of the class in `prefect_aws.credentials`."""

    slug: str
    """Slug of the block type."""

    description: str
    """One sentence for run forms."""

    def is_instance(self, value: Any) -> bool:
        """Return whether a value is a block of this type.

        Args:
            value: Any value. The module of the class is imported if a block of the class exists.
        """
        module = sys.modules.get(_MODULE)
        return module is not None and isinstance(value, getattr(module, self.name))


AWS = AwsBlockType("AwsCredentials", "aws-credentials", "Saved AWS credentials of prefect-aws.")
MINIO = AwsBlockType(
    "MinIOCredentials", "minio-credentials", "Saved MinIO credentials of prefect-aws."
)

AWS_BLOCKS: tuple[AwsBlockType, ...] = (AWS, MINIO) if find_spec("prefect_aws") else ()
"""The supported block types, or empty if prefect-aws is not installed."""


async def aws_client(block: Any, config: Config) -> Client:
    """Return a client that uses the credentials of a block of prefect-aws.

    Args:
        block: A block of one of the types in `AWS_BLOCKS`.
        config: Options for requests. `s3_endpoint_url` is used if the block has no endpoint.

    Raises:
        ConfigError: The credentials are incomplete, or a MinIO block has no endpoint.
    """
    endpoint = block.aws_client_parameters.endpoint_url or config.s3_endpoint_url
    if block.get_block_type_slug() == MINIO.slug:
        if endpoint is None:
            raise ConfigError(
                f"{name_of(block)} has no MinIO endpoint. Set `endpoint_url` in its "
                "`aws_client_parameters`."
            )
        identity = S3Identity(
            access_key_id=block.minio_root_user,
            secret_access_key=block.minio_root_password.get_secret_value(),
        )
    else:
        secret = block.aws_secret_access_key
        identity = S3Identity(
            access_key_id=block.aws_access_key_id,
            secret_access_key=secret.get_secret_value() if secret else None,
            session_token=block.aws_session_token,
            profile_name=block.profile_name,
            role_arn=block.assume_role_arn,
            role_options=block.assume_role_kwargs.get_params_override(),
        )
    config = dataclasses.replace(
        config,
        s3_region_name=block.region_name or config.s3_region_name,
        s3_endpoint_url=endpoint,
    )
    host = URL(endpoint).host_port_subcomponent if endpoint else None
    client = await S3Client.from_config(config, identity)
    client.credentials, client.credentials_host = name_of(block), host
    return client
