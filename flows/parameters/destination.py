"""Check the `directory` of a flow before any task run.

A directory is a local path, or the URL of a prefix of an object store. With a block that names a
bucket, a relative path is a prefix in the folder of the block.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from prefect.blocks.core import Block

from prefect_stac_asset.blocks.destinations import (
    check_destination,
    destination_root,
    example_url,
)
from prefect_stac_asset.blocks.references import name_of
from stac_asset import Config
from stac_asset.destinations.directories import check_directory, directory_error, directory_path
from stac_asset.destinations.location import Location, StorePath, inside, location_of
from stac_asset.errors import ConfigError, DestinationError

_PREFECT_FOLDER = re.compile(
    r"tmp[a-z0-9_]{8}prefect"  # A process worker.
    r"|prefect-[a-z-]+-[a-z0-9_]{8}"  # `prefect flow-run execute`, and workspaces of runs.
    r"|runner_storage"  # `serve`, for flows from remote storage.
)
"""Names of the folders that Prefect creates for a run, and removes when the run ends."""

_TEMPORARY_FOLDER = re.compile(r"tmp[a-z0-9_]{8}")
"""Names of the folders that Python's `tempfile` creates."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def checked_destination(directory: str, config: Config, block: Block | None = None) -> Location:
    """Return the location of a destination. A local directory exists or can be created.

    No directory is created, and no request is sent.

    Args:
        directory: The parameter `directory` of a flow.
        config: The configuration. Only `make_directory` is used.
        block: The parameter `destination_credentials` of a flow.

    Raises:
        ConfigError: The block is for another bucket, or the directory is local.
        DestinationError: The directory is empty, or is neither a usable path on this machine nor
            the URL of an object store of a known kind.
    """
    location = destination_location(directory, block)
    return location if location is not None else checked_directory(directory, config)


def destination_location(directory: str, block: Block | None) -> StorePath | None:
    """Return the location of a prefix of an object store, or None for a local directory.

    Args:
        directory: The parameter `directory` of a flow.
        block: The parameter `destination_credentials` of a flow.

    Raises:
        ConfigError: The block is for another bucket, or the directory is local.
        DestinationError: The directory is the URL of an object store of an unknown kind, or leads
            outside of the folder of the block.
    """
    root = destination_root(block) if block is not None else None
    location: Location | None = None
    if _URL.match(directory) and not directory.lower().startswith("file:"):
        location = location_of(directory)
    elif root is not None and directory.strip() and not directory.startswith(("/", "~", "file:")):
        relative = directory.strip("/")
        location = root if relative == "." else inside(root, relative)
        if location is None:
            raise DestinationError(
                f"`directory` '{directory[:200]}' leads outside of '{root}'. Set `directory` to a "
                "path in this folder, or to '.' for the folder."
            )
    if isinstance(location, StorePath):
        if block is not None:
            check_destination(block, location)
        return location
    if block is not None:
        valid = f"a URL such as '{example_url(block)}'"
        if root is not None:
            valid = f"a path relative to '{root}', such as 'scenes' or '.'"
        raise ConfigError(
            f"`directory` '{directory[:200]}' is not in an object store, but {name_of(block)} is "
            f"given as `destination_credentials`. Set `directory` to {valid}, or remove the block."
        )
    return None


def checked_directory(directory: str, config: Config) -> Path:
    """Return the absolute path of a directory that exists or can be created.

    The directory is not created.

    Args:
        directory: The parameter `directory` of a flow.
        config: The configuration. Only `make_directory` is used.

    Raises:
        DestinationError: The directory is empty, or cannot be created or written to, or it does not
            exist and `make_directory` is False. Or the directory is relative, and the working
            directory of the run is a temporary folder.
    """
    path = persistent_path(directory)
    check_directory(path, config.make_directory, directory)
    return path


def persistent_path(given: str, parameter: str = "directory") -> Path:
    """Return the absolute path of a parameter. Temporary folders of a run are refused.

    Args:
        given: The value of the parameter. `~` is the home directory.
        parameter: The name of the parameter.

    Raises:
        DestinationError: The path is empty, or is relative in a temporary folder.
    """
    try:
        path = directory_path(given, parameter)
    except OSError as error:  # The working directory was removed.
        if isinstance(error, DestinationError):
            raise
        raise directory_error(given, "create", error, parameter) from None
    if not given.startswith(("/", "~", "file:")) and _is_temporary(Path.cwd()):
        raise DestinationError(
            f"`{parameter}` '{given[:200]}' is relative, and the working directory of the run is a "
            f"temporary folder, so its files would be lost. Set `{parameter}` to an absolute path, "
            "or set `working_dir` of the work pool."
        )
    return path


def make_directory(path: Path) -> None:
    """Create the directory of a run.

    `checked_directory` does not detect every error, so the creation can still fail.

    Args:
        path: The directory.

    Raises:
        DestinationError: The directory cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise directory_error(str(path), "create", error) from None


def _is_temporary(working: Path) -> bool:
    """Return whether the working directory of a run is removed after the run."""
    if any(_PREFECT_FOLDER.fullmatch(part) for part in working.parts):
        return True
    if "PREFECT__FLOW_RUN_ID" not in os.environ:
        return False  # The user chose the working directory of this process.
    scratch = Path(tempfile.gettempdir()).resolve()
    return working == scratch or (
        working.parent == scratch and bool(_TEMPORARY_FOLDER.fullmatch(working.name))
    )
