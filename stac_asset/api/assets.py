"""The public functions that open, read and check what is elsewhere, and download a single file."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pystac

from stac_asset.clients.base import Client
from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.destinations import LocalDestinations
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import ConfigError
from stac_asset.hrefs import parse_href
from stac_asset.plan.planner import Planner
from stac_asset.rewrite.rewriter import describe
from stac_asset.stac.read import read_bytes
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.interface import Request
from stac_asset.transfer.probe import probe
from stac_asset.types import Candidate, Failed, MessageQueue, PathLikeObject, Transfer


async def download_asset(
    key: str,
    asset: pystac.Asset,
    path: Path,
    config: Config,
    messages: MessageQueue | None = None,
    clients: Clients | None = None,
    stream: bool | None = None,
) -> pystac.Asset:
    """Downloads an asset.

    Args:
        key: The asset key
        asset: The asset; it is not changed.
        path: The path to which the asset will be downloaded
        config: The download configuration
        messages: An optional queue to use for progress reporting
        clients: A async-safe cache of clients, which stays open. If not provided, a new one will
            be created, and closed.
        stream: If False, the file is read whole into memory before it is written

    Returns:
        A new asset with an updated href

    Raises:
        ValueError: Raised if the asset does not have an absolute href
        StacAssetError: Why it could not be downloaded.
    """
    config.validate()
    transfer = _transfer(key, asset, Path(path), config)
    destinations = LocalDestinations(config.make_directory)
    if clients is not None:
        outcome = await Engine(clients, config, destinations, messages, stream=stream).download(
            transfer
        )
    else:
        async with Clients(config) as own:
            outcome = await Engine(own, config, destinations, messages, stream=stream).download(
                transfer
            )
    if isinstance(outcome, Failed):
        raise outcome.error
    new = asset.clone()
    new.href = outcome.candidate.path
    if config.write_checksums:
        describe(new, outcome)
    return new


async def download_file(
    href: str,
    destination: PathLikeObject,
    config: Config | None = None,
    clients: list[Client] | None = None,
    messages: MessageQueue | None = None,
    stream: bool | None = None,
) -> None:
    """Downloads a file to the local filesystem, replacing what is there.

    Args:
        href: The source href
        destination: The destination file path
        config: The download configuration
        clients: Pre-configured clients to use for access; they stay open
        messages: An optional queue to use for progress reporting
        stream: If False, the file is read whole into memory before it is written

    Raises:
        StacAssetError: Why it could not be downloaded.
    """
    config = (config or Config()).copy()
    config.validate()
    config.overwrite = True
    path = Path(destination).absolute()
    transfer = Transfer("", path.name, (Candidate(href, str(path)),), str(path.parent))
    destinations = LocalDestinations(config.make_directory)
    async with Clients(config, clients) as own:
        outcome = await Engine(own, config, destinations, messages, stream=stream).download(
            transfer
        )
    if isinstance(outcome, Failed):
        raise outcome.error


async def assert_asset_exists(
    asset: pystac.Asset, config: Config | None = None, clients: list[Client] | None = None
) -> None:
    """Asserts that an asset exists.

    Raises the source error if it does not.

    Args:
        asset: The asset the check for existence
        config: The download configuration to use for the existence check
        clients: Any pre-configured clients to use for the existence check

    Raises:
        Exception: An exception from the underlying client.
    """
    config = config or Config()
    config.validate()
    # It is there whatever its content type, which is for a download to judge.
    transfer = dataclasses.replace(_transfer("", asset, Path("asset"), config), content_type=None)
    async with Clients(config, clients) as own:
        result = await probe(transfer, own, config)
    if result.error is not None:
        raise result.error


async def asset_exists(
    asset: pystac.Asset, config: Config | None = None, clients: list[Client] | None = None
) -> bool:
    """Returns true if an asset exists.

    Args:
        asset: The asset the check for existence
        config: The download configuration to use for the existence check
        clients: Any pre-configured clients to use for the existence check

    Returns:
        Whether the asset exists or not

    Raises:
        ConfigError: The configuration contradicts itself.
    """
    try:
        await assert_asset_exists(asset, config, clients)
    except ConfigError:
        raise
    except Exception:
        return False
    return True


async def open_href(
    href: str, config: Config | None = None, clients: list[Client] | None = None
) -> AsyncIterator[bytes]:
    """Opens an href and yields byte chunks.

    Args:
        href: The href to read
        config: The download configuration to use
        clients: Any pre-configured clients to use; they stay open

    Yields:
        bytes: The bytes from the href

    Raises:
        StacAssetError: Why it cannot be read. What was yielded cannot be taken back, so nothing
            is tried again here, as `read_href` does.
    """
    config = config or Config()
    config.validate()
    limit = config.http_client_timeout
    end = None if limit is None else asyncio.get_running_loop().time() + limit
    async with Clients(config, clients) as own:
        with mapped_errors(href):
            client = await own.get_client(href)
            async with AsyncExitStack() as stack:
                # Around what is awaited here only: nothing of the caller's is to be cancelled.
                async with asyncio.timeout_at(end):
                    fetching = client.fetch(Request(parse_href(href)))
                    response = await stack.enter_async_context(fetching)
                chunks = aiter(response.chunks)
                while True:
                    async with asyncio.timeout_at(end):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        return
                    yield chunk


async def read_href(
    href: str, config: Config | None = None, clients: list[Client] | None = None
) -> bytes:
    """Reads an href and returns its bytes.

    Args:
        href: The href to read
        config: The download configuration to use
        clients: Any pre-configured clients to use; they stay open

    Returns:
        The bytes from the href

    Raises:
        StacAssetError: Why it cannot be read.
    """
    config = config or Config()
    config.validate()
    async with Clients(config, clients) as own:
        return await read_bytes(href, own, config)


def _transfer(key: str, asset: pystac.Asset, path: Path, config: Config) -> Transfer:
    """Returns the transfer of a single asset to a path of the caller's choice."""
    path = path.absolute()
    planner = Planner(path.parent, config)
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
    )
