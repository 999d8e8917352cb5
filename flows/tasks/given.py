"""Internal: the transfer of an asset that a caller passed to a task."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TypeAlias

import pystac

from prefect_stac_asset.flows.parameters.destination import persistent_path
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from stac_asset import Config
from stac_asset.destinations.location import Location, location_of
from stac_asset.errors import ConfigError
from stac_asset.plan.planner import Planner
from stac_asset.stac.given import given_href
from stac_asset.stac.local_facts import facts_of
from stac_asset.types import Failed, Storage, Transfer

AssetLike: TypeAlias = Transfer | pystac.Asset | str | os.PathLike[str]
"""A planned transfer, an asset, or the href of an asset."""

Directory: TypeAlias = str | os.PathLike[str]
"""A directory, or the URL of a prefix of an object store."""


def transfer_of(
    asset: AssetLike,
    config: Config,
    directory: Directory | None = None,
    storage: Storage | None = None,
) -> Transfer:
    """Return the transfer of an asset.

    Args:
        asset: The asset. A transfer is returned unchanged.
        config: The configuration.
        directory: The destination of an asset or href. None if no file is written.
        storage: The object store of an href. An asset and a transfer have their own.

    Raises:
        StacAssetError: The asset cannot be planned.
        ConfigError: A directory is given for a transfer, which has its own.
    """
    if isinstance(asset, Transfer):
        if directory is not None:
            raise ConfigError(
                "`directory` is given, but the transfer has its own directory. "
                "Leave out `directory`, or pass the asset."
            )
        return asset
    location = Path.cwd() if directory is None else directory_of(directory)
    owner = None
    if isinstance(asset, pystac.Asset):
        found = asset
        if isinstance(asset.owner, pystac.Item | pystac.Collection):
            owner = asset.owner
    else:
        found = pystac.Asset(given_href(asset, "asset"))
    planned = Planner(location, config, facts_of(location)).asset(_key(found, owner), found, owner)
    if isinstance(planned, Failed):
        raise planned.error
    if storage is None:
        return planned
    candidates = (dataclasses.replace(one, storage=storage) for one in planned.candidates)
    return dataclasses.replace(planned, candidates=tuple(candidates))


def directory_of(directory: Directory) -> Location:
    """Return the absolute location of the `directory` of a task.

    Args:
        directory: The directory.

    Raises:
        DestinationError: The directory is empty, is of an unknown kind, or is relative while the
            working directory of the run is a temporary folder.
    """
    location = location_of(directory)
    return persistent_path(os.fspath(directory)) if isinstance(location, Path) else location


def checked_options(options: DownloadOptions | None) -> DownloadOptions:
    """Return the options of a task, or the default options.

    Args:
        options: The parameter `options`.

    Raises:
        ConfigError: The value is not of the type `DownloadOptions`.
    """
    if options is None:
        return DownloadOptions()
    if isinstance(options, DownloadOptions):
        return options
    raise ConfigError(
        f"`options` is of type {type(options).__name__}, but must be of type DownloadOptions. "
        "Pass `DownloadOptions(...)`."
    )


def _key(asset: pystac.Asset, owner: pystac.Item | pystac.Collection | None) -> str:
    """Return the key of an asset, or the file name of an asset without an owner."""
    if owner is not None:
        for key, one in owner.assets.items():
            if one is asset:
                return key
    path = str(asset.href).partition("?")[0].partition("#")[0]
    return path.rstrip("/").rpartition("/")[2] or "asset"
