"""Runs the flow `download-item-collection` over very many assets, and counts what that costs.

    python -m bench.scale --assets 100000

A Prefect server of its own, a loopback origin, and the flow in a process of its own. Prints the
task runs, the growth of the server's database, and the time and peak memory of the flow's process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefect.settings import (
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    get_current_settings,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from bench.table import print_table
from stac_asset.testing import OriginProcess

PER_ITEM = 25
"""Assets of each item, about as many as a Sentinel-2 scene has."""

_SIZE = 4096
_PATIENCE = 300
"""Seconds for the server to write down what has happened."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run over many assets cost."""

    assets: int
    downloaded: int
    task_runs: int
    database: int
    """Bytes by which the server's database grew."""
    events: int
    """Events of items in it."""
    seconds: float
    """Wall time of the flow, without imports."""
    memory: int
    """Peak resident bytes of the flow's process."""


def measure(assets: int) -> Figures:
    """Runs the flow once, and returns what it cost.

    Args:
        assets: How many assets; a multiple of `PER_ITEM`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="scale-") as folder,
        OriginProcess() as origin,
        temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}),
        prefect_test_harness(server_startup_timeout=120),
    ):
        source = Path(folder, "items.ndjson")
        _write_items(source, origin.url, assets // PER_ITEM)
        database = _database()
        before = _bytes(database)
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        child = subprocess.run(
            [sys.executable, "-m", "bench.scale", "--source", source, "--into", folder],
            env={**os.environ, **settings, "PREFECT_LOGGING_LEVEL": "WARNING"},
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(child.stdout)
        _settled(database)
        return Figures(
            assets=assets,
            downloaded=told["downloaded"],
            task_runs=_count(database, "select count(*) from task_run"),
            database=_bytes(database) - before,
            events=_count(
                database, "select count(*) from events where event like 'stac_asset.item.%'"
            ),
            seconds=told["seconds"],
            memory=told["memory"],
        )


def _write_items(path: Path, url: str, items: int) -> None:
    with path.open("w") as file:
        for number in range(items):
            item: dict[str, Any] = {
                "type": "Feature",
                "stac_version": "1.1.0",
                "id": f"item-{number}",
                "geometry": None,
                "properties": {"datetime": "2026-06-01T00:00:00Z"},
                "links": [],
                "assets": {
                    f"band-{band}": {"href": f"{url}/{number}/{band}.tif?size={_SIZE}"}
                    for band in range(PER_ITEM)
                },
            }
            file.write(json.dumps(item) + "\n")


def _database() -> str:
    return str(PREFECT_API_DATABASE_CONNECTION_URL.value()).partition("///")[2]


def _count(database: str, query: str) -> int:
    with sqlite3.connect(database) as connection:
        (found,) = connection.execute(query).fetchone()
    connection.close()
    return int(found)


def _bytes(database: str) -> int:
    return _count(database, "pragma page_count") * _count(database, "pragma page_size")


def _settled(database: str) -> None:
    """Waits until the end of the run and of each task run is in the database."""
    deadline = time.monotonic() + _PATIENCE
    ended = "select count(*) from events where event = 'stac_asset.run.completed'"
    going = "select count(*) from task_run where state_type in ('PENDING', 'RUNNING')"
    last = -1
    while not _count(database, ended) or _count(database, going) or _bytes(database) != last:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server was not done after {_PATIENCE} s")
        last = _bytes(database)
        time.sleep(2)


def _run(source: str, directory: str) -> None:
    """Runs the flow in this process, and prints what came of it as JSON."""
    import asyncio

    from prefect_stac_asset import flows

    started = time.monotonic()
    result = asyncio.run(flows.download_item_collection(source, os.path.join(directory, "out")))
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = peak if sys.platform == "darwin" else peak * 1024
    print(json.dumps({"downloaded": result.downloaded, "seconds": seconds, "memory": memory}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description="Runs the flow over very many assets.")
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--source", help=argparse.SUPPRESS)
    parser.add_argument("--into", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.source:
        _run(options.source, options.into)
        return
    figures = measure(options.assets)
    if options.json:
        print(json.dumps(asdict(figures)))
        return
    rows = [
        ("assets", f"{figures.downloaded:,} of {figures.assets:,} downloaded"),
        ("task runs", f"{figures.task_runs:,}"),
        ("database", f"{figures.database / 1e6:.2f} MB, {figures.events:,} events of items in it"),
        ("time", f"{figures.seconds:.1f} s"),
        ("peak memory", f"{figures.memory / 1e6:.0f} MB"),
    ]
    print_table(rows, [] if figures.downloaded == figures.assets else ["assets are missing"])


if __name__ == "__main__":
    main()
