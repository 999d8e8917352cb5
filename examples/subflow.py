"""A flow that calls the flow `download-item` as a subflow.

    python examples/subflow.py HREF DIRECTORY

Prefect's UI shows the run of the subflow below the run of this flow. If the subflow fails, its
error is raised here, and this flow fails too.
"""

from __future__ import annotations

import asyncio
import sys

from prefect import flow, task

from prefect_stac_asset import download_item


@task
def measure(key: str, path: str) -> tuple[str, int]:
    """Return the key and the size of a file, as an example of processing.

    Args:
        key: The key of the asset.
        path: The path of the downloaded file.
    """
    with open(path, "rb") as file:
        return key, file.seek(0, 2)


@flow
async def measure_item(href: str, directory: str) -> dict[str, int]:
    """Download an item, and return the size of each asset in bytes.

    Args:
        href: The href of the item.
        directory: The destination of the item and the assets.
    """
    result = await download_item(href, directory)
    item = result.item()
    paths = {key: asset.get_absolute_href() or "" for key, asset in item.assets.items()}
    return dict(measure.map(list(paths), list(paths.values())).result())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python examples/subflow.py HREF DIRECTORY")
    for name, size in asyncio.run(measure_item(*sys.argv[1:])).items():
        print(f"{name}: {size:,} bytes")
