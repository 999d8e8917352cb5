"""Public functions for single assets, files and hrefs: download, check, open and read."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from pathlib import Path

import pystac

from stac_asset.api.destinations import RunDestinations
from stac_asset.api.progress import shown_progress
from stac_asset.api.tracebacks import ShortTraceback, short_tracebacks
from stac_asset.clients.base import Client
from stac_asset.clients.registry import Clients
from stac_asset.config import Config, checked_config
from stac_asset.destinations.location import Location, StorePath, absolute, location_of
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import ConfigError, DestinationError
from stac_asset.hrefs import parse_href
from stac_asset.plan.planner import Planner
from stac_asset.rewrite.rewriter import describe
from stac_asset.stac.given import given_asset, given_href
from stac_asset.stac.local_facts import facts_of
from stac_asset.stac.read import read_bytes
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.interface import Request
from stac_asset.transfer.probe import probe
from stac_asset.types import (
    Candidate,
    Downloaded,
    Failed,
    MessageQueue,
    PathLikeObject,
    Skipped,
    Transfer,
)


@short_tracebacks
async def download_asset(
    key: str,
    asset: pystac.Asset,
    path: PathLikeObject,
    config: Config,
    messages: MessageQueue | None = None,
    clients: Clients | None = None,
    stream: bool | None = None,
    progress: bool = False,
) -> pystac.Asset:
    """Download an asset.

    Args:
        key: The asset key.
        asset: The asset. The object is not modified.
        path: The destination file: a path, or a URL such as `s3://bucket/prefix/file.tif`.
        config: The download configuration.
        messages: A queue for progress messages.
        clients: A `Clients` registry, which stays open. By default, a new registry is created, and
            closed at the end.
        stream: If False, the whole file is read into memory before it is written.
        progress: Show a progress bar on standard error.

    Returns:
        A new asset with an updated href.

    Raises:
        ValueError: The href of the asset is relative, and the asset has no owner with a self href.
        StacAssetError: The download failed.
    """
    config = checked_config(config)
    asset = given_asset(asset)
    transfer = _transfer(key, asset, _file_location(path, "path"), config)
    registry: AbstractAsyncContextManager[Clients] = (
        Clients(config) if clients is None else nullcontext(clients)
    )
    async with registry as used:
        outcome = await _download(transfer, used, config, messages, stream, progress)
    new = asset.clone()
    new.href = outcome.candidate.path
    if config.write_checksums:
        describe(new, outcome)
    return new


@short_tracebacks
async def download_file(
    href: PathLikeObject,
    destination: PathLikeObject,
    config: Config | None = None,
    clients: list[Client] | None = None,
    messages: MessageQueue | None = None,
    stream: bool | None = None,
    progress: bool = False,
) -> None:
    """Download a file. An existing file is replaced.

    Args:
        href: The source href.
        destination: The destination file: a path, or a URL such as `s3://bucket/prefix/file.tif`.
        config: The download configuration.
        clients: Clients to use before all others. The clients stay open.
        messages: A queue for progress messages.
        stream: If False, the whole file is read into memory before it is written.
        progress: Show a progress bar on standard error.

    Raises:
        StacAssetError: The download failed.
    """
    config = checked_config(config)
    config.overwrite = True
    href, path = given_href(href), _file_location(destination, "destination")
    transfer = Transfer("", path.name, (Candidate(href, str(path)),), str(path.parent))
    async with Clients(config, clients) as own:
        await _download(transfer, own, config, messages, stream, progress)


@short_tracebacks
async def assert_asset_exists(
    asset: pystac.Asset, config: Config | None = None, clients: list[Client] | None = None
) -> None:
    """Raise an error if an asset does not exist.

    Args:
        asset: The asset to check.
        config: The download configuration.
        clients: Clients to use before all others. The clients stay open.

    Raises:
        StacAssetError: The asset does not exist, or the check failed.
    """
    config = checked_config(config)
    # Only downloads check the content type.
    asset = given_asset(asset)
    planned = _transfer("", asset, Path("asset").absolute(), config)
    transfer = dataclasses.replace(planned, content_type=None)
    async with Clients(config, clients) as own:
        result = await probe(transfer, own, config)
    if result.error is not None:
        raise result.error


@short_tracebacks
async def asset_exists(
    asset: pystac.Asset, config: Config | None = None, clients: list[Client] | None = None
) -> bool:
    """Return whether an asset exists.

    Args:
        asset: The asset to check.
        config: The download configuration.
        clients: Clients to use before all others. The clients stay open.

    Returns:
        True if the asset exists. False if the asset does not exist, or if the check failed.

    Raises:
        ConfigError: The configuration is invalid.
        SourceError: The value is not an asset.
    """
    asset = given_asset(asset)
    try:
        await assert_asset_exists(asset, config, clients)
    except ConfigError:
        raise
    except Exception:
        return False
    return True


async def open_href(
    href: PathLikeObject, config: Config | None = None, clients: list[Client] | None = None
) -> AsyncIterator[bytes]:
    """Open an href and yield the bytes in chunks.

    Errors are not retried, because earlier chunks have already been yielded. `read_href` retries.

    Args:
        href: The href to read.
        config: The download configuration.
        clients: Clients to use before all others. The clients stay open.

    Yields:
        bytes: A chunk of the file.

    Raises:
        StacAssetError: The href cannot be read.
    """
    with ShortTraceback():
        config = checked_config(config)
        href = given_href(href)
        limit = config.http_client_timeout
        deadline = None if limit is None else asyncio.get_running_loop().time() + limit
        async with Clients(config, clients) as own:
            with mapped_errors(href):
                client = await own.get_client(href)
                async with AsyncExitStack() as stack:
                    # The timeouts exclude `yield`, so that they never cancel code of the caller.
                    async with asyncio.timeout_at(deadline):
                        fetching = client.fetch(Request(parse_href(href)))
                        response = await stack.enter_async_context(fetching)
                    chunks = aiter(response.chunks)
                    while True:
                        async with asyncio.timeout_at(deadline):
                            chunk = await anext(chunks, None)
                        if chunk is None:
                            return
                        yield bytes(chunk)


@short_tracebacks
async def read_href(
    href: PathLikeObject, config: Config | None = None, clients: list[Client] | None = None
) -> bytes:
    """Read an href and return the bytes. Transient errors are retried.

    Args:
        href: The href to read.
        config: The download configuration.
        clients: Clients to use before all others. The clients stay open.

    Returns:
        The bytes of the file.

    Raises:
        StacAssetError: The href cannot be read.
    """
    config = checked_config(config)
    async with Clients(config, clients) as own:
        return await read_bytes(given_href(href), own, config)


async def _download(
    transfer: Transfer,
    clients: Clients,
    config: Config,
    messages: MessageQueue | None,
    stream: bool | None,
    progress: bool,
) -> Downloaded | Skipped:
    """Download a single file.

    Raises:
        StacAssetError: The download failed.
    """
    async with RunDestinations(config) as destinations:
        await destinations.prepare(transfer.directory)
        engine = Engine(clients, config, destinations, messages, stream=stream)
        with shown_progress(engine, [transfer], progress):
            outcome = await engine.download(transfer)
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome


def _file_location(given: PathLikeObject, parameter: str) -> Location:
    """Return the location of a destination file that a user wrote.

    Raises:
        DestinationError: The value is no path and no URL of an object.
    """
    location = absolute(location_of(given, parameter))
    if isinstance(location, StorePath) and (not location.key or str(given).endswith("/")):
        raise DestinationError(f"`{parameter}` '{location}' names no object. Append a file name.")
    return location


def _transfer(key: str, asset: pystac.Asset, path: Location, config: Config) -> Transfer:
    """Return the transfer of a single asset to the given location."""
    planner = Planner(path.parent, config, facts_of(path))
    owner = asset.owner if isinstance(asset.owner, pystac.Item | pystac.Collection) else None
    planned = planner.asset(key, asset, owner)
    if isinstance(planned, Failed):
        raise planned.error
    candidates = tuple(
        Candidate(candidate.href, str(path), candidate.storage) for candidate in planned.candidates
    )
    return Transfer(
        owner=planned.owner,
        key=key,
        candidates=candidates,
        directory=str(path.parent),
        owner_id=planned.owner_id,
        content_type=planned.content_type,
        size=planned.size,
        checksum=planned.checksum,
        roles=planned.roles,
    )
