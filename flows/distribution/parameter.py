"""Internal: the parameter `distribute` of a flow, and the distribution of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.parameters.credentials import references
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from stac_asset.destinations.location import Location, StorePath
from stac_asset.errors import ConfigError

if TYPE_CHECKING:
    from prefect_stac_asset.flows.distribution.coordinator import Distribution

FLOW = "download-batch"
"""The name of the flow that downloads a share."""

Distribute: TypeAlias = Annotated[str | None, titled("Deployment that downloads shares")]
"""Type of the parameter `distribute` of a flow."""


@dataclass(frozen=True, slots=True)
class Target:
    """The deployment that downloads shares."""

    id: UUID
    """The id of the deployment."""

    name: str
    """`<flow>/<deployment>`."""

    pool: str | None
    """The name of the work pool, if any."""


async def target_of(distribute: str | None, directory: Location) -> Target | None:
    """Return the deployment of the parameter `distribute`, if set.

    Args:
        distribute: The name of a deployment, with or without the name of the flow.
        directory: The destination of the run.

    Raises:
        ConfigError: The destination is a local directory, the deployment does not exist, or it is
            a deployment of another flow.
    """
    if distribute is None:
        return None
    if not isinstance(directory, StorePath):
        raise ConfigError(
            f"`distribute` needs a `directory` in an object store, because other machines do not "
            f"share the disk with '{directory}'. Set `directory` to a URL such as "
            "'s3://bucket/prefix', or remove `distribute`."
        )
    flow, slash, _ = distribute.partition("/")
    name = distribute if slash else f"{FLOW}/{distribute}"
    if slash and flow != FLOW:
        raise ConfigError(
            f"`distribute` '{distribute[:200]}' is a deployment of flow '{flow[:200]}'. Set "
            f"`distribute` to a deployment of flow '{FLOW}'."
        )
    async with get_client() as client:
        try:
            found = await client.read_deployment_by_name(name)
        except ObjectNotFound:
            raise ConfigError(
                f"`distribute`: deployment '{name[:200]}' does not exist. Create the deployment "
                "with `python -m prefect_stac_asset.deployments deploy`, or correct the name."
            ) from None
    if "share" not in (found.parameter_openapi_schema or {}).get("properties", {}):
        raise ConfigError(
            f"`distribute`: deployment '{name[:200]}' has no parameter `share`, so its flow is not "
            f"the flow '{FLOW}' of this package. Set `distribute` to another deployment."
        )
    return Target(found.id, name, found.work_pool_name)


def shares_beside(document: Location, directory: Location) -> Location:
    """Return the folder of the shares of a run that writes a single document.

    Runs that write different documents into a directory do not share a folder.

    Args:
        document: The document.
        directory: The destination.
    """
    return directory / f".shares/{str(document).removeprefix(f'{directory}/')}"


async def open_distribution(
    target: Target | None,
    place: Location,
    options: DownloadOptions,
    granularity: Granularity,
    session: Session,
) -> Distribution | None:
    """Return the distribution of a run, with the shares of an earlier run.

    Args:
        target: The deployment, or None for a run that downloads the items itself.
        place: The folder of the shares. A single run uses the folder at a time.
        options: The options of the run.
        granularity: The `granularity` of the run.
        session: The session of the run.

    Raises:
        ConfigError: A block is not saved.
        DestinationError: A request failed.
    """
    if target is None:
        return None
    # Most runs are not distributed.
    from prefect_stac_asset.flows.distribution.coordinator import Distribution
    from prefect_stac_asset.flows.distribution.folder import ShareFolder
    from prefect_stac_asset.flows.distribution.leftovers import read_leftovers

    assert isinstance(place, StorePath), "the destination of a distributed run is a store"
    references((*session.credentials, *session.destination_credentials))
    folder = ShareFolder(session.destination_of(place), place)
    leftovers = await read_leftovers(folder)
    return Distribution(target, folder, options, granularity, session, leftovers)
