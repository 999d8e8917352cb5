"""A user's own flow whose parameters are blocks: by itself, in a list, and in a model."""

from __future__ import annotations

from prefect import flow
from pydantic import BaseModel

from prefect_stac_asset.blocks import HttpCredentials


class Job(BaseModel):
    """A model with a block."""

    creds: HttpCredentials


@flow(persist_result=True, result_serializer="json")
async def hosts_of(
    creds: HttpCredentials,
    more: list[HttpCredentials],
    job: Job,
    none: HttpCredentials | None = None,
) -> list[str]:
    """Return the hosts of all blocks."""
    assert none is None
    return [host for one in (creds, *more, job.creds) for host in one.hosts]
