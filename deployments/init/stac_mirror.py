"""Mirror a STAC source, and process the files that are new.

`stac-asset init` wrote this example. Change it as you like.
"""

from pathlib import Path

from prefect import flow, get_run_logger, task

from prefect_stac_asset import DownloadOptions, Search, sync


@task
def process(path: str) -> str:
    """Process a downloaded file. Replace the body of this function by your own code."""
    return Path(path).name


@flow(name="stac-mirror")
async def stac_mirror(
    source: str,
    directory: str,
    search: Search | None = None,
    options: DownloadOptions | None = None,
    max_items: int | None = None,
) -> int:
    """Mirror new and changed items, and process each file that was downloaded.

    Args:
        source: URL of a STAC API, or URL or path of a catalog or of a file with items.
        directory: Directory of the mirror, or the URL of a prefix of an object store.
        search: Criteria that select the items to mirror.
        options: Options that select assets and configure the download.
        max_items: Maximum number of items per run.

    Returns:
        The number of processed files.
    """
    result = await sync(
        source, directory, search=search or Search(), options=options, max_items=max_items
    )
    paths = [row["path"] for row in result.rows() if row["state"] == "downloaded"]
    for path in paths:
        process(path)
    get_run_logger().info("%d files processed: %s", len(paths), result.summary())
    return len(paths)
