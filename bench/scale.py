"""Run the flow `download-item-collection` over many assets, and measure the costs.

    python -m bench.scale --assets 100000

The command starts a Prefect server, a local origin, and the flow in a separate process. It prints
the number of task runs, the growth of the server's database, and the time and peak memory of the
flow process. Several numbers of assets are several flow runs with the same server.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from prefect.settings import (
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    get_current_settings,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from bench.items import write_items
from bench.peak_memory import peak_memory
from bench.table import print_table
from stac_asset.testing import OriginProcess

PER_ITEM = 25
"""Number of assets of each item, about as many as in a Sentinel-2 scene."""

_SIZE = 4096
_SERVER_TIMEOUT = 300
"""Maximum time, in seconds, to wait until the server has stored all events."""

_TASK_RUNS = "select count(*) from task_run"
_ITEM_EVENTS = "select count(*) from events where event like 'stac_asset.item.%'"
_ENDED_RUNS = "select count(*) from events where event = 'stac_asset.run.completed'"
_COUNTS = (_TASK_RUNS, _ITEM_EVENTS, _ENDED_RUNS)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a run."""

    assets: int
    downloaded: int
    task_runs: int
    database: int
    """Growth of the server's database in bytes."""
    events: int
    """Number of item events in the database."""
    seconds: float
    """Wall time of the flow, without imports."""
    memory: int
    """Peak resident memory of the flow process in bytes."""


def measure(amounts: Sequence[int]) -> Iterator[Figures]:
    """Run the flow once for each number of assets, and yield the figures of each run.

    Args:
        amounts: Numbers of assets, multiples of `PER_ITEM`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="scale-") as folder,
        OriginProcess() as origin,
        temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}),
        prefect_test_harness(server_startup_timeout=120),
    ):
        for number, assets in enumerate(amounts):
            yield _measure_run(origin.url, Path(folder, str(number)), assets)


def _measure_run(origin: str, folder: Path, assets: int) -> Figures:
    folder.mkdir()
    source = folder / "items.ndjson"
    write_items(source, origin, assets // PER_ITEM, PER_ITEM, _SIZE)
    database = _database()
    before = {query: _count(database, query) for query in _COUNTS}
    size = _bytes(database)
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    child = subprocess.run(
        [sys.executable, "-m", "bench.scale", "--source", source, "--into", folder],
        env={**os.environ, **settings, "PREFECT_LOGGING_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        check=True,
    )
    reported = json.loads(child.stdout)
    _wait_until_stored(database, before[_ENDED_RUNS] + 1)
    task_runs, events = (
        _count(database, query) - before[query] for query in (_TASK_RUNS, _ITEM_EVENTS)
    )
    return Figures(
        assets=assets,
        downloaded=reported["downloaded"],
        task_runs=task_runs,
        database=_bytes(database) - size,
        events=events,
        seconds=reported["seconds"],
        memory=reported["memory"],
    )


def _database() -> str:
    return str(PREFECT_API_DATABASE_CONNECTION_URL.value()).partition("///")[2]


def _count(database: str, query: str) -> int:
    with sqlite3.connect(database) as connection:
        (found,) = connection.execute(query).fetchone()
    connection.close()
    return int(found)


def _bytes(database: str) -> int:
    return _count(database, "pragma page_count") * _count(database, "pragma page_size")


def _wait_until_stored(database: str, ended_runs: int) -> None:
    """Wait until the database contains the ends of runs and of each task run."""
    deadline = time.monotonic() + _SERVER_TIMEOUT
    going = "select count(*) from task_run where state_type in ('PENDING', 'RUNNING')"
    last = -1
    while (
        _count(database, _ENDED_RUNS) < ended_runs
        or _count(database, going)
        or _bytes(database) != last
    ):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server did not store all events within {_SERVER_TIMEOUT} s")
        last = _bytes(database)
        time.sleep(2)


def _run(source: str, directory: str) -> None:
    """Run the flow in this process, and print the result as JSON."""
    import asyncio

    from prefect_stac_asset import flows

    started = time.monotonic()
    result = asyncio.run(flows.download_item_collection(source, os.path.join(directory, "out")))
    seconds = time.monotonic() - started
    memory = peak_memory()
    print(json.dumps({"downloaded": result.downloaded, "seconds": seconds, "memory": memory}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    parser = argparse.ArgumentParser(
        description="Run the flow over many assets, and measure the costs."
    )
    parser.add_argument("--assets", type=int, nargs="+", default=[100_000])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--source", help=argparse.SUPPRESS)
    parser.add_argument("--into", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.source:
        _run(options.source, options.into)
        return
    for figures in measure(options.assets):
        if options.json:
            print(json.dumps(asdict(figures)))
        else:
            _print(figures)


def _print(figures: Figures) -> None:
    rows = [
        ("assets", f"{figures.downloaded:,} of {figures.assets:,} downloaded"),
        ("task runs", f"{figures.task_runs:,}"),
        ("database", f"{figures.database / 1e6:.2f} MB, {figures.events:,} item events"),
        ("time", f"{figures.seconds:.1f} s"),
        ("peak memory", f"{figures.memory / 1e6:.0f} MB"),
    ]
    print_table(rows, [] if figures.downloaded == figures.assets else ["assets are missing"])


if __name__ == "__main__":
    main()
