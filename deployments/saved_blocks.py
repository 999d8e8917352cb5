"""Internal: check that the blocks that a deployment refers to are saved on the server.

Prefect stores a reference to a block without a check, so that only the runs would fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from prefect.client.orchestration import PrefectClient
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from prefect_stac_asset.blocks.references import BlockReference, parse_reference
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
        slug, slash, name = reference.slug.partition("/")
        try:
            await client.read_block_document_by_name(name, slug, include_secrets=False)
        except ObjectNotFound:
            nearest = nearest_name(name, await _saved_names(client, slug), prefix=slug + slash)
            where = f"'{deployment.flow_name}/{deployment.name}'"
            raise ConfigError(
                f"Deployment {where} is not registered, because parameter `{parameter}` refers to "
                f"block '{reference.slug}', which is not saved on the server.{nearest} Correct the "
                "reference, or save the block, and register the deployment again."
            ) from None


def _references(deployment: RunnerDeployment) -> Iterator[tuple[str, BlockReference]]:
    """Yield the references to blocks by name, with the parameter of each reference."""
    given = [("", deployment.parameters or {})]
    given += [
        (f"schedules.{one.slug}.", one.parameters or {}) for one in deployment.schedules or ()
    ]
    for where, parameters in given:
        for name, value in parameters.items():
            for path, reference in references(value, f"{where}{name}"):
                try:
                    yield path, parse_reference(reference)
                except ConfigError:  # A block that a person selected in the UI, by id.
                    continue


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
