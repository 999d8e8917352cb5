"""How many connections a host is asked for, where many would be too many."""

from __future__ import annotations

import re

from stac_asset.config import Config

_MANY = 16
"""Connections of one large file, where nobody says how many."""

_FRUGAL = re.compile(
    # Four connections of a user at a time: https://documentation.dataspace.copernicus.eu/Quotas.html
    r"([a-z0-9-]+\.)*dataspace\.copernicus\.eu",
    re.IGNORECASE,
)
"""Hosts that allow few connections: a file takes one, unless the configuration says more."""


def connections_per_file(config: Config, host: str | None) -> int:
    """Returns over how many connections a large file may be fetched at a time.

    Args:
        config: The configuration.
        host: Where it is; None where that is no host.
    """
    wanted = config.max_connections_per_file
    if wanted is None:
        wanted = 1 if host and _FRUGAL.fullmatch(host.rstrip(".")) else _MANY
    return min(wanted, config.max_connections_per_host)
