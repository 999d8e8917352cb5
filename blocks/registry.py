"""The supported types of credential blocks, and the creation of a client from a block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from prefect.blocks.core import Block
from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from prefect_stac_asset.blocks.base import ProviderCredentials
from prefect_stac_asset.blocks.earthdata import EarthdataCredentials
from prefect_stac_asset.blocks.http import HttpCredentials
from prefect_stac_asset.blocks.oauth2 import OAuth2Credentials
from prefect_stac_asset.blocks.parameter_schema import accept_only_references
from prefect_stac_asset.blocks.planetary_computer import PlanetaryComputerCredentials
from prefect_stac_asset.blocks.prefect_aws import AWS_BLOCKS, aws_client
from prefect_stac_asset.blocks.s3 import S3Credentials
from stac_asset import Client, Config, ConfigError

OUR_BLOCKS: tuple[type[ProviderCredentials], ...] = (
    EarthdataCredentials,
    S3Credentials,
    PlanetaryComputerCredentials,
    HttpCredentials,
    OAuth2Credentials,
)
"""The block types of this package. `AWS_BLOCKS` has those of prefect-aws."""


@dataclass(frozen=True, slots=True)
class _SavedOnly:
    """Annotation for a block of prefect-aws as a parameter that only accepts references."""

    kind: type[Block]

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        accept_only_references(handler.resolve_ref_schema(schema), self.kind)
        return schema


if TYPE_CHECKING:
    AnyCredentials: TypeAlias = Block
else:
    # A union of the types, so that Prefect's forms list the saved blocks of each type.
    AnyCredentials = reduce(
        or_, (*OUR_BLOCKS, *(Annotated[kind, _SavedOnly(kind)] for kind in AWS_BLOCKS))
    )


def check_supported(block: Any) -> None:
    """Check that a block is of a supported type.

    Args:
        block: The block.

    Raises:
        ConfigError: The type of the block is not supported.
    """
    kinds = (*OUR_BLOCKS, *AWS_BLOCKS)
    if not isinstance(block, kinds):
        raise ConfigError(
            f"{type(block).__name__} is not a supported credential block. Use one of "
            f"{', '.join(kind.__name__ for kind in kinds)}."
        )


async def client_of(block: Any, config: Config) -> Client:
    """Return a client that uses the credentials of a block.

    Args:
        block: The block.
        config: Options for requests.

    Raises:
        ConfigError: The type of the block is not supported, or the credentials are incomplete.
    """
    check_supported(block)
    if isinstance(block, ProviderCredentials):
        return await block.client(config)
    return await aws_client(block, config)
