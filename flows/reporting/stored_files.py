"""Local copies of files that a run wrote to an object store, for the methods of a result."""

from __future__ import annotations

import contextvars
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict

from prefect_stac_asset.blocks.destinations import DestinationAccess, destination_access
from prefect_stac_asset.blocks.references import BlockReference, load_now, reference_to
from stac_asset import Config
from stac_asset.api.destinations import RunDestinations
from stac_asset.concurrency import new_runner
from stac_asset.destinations.location import parsed_location
from stac_asset.errors import ConfigError


class RunFilesAccess(BaseModel):
    """How to read the files of a run from an object store. Contains no secret."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    credentials: str | None = None
    """`<type-slug>/<name>` of the block `destination_credentials`, for a saved block."""

    endpoint_url: str | None = None
    """URL of the service, if the options or a block that is not saved named one."""

    region: str | None = None
    """Region of the bucket, if the options or a block that is not saved named one."""

    profile: str | None = None
    """Profile of the AWS configuration files, if the options named a profile."""


def store_access(
    config: Config, destination_credentials: Sequence[Block | BlockReference]
) -> RunFilesAccess:
    """Return how to read the files that a run writes.

    Args:
        config: The configuration of the run.
        destination_credentials: The block of the destination, or a reference to the block. Empty
            without a block.
    """
    slug = None
    for found in destination_credentials:
        slug = _slug(found)
        if slug is None and not isinstance(found, BlockReference):
            # The credentials of the machine must not be sent to AWS in place of this service.
            config = destination_access(found, config).config
    return RunFilesAccess(
        credentials=slug,
        endpoint_url=config.destination_endpoint_url,
        region=config.destination_region,
        profile=config.destination_profile,
    )


@contextmanager
def local_copy(location: str, store: RunFilesAccess | None) -> Iterator[Path]:
    """Provide a file on this machine. The copy of an object is removed after the context.

    Args:
        location: The path of the file, or the URL of an object.
        store: How to read an object. None for a path.

    Raises:
        ConfigError: The block of the credentials is not saved any more, or is incomplete.
        StacAssetError: The object cannot be read.
    """
    if store is None:
        yield Path(location)
        return
    config = Config(
        destination_endpoint_url=store.endpoint_url,
        destination_region=store.region,
        destination_profile=store.profile,
    )
    block = load_now(store.credentials) if store.credentials is not None else None
    access = destination_access(block, config)
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as folder:
        # The suffix of a name stands for the format of items.
        path = Path(folder) / location.rpartition("/")[2]
        _in_new_loop(partial(_download, location, path, access))
        yield path


def _slug(block: Block | BlockReference) -> str | None:
    try:
        return (block if isinstance(block, BlockReference) else reference_to(block)).slug
    except ConfigError:
        return None  # The block is not saved. The credentials of the machine are used.


async def _download(url: str, path: Path, access: DestinationAccess) -> None:
    directory = str(parsed_location(url).parent)
    async with RunDestinations(access.config, access.identity, writable=False) as destinations:
        destination = destinations.destination_of(directory)
        with path.open("wb") as file:
            async for block in destination.blocks(destination.key_of(url)):
                file.write(block)


def _in_new_loop(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine to the end. The caller may be in a running event loop, which is blocked."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with new_runner() as runner:
                runner.run(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,))
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
