"""Kills a download with SIGKILL again and again, and looks at what that cost and left.

    python -m bench.crash --kills 100

300 assets come from an origin with a limited rate for each connection. A run is killed at a random
moment after its first response, and the next one takes its place; after the last kill, one run is
let finish. The exit code is 1 if a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.catalog import Catalog, Found
from bench.table import print_table
from bench.victim import RUN_HEADER
from stac_asset.testing import OriginProcess, Received

ALLOWED = 128 * 1024
"""Bytes that may be sent in vain for each open connection and kill."""

ASSETS = Catalog.drawn(items=30, assets=10, smallest=16 * 1024, largest=2 * 1024 * 1024)
RATE = 384 * 1024
"""Bytes a second of one connection."""
CONCURRENCY = 24
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Figures:
    """What the kills cost and left."""

    kills: int = 0
    runs: int = 0
    assets: int = 0
    needed: int = 0
    """Bytes of all assets."""
    sent: int = 0
    """Body bytes that the origin sent."""
    connections: int = 0
    """Connections that were in the middle of a transfer when a run was killed, over all kills."""
    broken: int = 0
    """Transfers that were killed, over all kills."""
    worst: float = 0.0
    """The most bytes in vain for one asset and kill of it."""
    parts: int = 0
    """Part files that the kills left, over all kills."""
    unnamed: int = 0
    """Those of them that were whole, and only had not got their name yet."""
    stale: int = 0
    """Notes that the kills left beside finished files."""
    refetched: list[str] = field(default_factory=list)
    """Assets that were asked for again though their file was there."""
    wrong: list[str] = field(default_factory=list)
    """Assets whose file is missing or has not the right SHA-256."""
    leftovers: list[str] = field(default_factory=list)
    """Files that should not be there."""
    errors: list[str] = field(default_factory=list)
    """What else went wrong."""
    seconds: float = 0.0

    @property
    def excess(self) -> int:
        """Bytes that were sent in vain."""
        return self.sent - self.needed

    @property
    def allowed(self) -> int:
        """Bytes that may be sent in vain."""
        return ALLOWED * self.connections

    def problems(self) -> Iterator[str]:
        """Yields the promises that are broken."""
        if self.excess > self.allowed:
            yield f"{self.excess:,} bytes were sent in vain, {self.allowed:,} are allowed"
        yield from (f"fetched again: {path}" for path in self.refetched)
        yield from (f"missing or wrong: {path}" for path in self.wrong)
        yield from (f"left over: {path}" for path in self.leftovers)
        yield from self.errors

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yields the figures by name."""
        yield "kills", f"{self.kills:,}"
        yield "runs", f"{self.runs:,}"
        yield "assets", f"{self.assets:,}"
        yield "bytes needed", f"{self.needed:,}"
        yield "bytes sent", f"{self.sent:,}  ({self.sent / self.needed:.3f} times)"
        yield "excess", f"{self.excess:,}"
        yield "transfers killed", f"{self.broken:,}"
        yield "open connections, all kills", f"{self.connections:,}"
        each = self.excess / max(1, self.connections)
        yield "excess per connection and kill", f"{each:,.0f}"
        yield "  allowed", f"{ALLOWED:,}"
        yield "  the most for one asset", f"{self.worst:,.0f}"
        yield "part files found after kills", f"{self.parts:,}"
        yield "  whole, but for the rename", f"{self.unnamed:,}"
        yield "notes found beside finished files", f"{self.stale:,}"
        yield "refetched assets", f"{len(self.refetched):,}"
        yield "missing or wrong files", f"{len(self.wrong):,}"
        yield "leftovers", f"{len(self.leftovers):,}"
        yield "seconds", f"{self.seconds:.1f}"


