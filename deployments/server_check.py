"""The findings of `stac-asset doctor` about Prefect: versions, and the configured server."""

from __future__ import annotations

from collections.abc import Iterator

import prefect
from prefect.client.orchestration import get_client

from prefect_stac_asset.blocks.prefect_api import configured_server, map_prefect_errors
from stac_asset.cli.doctor import Finding, Level
from stac_asset.errors import ConfigError


def prefect_findings() -> Iterator[Finding]:
    """Return the version of Prefect, and whether the configured server answers."""
    yield Finding("Prefect", Level.OK, f"Prefect {prefect.__version__} is installed.")
    try:
        url = configured_server()
    except ConfigError:
        yield Finding(
            "Prefect server",
            Level.NOTE,
            "No server is configured, so each flow run starts a temporary one.",
            "Run `python -m prefect_stac_asset.deployments up` (in a clone: `make up`), and set "
            "PREFECT_API_URL to the address that it prints.",
        )
        return
    try:
        with map_prefect_errors(), get_client(sync_client=True) as client:
            found = client.api_version()
    except ConfigError as error:
        text, _, cure = str(error).partition(". Check ")
        yield Finding("Prefect server", Level.PROBLEM, f"{text}.", f"Check {cure}")
        return
    yield Finding("Prefect server", Level.OK, f"{url} answers, with version {found}.")
