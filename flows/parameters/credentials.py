"""The parameter `credentials` of flows and tasks, and the creation of clients.

- `Credentials` is the type of a flow's parameter: a block, a list of blocks, or None.
- `DestinationCredentials` is the type of a flow's parameter `destination_credentials`.
- `TaskCredentials` is the type of a task's parameter: blocks, or references to saved blocks.
- `prefect_stac_asset.blocks.BlockReference` names a saved block and contains no secret.
- `open_destinations(credentials, config)` creates the destinations of a run.
- `references(credentials)` returns references to blocks, for tasks in other processes.
- `open_clients(credentials, config)` creates the clients and closes them.
  `prefect_stac_asset.flows.execution.session.open_session` calls it for a run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from prefect import get_run_logger
from prefect.blocks.core import Block

from prefect_stac_asset.blocks import EarthdataCredentials, S3Credentials
from prefect_stac_asset.blocks.destinations import destination_access
from prefect_stac_asset.blocks.references import (
    BlockReference,
    name_of,
    parse_reference,
    reference_to,
)
from prefect_stac_asset.blocks.registry import AnyCredentials, DestinationBlock, client_of
from stac_asset import Client, Config
from stac_asset.api.destinations import RunDestinations
from stac_asset.destinations.location import Location
from stac_asset.errors import DestinationError, MissingCredentialError
from stac_asset.hrefs import parse_href
from stac_asset.redact import redact_href

Credentials: TypeAlias = AnyCredentials | list[AnyCredentials] | None
"""Type of a flow's `credentials`."""

DestinationCredentials: TypeAlias = DestinationBlock | None
"""Type of a flow's `destination_credentials`."""

BlockOrReference: TypeAlias = Block | BlockReference
"""A block with credentials, or a reference to a saved block."""

_Given: TypeAlias = BlockOrReference | dict[str, Any]
"""A block or a reference. `blocks.ref` returns a reference as a dictionary."""

TaskCredentials: TypeAlias = _Given | Iterable[_Given] | None
"""Type of a task's `credentials`. Any task runner can send references to other processes."""

TaskDestination: TypeAlias = _Given | None
"""Type of a task's `destination_credentials`."""

_OPTIONS_OF_BLOCKS = (
    "`destination_access_key_id`",
    "`destination_endpoint_url`",
    "`destination_identity`",
    "`destination_profile`",
    "`destination_region`",
)
"""Options of destinations that a block replaces."""


def blocks_or_references(credentials: TaskCredentials) -> tuple[BlockOrReference, ...]:
    """Return the blocks and references of a parameter `credentials` as a tuple.

    Args:
        credentials: The `credentials` of a flow or a task.

    Raises:
        ConfigError: A value is not a reference to a block.
    """
    if credentials is None:
        return ()
    if isinstance(credentials, Block | BlockReference | dict | str):
        credentials = (credentials,)
    return tuple(
        one if isinstance(one, Block | BlockReference) else parse_reference(one)
        for one in credentials
    )


def references(credentials: TaskCredentials) -> tuple[BlockReference, ...]:
    """Return references to saved blocks, for tasks in other processes.

    Args:
        credentials: The `credentials` of a flow or a task.

    Raises:
        ConfigError: One of the blocks is not saved.
    """
    return tuple(
        found if isinstance(found, BlockReference) else reference_to(found)
        for found in blocks_or_references(credentials)
    )


@asynccontextmanager
async def open_clients(credentials: TaskCredentials, config: Config) -> AsyncIterator[list[Client]]:
    """Create the clients of credentials, in order. Exiting the context closes the clients.

    Args:
        credentials: The `credentials` of a flow or a task. Referenced blocks are loaded.
        config: The configuration of the clients.

    Raises:
        ConfigError: A block is not saved, or its credentials are incomplete.
    """
    async with AsyncExitStack() as stack:
        clients = []
        for found in blocks_or_references(credentials):
            block = await found.load() if isinstance(found, BlockReference) else found
            clients.append(await stack.enter_async_context(await client_of(block, config)))
        yield clients


@asynccontextmanager
async def open_destinations(
    credentials: TaskDestination, config: Config, writable: bool = True
) -> AsyncIterator[RunDestinations]:
    """Create the destinations of a run. Exiting the context closes their connections.

    Args:
        credentials: The `destination_credentials` of a flow or a task. A referenced block is
            loaded.
        config: The configuration of the run.
        writable: Whether the run writes to the destinations, for messages.

    Raises:
        ConfigError: The block is not saved, or its credentials are incomplete.
    """
    block: Block | None = None
    for found in blocks_or_references(credentials):
        block = await found.load() if isinstance(found, BlockReference) else found
    access = destination_access(block, config)
    async with RunDestinations(access.config, access.identity, writable) as destinations:
        yield destinations


async def prepare_destination(
    destinations: RunDestinations,
    directory: Location,
    credentials: TaskDestination | Sequence[BlockOrReference],
    writable: bool = True,
) -> None:
    """Check that a prefix of an object store can be written or read, before the first download.

    Args:
        destinations: The destinations of the run.
        directory: The absolute location of the destination. A local directory is not checked.
        credentials: The block of the destination, or a reference to the block.
        writable: Whether the run writes to the prefix.

    Raises:
        DestinationError: The prefix cannot be written or read.
    """
    if isinstance(directory, Path):
        return
    found, name = blocks_or_references(credentials), ""
    for block in found:
        name = f"block '{block.slug}'" if isinstance(block, BlockReference) else name_of(block)
        get_run_logger().info("%s uses %s", directory, name)
    try:
        await destinations.prepare(str(directory), writable)
    except DestinationError as error:
        reason, _, advice = error.message.rpartition(". ")
        if found and any(option in advice for option in _OPTIONS_OF_BLOCKS):
            raise DestinationError(
                f"{reason}. Check the credentials, the endpoint and the region of {name}, which is "
                "given as `destination_credentials`."
            ) from None
        if found or "credentials" not in error.message:
            raise
        raise DestinationError(
            f"{error.message}. Flows take credentials from a saved block: pass the block as "
            "`destination_credentials`."
        ) from None


def missing_credential(href: str, error: MissingCredentialError) -> MissingCredentialError:
    """Return an error that names the type of block to create.

    Args:
        href: The href that requires a credential.
        error: The error of the client.
    """
    kind = EarthdataCredentials if parse_href(href).scheme != "s3" else S3Credentials
    return MissingCredentialError(
        f"Credentials for {redact_href(href)} are missing. Pass a saved {kind.__name__} block as "
        f"`credentials`. ({error.message})"
    )
