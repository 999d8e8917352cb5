"""Internal: the deployment that downloads shares, from the parameter `distribute` of a flow."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from stac_asset.destinations.location import Location, StorePath
from stac_asset.errors import ConfigError

FLOW = "download-batch"
"""The name of the flow that downloads a share."""


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
