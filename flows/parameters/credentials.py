"""The `credentials` of flows and tasks: saved blocks, and the clients that are made of them.

- `Credentials` is the annotation of a flow's parameter: a block, a list of blocks, or None.
- `TaskCredentials` is that of a task's: blocks, or references to saved ones, in either form.
- `BlockReference` (of `blocks`) is a saved block by name: frozen, picklable, without a secret.
- `references(credentials)` makes the tuple of references of what goes to another process.
- `open_clients(credentials, config)` makes the clients, and closes them; `open_session` and
  `current_session` of `prefect_stac_asset.flows.execution.session` take `credentials` and do that for the run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from prefect.blocks.core import Block

from prefect_stac_asset.blocks import EarthdataCredentials, S3Credentials
from prefect_stac_asset.blocks.references import BlockReference, of_parameter, reference_to
from prefect_stac_asset.blocks.registry import AnyCredentials, client_of
from stac_asset import Client, Config
from stac_asset.errors import MissingCredentialError
from stac_asset.hrefs import parse_href
from stac_asset.redact import redact_href

Credentials: TypeAlias = AnyCredentials | list[AnyCredentials] | None
"""What a flow takes: one block, several, or none."""

Holder: TypeAlias = Block | BlockReference
"""What holds a credential: a block, or a saved one by reference."""

Given: TypeAlias = Holder | dict[str, Any]
"""The same, or a reference as a flow takes it, which `blocks.ref` makes."""

TaskCredentials: TypeAlias = Given | Iterable[Given] | None
"""What a task takes: saved blocks by reference, which any task runner can carry, or blocks."""


def listed(credentials: TaskCredentials) -> tuple[Holder, ...]:
    """Returns one, several or no credentials as a tuple.

    Args:
        credentials: The `credentials` of a flow or a task.

    Raises:
        ConfigError: Something among them refers to no block.
    """
    if credentials is None:
        return ()
    if isinstance(credentials, Block | BlockReference | dict | str):
        credentials = (credentials,)
    return tuple(
        one if isinstance(one, Block | BlockReference) else of_parameter(one) for one in credentials
    )


def references(credentials: TaskCredentials) -> tuple[BlockReference, ...]:
    """Returns references to saved blocks, for tasks that go to another process.

    Args:
        credentials: The `credentials` of a flow or a task.

    Raises:
        ConfigError: One of the blocks is not saved.
    """
    return tuple(
        found if isinstance(found, BlockReference) else reference_to(found)
        for found in listed(credentials)
    )


@asynccontextmanager
async def open_clients(credentials: TaskCredentials, config: Config) -> AsyncIterator[list[Client]]:
    """Makes the clients of some credentials, in their order, and closes them in the end.

    Args:
        credentials: The `credentials` of a flow or a task; references are loaded.
        config: How the clients make requests.

    Raises:
        ConfigError: A block is not saved, or its credentials are not complete.
    """
    async with AsyncExitStack() as stack:
        clients = []
        for found in listed(credentials):
            block = await found.load() if isinstance(found, BlockReference) else found
            clients.append(await stack.enter_async_context(await client_of(block, config)))
        yield clients


def missing_credential(href: str, error: MissingCredentialError) -> MissingCredentialError:
    """Returns the error of a missing credential, with the block that is wanted.

    Args:
        href: What needs it.
        error: What the client said.
    """
    kind = EarthdataCredentials if parse_href(href).scheme != "s3" else S3Credentials
    return MissingCredentialError(
        f"{redact_href(href)} needs credentials that are missing: pass a saved {kind.__name__} "
        f"block as `credentials` ({error.message})"
    )
