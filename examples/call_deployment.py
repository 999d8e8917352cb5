"""A flow that runs a download deployment, on the machine of a worker, and uses the result.

    python examples/call_deployment.py HREF DIRECTORY [FLOW/DEPLOYMENT]

Create the deployment with `prefect deploy --all`, and run a worker for its work pool. This flow
reads the result from Prefect's result storage and the files from DIRECTORY, so both must be
accessible from this machine and from the worker.
"""

from __future__ import annotations

import asyncio
import sys

from prefect import flow
from prefect.deployments import arun_deployment

from prefect_stac_asset import DownloadOptions, DownloadResult

DEPLOYMENT = "download-item-collection/download-item-collection"


@flow
async def list_items(href: str, directory: str, deployment: str = DEPLOYMENT) -> list[str]:
    """Download the items of an item collection, and return the ids of the items.

    Args:
        href: The href of the item collection.
        directory: The destination.
        deployment: The deployment, as 'flow name/deployment name'.

    Raises:
        DownloadError: Some assets failed.
    """
    options = DownloadOptions(max_concurrent_downloads=8)
    run = await arun_deployment(
        deployment,
        parameters={
            "source": href,
            "directory": directory,
            "options": options.model_dump(mode="json", exclude_unset=True),
        },
    )
    assert run.state is not None, "arun_deployment waits for the end of the run"
    result: DownloadResult = await run.state.aresult()
    return [item.id for item in result.items()]


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("Usage: python examples/call_deployment.py HREF DIRECTORY [FLOW/DEPLOYMENT]")
    print("\n".join(asyncio.run(list_items(*sys.argv[1:]))))
