"""A pipeline that has items downloaded by a deployment, on whichever machine its worker runs.

    python examples/call_deployment.py HREF DIRECTORY [FLOW/DEPLOYMENT]

`prefect deploy --all` makes the deployment, and a worker of its work pool has to run. The result
comes back through Prefect's result storage, and the files through the directory: both have to be
where the pipeline and the worker reach them.
"""

from __future__ import annotations

import asyncio
import sys

from prefect import flow
from prefect.deployments import arun_deployment

from prefect_stac_asset import flows

DEPLOYMENT = "download-item-collection/download-item-collection"


@flow
async def list_items(href: str, directory: str, deployment: str = DEPLOYMENT) -> list[str]:
    """Downloads the items of a collection, and returns their ids.

    Args:
        href: The href of the item collection.
        directory: Where everything goes.
        deployment: What to run, as 'flow name/deployment name'.

    Raises:
        DownloadError: Assets could not be downloaded.
    """
    options = flows.DownloadOptions(max_concurrent_downloads=8)
    run = await arun_deployment(
        deployment,
        parameters={
            "source": href,
            "directory": directory,
            "options": options.model_dump(mode="json", exclude_unset=True),
        },
    )
    assert run.state is not None, "it is waited for"
    result: flows.DownloadResult = await run.state.aresult()
    return [item.id for item in result.items()]


if __name__ == "__main__":
    print("\n".join(asyncio.run(list_items(*sys.argv[1:]))))
