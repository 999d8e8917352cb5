"""TODO."""

from __future__ import annotations

from prefect import get_run_logger
from prefect.cache_policies import NO_CACHE

from prefect_stac_asset.flows.execution.run_names import (
    client_name,
)
from prefect_stac_asset.flows.execution.session import Session, in_session
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.credentials import TaskCredentials, missing_credential
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from stac_asset.clients import Request
from stac_asset.errors import MissingCredentialError
from stac_asset.hrefs import parse_href
from stac_asset.redact import redact_href
from stac_asset.types import Storage


@stoppable_task(task_run_name=client_name, cache_policy=NO_CACHE, persist_result=False)
async def resolve_client(
    href: str,
    options: DownloadOptions | None = None,
    credentials: TaskCredentials = None,
    storage: Storage | None = None,
) -> str:
    """Returns the name of the client that claims an href, and makes sure that it can be used.

    The log says which block's credentials are used for it, if any are. If the flow run is stopped,
    the task run ends Cancelled.

    Args:
        href: An absolute href.
        options: How to download.
        credentials: Blocks that hold credentials, or references to them.
        storage: What the item says of the object store, if anything.

    Raises:
        SchemeError: No client claims it.
        MissingCredentialError: A credential is missing; the message names the block that is wanted.
    """

    async def resolve(session: Session) -> str:
        try:
            client = await session.clients.get_client(href)
            await client.check(Request(parse_href(href), storage=storage))
        except MissingCredentialError as error:
            raise missing_credential(href, error) from None
        if client.credentials is not None:
            shown = redact_href(href)
            get_run_logger().info("%s is served by %s", shown, client.credentials)
        return client.name

    return await in_session(resolve, options or DownloadOptions(), credentials)  # type: ignore[return-value] # or Cancelled
