"""The public functions that open, read and check what is elsewhere, and download a single file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pystac

from stac_asset.clients.base import Client, Request
from stac_asset.clients.routes import Clients
from stac_asset.config import Config
from stac_asset.hrefs import parse_href
from stac_asset.plan import Planner
from stac_asset.transfer import Engine
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
    if clients is not None:
        outcome = await Engine(clients, config, messages, stream=stream).download(transfer)
    else:
        async with Clients(config) as own:
            outcome = await Engine(own, config, messages, stream=stream).download(transfer)
    if isinstance(outcome, Failed):
        raise outcome.error
    new = asset.clone()
    new.href = outcome.candidate.path
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
    async with Clients(config, clients) as own:
        outcome = await Engine(own, config, messages, stream=stream).download(transfer)
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
    candidate = _transfer("", asset, Path("asset").absolute(), config).candidates[0]
    async with Clients(config, clients) as own:
        client = await own.get_client(candidate.href)
        await client.stat(Request(parse_href(candidate.href), storage=candidate.storage))


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
    config = config or Config()
    config.validate()
    try:
        await assert_asset_exists(asset, config, clients)
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
    """
    config = config or Config()
    config.validate()
    async with Clients(config, clients) as own:
        client = await own.get_client(href)
        async for chunk in client.open_href(href):
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
    """
    return b"".join([chunk async for chunk in open_href(href, config=config, clients=clients)])


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
