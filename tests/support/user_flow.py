"""User-defined flow with credential blocks as parameters: alone, in a list and in a model."""

from __future__ import annotations

from prefect import flow
from pydantic import BaseModel

from prefect_stac_asset.blocks import HttpCredentials


class Job(BaseModel):
    """A model with a block as a field."""

    creds: HttpCredentials


@flow(persist_result=True, result_serializer="json")
async def list_hosts(
    creds: HttpCredentials,
    more: list[HttpCredentials],
    job: Job,
    unset: HttpCredentials | None = None,
) -> list[str]:
    """Return the hosts of all blocks."""
    assert unset is None
    return [host for block in (creds, *more, job.creds) for host in block.hosts]
