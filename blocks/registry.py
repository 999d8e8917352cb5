"""The supported types of blocks for sources and destinations, and clients made from blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from prefect.blocks.core import Block
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from prefect_stac_asset.blocks.base import ProviderCredentials
from prefect_stac_asset.blocks.earthdata import EarthdataCredentials
from prefect_stac_asset.blocks.http import HttpCredentials
from prefect_stac_asset.blocks.integrations import IntegrationBlock, is_one_of
from prefect_stac_asset.blocks.oauth2 import OAuth2Credentials
from prefect_stac_asset.blocks.parameter_schema import accept_only_references
from prefect_stac_asset.blocks.planetary_computer import PlanetaryComputerCredentials
from prefect_stac_asset.blocks.prefect_aws import AWS_BLOCKS, aws_client
from prefect_stac_asset.blocks.prefect_azure import AZURE_BLOCKS, azure_client
from prefect_stac_asset.blocks.prefect_gcp import GCP_BLOCKS, gcs_client
from prefect_stac_asset.blocks.s3 import S3Credentials
from stac_asset import Client, Config, ConfigError

OUR_BLOCKS: tuple[type[ProviderCredentials], ...] = (
    EarthdataCredentials,
    S3Credentials,
    PlanetaryComputerCredentials,
    HttpCredentials,
    OAuth2Credentials,
)
"""The block types of this package."""

INTEGRATION_BLOCKS = (*AWS_BLOCKS, *GCP_BLOCKS, *AZURE_BLOCKS)
"""The supported block types of the installed Prefect integrations."""

_CLIENTS = ((AWS_BLOCKS, aws_client), (GCP_BLOCKS, gcs_client), (AZURE_BLOCKS, azure_client))

CREDENTIAL_SLUGS = (
    *(kind.get_block_type_slug() for kind in OUR_BLOCKS),
    *(kind.slug for kind in INTEGRATION_BLOCKS),
)
"""The slugs of all supported types of credentials for sources."""

DESTINATION_SLUGS = (
    S3Credentials.get_block_type_slug(),
    *(kind.slug for kind in INTEGRATION_BLOCKS),
)
"""The slugs of all supported types of credentials for destinations."""


@dataclass(frozen=True, slots=True)
class SavedBlock:
    """Annotation for a block as a parameter that only accepts references.

    Args:
        kind: The type of the block, whose class is not imported.
    """

    kind: IntegrationBlock

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # A schema with a reference becomes a definition. Forms show the title of the definition.
        return core_schema.no_info_after_validator_function(
            self._checked, core_schema.any_schema(), ref=f"{self.kind.name}:{self.kind.slug}"
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(schema)
        definition = handler.resolve_ref_schema(found)
        definition["description"] = self.kind.description
        accept_only_references(definition, self.kind.name, self.kind.slug)
        return found

    def _checked(self, value: Any) -> Any:
        if not self.kind.is_instance(value):
            raise ValueError(f"the value is not of type {self.kind.name}")
        return value


if TYPE_CHECKING:
    AnyCredentials: TypeAlias = Block
    DestinationBlock: TypeAlias = Block
else:
    # A union of the types, so that Prefect's forms list the saved blocks of each type.
    _SAVED = tuple(Annotated[Block, SavedBlock(kind)] for kind in INTEGRATION_BLOCKS)
    AnyCredentials = reduce(or_, (*OUR_BLOCKS, *_SAVED))
    DestinationBlock = reduce(or_, (S3Credentials, *_SAVED))


def check_supported(block: Any) -> None:
    """Check that a block is of a supported type.

    Args:
        block: The block.

    Raises:
        ConfigError: The type of the block is not supported.
    """
    _check_type(block, OUR_BLOCKS, "credential block")


def check_supported_destination(block: Any) -> None:
    """Check that a block is of a type that destinations support.

    Args:
        block: The block.

    Raises:
        ConfigError: The type of the block is not supported.
    """
    _check_type(block, (S3Credentials,), "block for a destination")


def _check_type(block: Any, own: tuple[type[Block], ...], purpose: str) -> None:
    """Check that a block is of one of the own types, or of a type of an integration."""
    if isinstance(block, own) or is_one_of(block, INTEGRATION_BLOCKS):
        return
    names = *(kind.__name__ for kind in own), *(kind.name for kind in INTEGRATION_BLOCKS)
    raise ConfigError(
        f"{type(block).__name__} is not a supported {purpose}. Use one of {', '.join(names)}."
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
    make = next(make for kinds, make in _CLIENTS if is_one_of(block, kinds))
    return await make(block, config)
