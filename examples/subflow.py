"""A pipeline whose first step is the flow `download-item`, called as a subflow.

    python examples/subflow.py HREF DIRECTORY

The subflow has a run of its own in Prefect's UI, below that of the pipeline. Where it fails, its
error is raised here, and the pipeline fails with it.
"""

from __future__ import annotations

import asyncio
import sys

from prefect import flow, task

from prefect_stac_asset import flows


@task
def measure(key: str, path: str) -> tuple[str, int]:
    """Stands for what a pipeline does with a file: returns the asset's key, and its bytes."""
    with open(path, "rb") as file:
        return key, file.seek(0, 2)


@flow
async def measure_item(href: str, directory: str) -> dict[str, int]:
    """Downloads an item, and returns the bytes of each of its assets.

    Args:
        href: The item's href.
        directory: Where the item and its assets go.
    """
    result = await flows.download_item(href, directory)
    item = result.item()
    paths = {key: asset.get_absolute_href() or "" for key, asset in item.assets.items()}
    return dict(measure.map(list(paths), list(paths.values())).result())


if __name__ == "__main__":
    for name, size in asyncio.run(measure_item(*sys.argv[1:])).items():
        print(f"{name}: {size:,} bytes")
