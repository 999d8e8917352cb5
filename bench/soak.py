"""Download many small assets from an origin that fails often, and measure the memory.

    python -m bench.soak

The origin serves 20,000 assets and injects a fault (503, 429, reset, truncation) into one request
of twenty. The exit code is 1 if an asset is missing or wrong, or if the memory grows.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pystac

from bench.catalog import Catalog
from bench.peak_memory import peak_memory
from bench.table import print_table
from stac_asset import (
    Config,
    DownloadError,
    ErrorAssetDownload,
    FinishAssetDownload,
    Message,
    download_item_collection,
)
from stac_asset.concurrency import new_runner
from stac_asset.testing import OriginProcess, Received

FAULT_RATE = 0.05
GROWTH = 8 * 1024 * 1024
"""Maximum growth of memory in bytes, from the first quarter of the assets to the last asset.

The run keeps an outcome of some hundred bytes for each asset, for the rewritten document.
"""
_ITEM = 100
_MIB = 1024 * 1024


@dataclass(slots=True)
class Figures:
    """The figures of a download."""

    assets: int = 0
    needed: int = 0
    """Total size of all assets in bytes."""
    sent: int = 0
    """Number of body bytes that the origin sent."""
    faults: int = 0
    """Number of requests that failed or were truncated."""
    retries: int = 0
    """Number of requests after the first request of each asset."""
    wrong: list[str] = field(default_factory=list)
    """Assets with a missing file or a wrong SHA-256."""
    leftovers: list[str] = field(default_factory=list)
    """Unexpected files."""
    errors: list[str] = field(default_factory=list)
    """Other errors."""
    seconds: float = 0.0
    """Wall time of the download."""
    memory: dict[int, int] = field(default_factory=dict)
    """Resident memory in bytes, by percentage of finished assets. 0 is before the first asset."""
    peak: int = 0
    """Peak resident memory of the process in bytes, including the rewritten document."""

    @property
    def growth(self) -> int:
        """Growth of memory in bytes after the first quarter of the assets."""
        return self.memory.get(100, 0) - self.memory.get(25, 0)

    def problems(self) -> Iterator[str]:
        """Yield the broken guarantees."""
        if self.growth > GROWTH:
            yield f"the memory grew by {self.growth:,} bytes after the first quarter"
        yield from (f"missing or wrong: {path}" for path in self.wrong)
        yield from (f"unexpected file: {path}" for path in self.leftovers)
        yield from self.errors

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the figures by name."""
        yield "assets", f"{self.assets:,}"
        yield "bytes needed", f"{self.needed:,}"
        yield "bytes sent", f"{self.sent:,}  ({self.sent / self.needed:.3f} times)"
        yield "faults", f"{self.faults:,}"
        yield "retries", f"{self.retries:,}"
        yield "missing or wrong files", f"{len(self.wrong):,}"
        yield "leftovers", f"{len(self.leftovers):,}"
        yield "seconds", f"{self.seconds:.1f}"
        yield "assets per second", f"{self.assets / self.seconds:,.0f}"
        for percent, resident in self.memory.items():
            yield f"memory at {percent}%", f"{resident / _MIB:.1f} MiB"
        yield "growth after the first quarter", f"{self.growth / _MIB:.1f} MiB"
        yield "  allowed", f"{GROWTH / _MIB:.1f} MiB"
        yield "  for each asset", f"{self.growth / (0.75 * self.assets):,.0f} bytes"
        yield "peak, including the document", f"{self.peak / _MIB:.1f} MiB"


def soak(assets: int, seed: int = 0, fault_rate: float = FAULT_RATE) -> Figures:
    """Download assets, and return the figures.

    Args:
        assets: Number of assets, rounded up to items of 100.
        seed: Seed of the random sizes and faults.
        fault_rate: Share of requests that get a fault.
    """
    catalog = Catalog.drawn(-(-assets // _ITEM), _ITEM, smallest=512, largest=96 * 1024, seed=seed)
    figures = Figures(assets=len(catalog.assets), needed=catalog.size)
    with (
        OriginProcess(fault_rate=fault_rate, seed=seed) as origin,
        tempfile.TemporaryDirectory(prefix="soak-") as scratch,
    ):
        directory = Path(scratch)
        items = pystac.ItemCollection.from_dict(catalog.document(origin.href))
        with new_runner() as runner:
            runner.run(_download(figures, items, directory))
        figures.wrong = catalog.wrong(directory)
        figures.leftovers = catalog.leftovers(directory)
        figures.errors += catalog.document_errors(directory)
    _account(figures, origin.gets(), catalog)
    return figures


async def _download(figures: Figures, items: pystac.ItemCollection, directory: Path) -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    watching = asyncio.create_task(_watch(figures, messages))
    began = time.monotonic()
    try:
        await download_item_collection(
            items, directory, config=Config(retry_wait=0.05), messages=messages
        )
    except DownloadError as error:
        figures.errors.append(str(error))
    figures.seconds = time.monotonic() - began
    figures.peak = max(peak_memory(), *figures.memory.values(), 0)
    watching.cancel()


async def _watch(figures: Figures, messages: asyncio.Queue[Message]) -> None:
    """Measure the memory at 0%, at each tenth and at each quarter of the assets."""
    due = {figures.assets * percent // 100: percent for percent in (0, *range(10, 101, 10), 25, 75)}
    ended = 0
    while True:
        message = await messages.get()
        if isinstance(message, FinishAssetDownload | ErrorAssetDownload):
            ended += 1
        if ended in due:
            figures.memory[due.pop(ended)] = _resident()


def _account(figures: Figures, gets: list[Received], catalog: Catalog) -> None:
    sizes = {asset.path: asset.size for asset in catalog.assets}
    for get in gets:
        start = int(get.range.removeprefix("bytes=").partition("-")[0]) if get.range else 0
        wanted = sizes[get.path] - (start if get.status == 206 else 0)
        figures.faults += get.status not in (200, 206) or get.body_sent < wanted
    figures.sent = sum(get.body_sent for get in gets)
    figures.retries = len(gets) - len(sizes)


def _resident() -> int:
    """Return the resident memory of this process in bytes, or the peak on systems without /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak_memory()
    return pages * resource.getpagesize()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures, and return the exit code.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument(
        "--assets",
        type=int,
        default=20_000,
        help="number of assets, rounded up to a multiple of 100",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random faults")
    options = parser.parse_args(arguments)
    figures = soak(options.assets, options.seed)
    problems = list(figures.problems())
    print_table(figures.rows(), problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
