"""Internal: the parameter `distribute` of a flow, and the distribution of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from prefect_stac_asset.flows.distribution.target import Target
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.parameters.credentials import references
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from stac_asset.destinations.location import Location, StorePath

if TYPE_CHECKING:
    from prefect_stac_asset.flows.distribution.coordinator import Distribution

Distribute: TypeAlias = Annotated[str | None, titled("Deployment that downloads shares")]
"""Type of the parameter `distribute` of a flow."""


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