@contextmanager
def running(document: Path, directory: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Runs `bench.victim` in a process of its own, which does not outlive the context.

    Args:
        document: The item collection to download.
        directory: Where to.
        options: Further arguments.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.victim", str(document), str(directory), *options],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def crash(kills: int, seed: int = 0, catalog: Catalog = ASSETS, rate: float = RATE) -> Figures:
    """Downloads a catalog through so many kills, and returns what came of it.

    Args:
        kills: How many runs are killed before one is let finish.
        seed: Another seed draws other moments.
        catalog: What is downloaded.
        rate: Bytes a second of each of the origin's connections.
    """
    began = time.monotonic()
    figures = Figures(assets=len(catalog.assets), needed=catalog.size)
    with (
        OriginProcess(bytes_per_second=rate, seed=seed) as origin,
        tempfile.TemporaryDirectory(prefix="crash-") as scratch,
    ):
        document, directory = Path(scratch, "source.json"), Path(scratch, "out")
        document.write_text(json.dumps(catalog.document(origin.href)))
        found = _kill_runs(figures, document, directory, kills, seed, catalog, rate)
        with running(document, directory, "--run", str(kills)) as last:
            if last.wait() != 0:
                figures.errors.append(f"the last run ended with code {last.returncode}")
        figures.runs += 1
        figures.wrong = catalog.wrong(directory)
        figures.leftovers = catalog.leftovers(directory)
        figures.errors += catalog.document_errors(directory)
    _account(figures, origin.gets(), found, catalog)
    figures.seconds = time.monotonic() - began
    return figures


def _kill_runs(
    figures: Figures,
    document: Path,
    directory: Path,
    kills: int,
    seed: int,
    catalog: Catalog,
    rate: float,
) -> list[Found]:
    """Returns what each killed run has left."""
    chance = random.Random(seed)
    found: list[Found] = []
    received = 0
    for run in range(kills):
        # The lives are such that what is left lasts for all kills that are left, and one run more.
        share = (catalog.size - received) / (CONCURRENCY * rate) / (kills - run + 1)
        life = chance.uniform(0, 1.8 * share)
        options = ("--run", str(run), "--concurrency", str(CONCURRENCY))
        with running(document, directory, *options) as victim:
            assert victim.stdout is not None
            if victim.stdout.readline() == "begun\n":
                time.sleep(life)
            if victim.poll() is not None:
                figures.errors.append(
                    f"run {run} ended with code {victim.returncode} before it was killed"
                )
                break
        found.append(Found.of(catalog, directory))
        received = found[-1].received
        figures.kills += 1
        figures.runs += 1
    return found


def _account(figures: Figures, gets: list[Received], found: list[Found], catalog: Catalog) -> None:
    """Draws the figures from the origin's log, and from what each killed run had left."""
    sent: Counter[str] = Counter()
    broken: set[tuple[int, str]] = set()
    connections: set[tuple[int, str]] = set()
    for get in gets:
        run = int(get.headers[RUN_HEADER])
        sent[get.path] += get.body_sent
        if run < len(found) and get.path not in found[run].finished:
            broken.add((run, get.path))
            connections.add((run, get.peer))
        if found and run > 0 and get.path in found[min(run, len(found)) - 1].finished:
            figures.refetched.append(get.path)
    kills = Counter(path for _, path in broken)
    figures.sent = sent.total()
    figures.broken, figures.connections = len(broken), len(connections)
    for asset in catalog.assets:
        excess = sent[asset.path] - asset.size
        figures.worst = max(figures.worst, excess / max(1, kills[asset.path]))
    figures.parts = sum(each.parts for each in found)
    figures.unnamed = sum(each.unnamed for each in found)
    figures.stale = sum(each.stale for each in found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures and returns the exit code.

    Args:
        arguments: The command line; None is the process's own.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how many runs are killed")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other moments")
    parser.add_argument("--rate", type=float, default=RATE, help="bytes a second of a connection")
    options = parser.parse_args(arguments)
    figures = crash(options.kills, options.seed, rate=options.rate)
    problems = list(figures.problems())
    print_table(figures.rows(), problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
