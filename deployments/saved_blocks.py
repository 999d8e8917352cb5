"""Internal: check that the blocks that a deployment refers to are saved on the server.

Prefect stores a reference to a block without a check, so that only the runs would fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from prefect_stac_asset.blocks.references import referenced_block
from prefect_stac_asset.deployments.parameters import references
from stac_asset.errors import ConfigError
from stac_asset.errors.nearest_name import nearest_name


async def check_saved_blocks(client: PrefectClient, deployment: RunnerDeployment) -> None:
    """Check that the blocks of a deployment and of its schedules are saved.

    Args:
        client: The client of the server.
        deployment: The deployment, before it is registered.

    Raises:
        ConfigError: A block is not saved. The message names the deployment and the parameter.
    """
    for parameter, reference in _references(deployment):
        try:
            await _read(client, reference)
        except ObjectNotFound:
            nearest = await _nearest(client, reference)
            where = f"'{deployment.flow_name}/{deployment.name}'"
            raise ConfigError(
                f"Deployment {where} is not registered, because parameter `{parameter}` refers to "
                f"block '{reference}', which is not saved on the server.{nearest} Correct the "
                "reference, or save the block, and register the deployment again."
            ) from None


async def _read(client: PrefectClient, reference: str | UUID) -> None:
    """Read a block without its secrets.

    Raises:
        ObjectNotFound: The block is not saved.
    """
    if isinstance(reference, UUID):
        await client.read_block_document(reference, include_secrets=False)
    else:
        slug, _, name = reference.partition("/")
        await client.read_block_document_by_name(name, slug, include_secrets=False)


async def _nearest(client: PrefectClient, reference: str | UUID) -> str:
    """Return a sentence with the nearest name of a saved block, if any."""
    if isinstance(reference, UUID):
        return ""
    slug, slash, name = reference.partition("/")
    return nearest_name(name, await _saved_names(client, slug), prefix=slug + slash)


def _references(deployment: RunnerDeployment) -> Iterator[tuple[str, str | UUID]]:
    """Yield the references to blocks, by name or by id, with the parameter of each reference."""
    given = [("", deployment.parameters or {})]
    given += [
        (f"schedules.{one.slug}.", one.parameters or {}) for one in deployment.schedules or ()
    ]
    for where, parameters in given:
        for name, value in parameters.items():
            for path, reference in references(value, f"{where}{name}"):
                found = referenced_block(reference)
                if found is not None:
                    yield path, found


async def _saved_names(client: PrefectClient, slug: str) -> list[str]:
    """Return the names of the saved blocks of a type."""
    try:
        # Without offset and limit the client sends nulls, which some versions of FastAPI refuse.
        found = await client.read_block_documents_by_type(
            slug, offset=0, limit=200, include_secrets=False
        )
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        return []  # The type is not registered.
    return [one.name for one in found if one.name is not None]
