"""The task that resolves the client of an href and checks the credentials."""

from __future__ import annotations

from prefect import get_run_logger
from prefect.cache_policies import NO_CACHE

from prefect_stac_asset.flows.execution.run_names import client_name
from prefect_stac_asset.flows.execution.session import Session, in_session
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.credentials import TaskCredentials, missing_credential
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.tasks.given import checked_options
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
    """Check the credentials for an href, and return the name of the client.

    If the credentials of a block are used, the log names the block. If the flow run is stopped, the
    task run ends Cancelled.

    Args:
        href: An absolute href.
        options: The options of the run.
        credentials: Blocks with credentials, or references to blocks.
        storage: The object store that the item declares, if any.

    Raises:
        SchemeError: No client claims the href.
        MissingCredentialError: A required credential is not configured. The message names the type
            of block to create.
    """

    async def resolve(session: Session) -> str:
        try:
            client = await session.clients.get_client(href)
            await client.check(Request(parse_href(href), storage=storage))
        except MissingCredentialError as error:
            raise missing_credential(href, error) from None
        if client.credentials is not None:
            get_run_logger().info("%s uses %s", redact_href(href), client.credentials)
        return client.name

    name: str = await in_session(resolve, checked_options(options), credentials)
    return name
