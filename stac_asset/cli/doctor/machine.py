"""Checks of the destination's disk, of limits of the machine, and of the network's settings."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from stac_asset.cli.doctor.findings import Finding, Level
from stac_asset.config import Config
from stac_asset.destinations.directories import existing_parent
from stac_asset.destinations.location import Location, location_of
from stac_asset.destinations.space import free_bytes
from stac_asset.errors import DestinationError

_FEW_FILES = 1024
"""Maximum number of open files below which many concurrent downloads can fail."""

_LITTLE_SPACE = 1_000_000_000
"""Number of free bytes below which most downloads of satellite data fail."""

_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE")
_NETWORK_FILES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")


def machine_findings(directory: str, config: Config) -> Iterator[Finding]:
    """Return the state of the destination, and the limits and settings of the machine.

    Args:
        directory: The destination.
        config: The configuration.
    """
    try:
        location = location_of(directory)
    except DestinationError as error:
        yield Finding("destination", Level.PROBLEM, str(error), "Correct DIRECTORY.")
    else:
        yield _destination_finding(location)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _FEW_FILES:
        yield Finding(
            "open files",
            Level.PROBLEM,
            f"A process may open only {soft} files.",
            "Run `ulimit -n 4096` before the download.",
        )
    else:
        yield Finding("open files", Level.OK, f"A process may open {soft:,} files.")
    variables = {name.upper(): value for name, value in os.environ.items() if value}
    found = [name for name in (*_NETWORK, *_NETWORK_FILES) if name in variables]
    yield Finding(
        "network",
        Level.OK,
        f"The environment sets {', '.join(found)}." if found else "No proxy, no own certificates.",
    )
    if not config.fsync:
        yield Finding(
            "fsync",
            Level.NOTE,
            "`fsync` is off: files can be lost if the machine loses power.",
            "Set `fsync` unless the destination is scratch space.",
        )


def _destination_finding(location: Location) -> Finding:
    if not isinstance(location, Path):
        return Finding(
            "destination",
            Level.NOTE,
            f"{location} is in an object store, which is checked by each download.",
            "Run `stac-asset plan` to check that the store can be written.",
        )
    folder = existing_parent(location)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".stac-asset-doctor-"):
            pass
    except OSError as error:
        return Finding(
            "destination",
            Level.PROBLEM,
            f"{folder} cannot be written: {error.strerror}.",
            "Set the permissions, or choose another directory.",
        )
    free = free_bytes(location)
    if free < _LITTLE_SPACE:
        return Finding(
            "destination",
            Level.PROBLEM,
            f"{folder} can be written, but has only {decimal(free)} free.",
            "Free space, or choose another directory.",
        )
    return Finding("destination", Level.OK, f"{folder} can be written, with {decimal(free)} free.")
