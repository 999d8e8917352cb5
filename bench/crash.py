"""Kill a download with SIGKILL repeatedly, and count repeated bytes, broken files and leftovers.

    python -m bench.crash --kills 100
    python -m bench.crash --kills 100 --destination s3

An origin serves 300 assets with a limited rate for each connection. Each run is killed at a random
moment after its first response, and the next run resumes. After the last kill, a run completes the
download. The exit code is 1 if a guarantee is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from bench.catalog import Catalog, Found
from bench.crash_places import Directory, Place, new_bucket
from bench.table import print_table
from bench.victim import RUN_HEADER
from stac_asset.testing import OriginProcess, Received

ASSETS = Catalog.drawn(items=30, assets=10, smallest=16 * 1024, largest=2 * 1024 * 1024)
RATE = 384 * 1024
"""Maximum bytes per second of a connection."""
S3_ASSETS = Catalog.drawn(items=30, assets=10, smallest=16 * 1024, largest=24 * 1024 * 1024)
"""The assets for buckets. Those of more than 8 MiB have several parts."""
S3_RATE = 1024 * 1024
"""Maximum bytes per second of a connection of a run to a bucket."""
CONCURRENCY = 24
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Figures:
    """The figures of a sequence of kills."""

    kills: int = 0
    runs: int = 0
    assets: int = 0
    needed: int = 0
    """Total size of all assets in bytes."""
    sent: int = 0
    """Number of body bytes that the origin sent."""
    connections: int = 0
    """Number of connections with a killed transfer, over all kills."""
    broken: int = 0
    """Number of killed transfers, over all kills."""
    worst: float = 0.0
    """Maximum number of repeated bytes per asset and kill of that asset."""
    parts: int = 0
    """Number of part files after kills, over all kills."""
    unnamed: int = 0
    """Number of complete part files: the run was killed before the rename."""
    stale: int = 0
    """Number of resume notes of complete files, over all kills."""
    refetched: list[str] = field(default_factory=list)
    """Assets that were requested again although the file was complete."""
    wrong: list[str] = field(default_factory=list)
    """Assets with a missing file or a wrong SHA-256."""
    leftovers: list[str] = field(default_factory=list)
    """Unexpected files."""
    errors: list[str] = field(default_factory=list)
    """Other errors."""
    allowed_each: int = 0
    """Maximum number of repeated bytes for each open connection and kill."""
    parts_twice: int | None = None
    """Number of parts that were sent to the bucket again."""
    unfinished: list[str] = field(default_factory=list)
    """Keys of unfinished uploads at the end."""
    requests: dict[str, int] = field(default_factory=dict)
    """Number of requests to the bucket by operation."""
    seconds: float = 0.0

    @property
    def excess(self) -> int:
        """Number of bytes that were sent repeatedly."""
        return self.sent - self.needed

    @property
    def allowed(self) -> int:
        """Number of bytes that may be sent repeatedly."""
        return self.allowed_each * self.connections

    def problems(self) -> Iterator[str]:
        """Yield the broken guarantees."""
        if self.excess > self.allowed:
            yield f"{self.excess:,} bytes were sent repeatedly, {self.allowed:,} are allowed"
        if self.parts_twice is not None and self.parts_twice > self.connections:
            yield f"{self.parts_twice:,} parts were sent again, {self.connections:,} are allowed"
        yield from (f"unfinished upload: {key}" for key in self.unfinished)
        yield from (f"requested again: {path}" for path in self.refetched)
        yield from (f"missing or wrong: {path}" for path in self.wrong)
        yield from (f"unexpected file: {path}" for path in self.leftovers)
        yield from self.errors

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the figures by name."""
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
        yield "  allowed", f"{self.allowed_each:,}"
        yield "  maximum for an asset", f"{self.worst:,.0f}"
        yield "part files or uploads found after kills", f"{self.parts:,}"
        yield "  complete, not renamed", f"{self.unnamed:,}"
        yield "resume notes of complete files", f"{self.stale:,}"
        yield "refetched assets", f"{len(self.refetched):,}"
        yield "missing or wrong files", f"{len(self.wrong):,}"
        yield "leftovers", f"{len(self.leftovers):,}"
        if self.parts_twice is not None:
            yield "parts sent again", f"{self.parts_twice:,}"
            yield "unfinished uploads", f"{len(self.unfinished):,}"
        yield from ((f"requests: {name}", f"{count:,}") for name, count in self.requests.items())
        yield "seconds", f"{self.seconds:.1f}"


@contextmanager
def running(document: Path, place: Path | Place, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run `bench.victim` in a separate process, and kill the process at the end of the context.

    Args:
        document: Path of the item collection to download.
        place: The destination.
        options: Further command-line arguments.
    """
    place = Directory(place) if isinstance(place, Path) else place
    config = ("--config", json.dumps(dict(place.config)))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.victim", str(document), place.location, *config, *options],
        cwd=_ROOT,
        env={**os.environ, **place.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def crash(
    kills: int,
    seed: int = 0,
    catalog: Catalog | None = None,
    rate: float | None = None,
    destination: str = "local",
) -> Figures:
    """Download a catalog, interrupted by kills, and return the figures.

    Args:
        kills: Number of runs to kill before the last run.
        seed: Seed of the random moments.
        catalog: The catalog to download.
        rate: Maximum bytes per second of each connection.
        destination: `local` for a directory, or `s3` for a bucket.
    """
    began = time.monotonic()
    is_local = destination == "local"
    catalog = catalog or (ASSETS if is_local else S3_ASSETS)
    rate = rate or (RATE if is_local else S3_RATE)
    figures = Figures(assets=len(catalog.assets), needed=catalog.size)
    with (
        OriginProcess(bytes_per_second=rate, seed=seed) as origin,
        tempfile.TemporaryDirectory(prefix="crash-") as scratch,
        _place(destination, Path(scratch, "out")) as place,
    ):
        document = Path(scratch, "source.json")
        document.write_text(json.dumps(catalog.document(origin.href)))
        figures.allowed_each = place.allowed
        found = _kill_runs(figures, document, place, kills, seed, catalog, rate)
        with running(document, place, "--run", str(kills)) as last:
            if last.wait() != 0:
                figures.errors.append(f"the last run ended with code {last.returncode}")
        figures.runs += 1
        directory = place.collected()
        figures.wrong = catalog.wrong(directory)
        figures.leftovers = catalog.leftovers(directory)
        figures.errors += catalog.document_errors(directory)
        figures.unfinished = place.unfinished()
        figures.parts_twice, figures.requests = place.parts_twice, dict(place.requests)
    _account(figures, origin.gets(), found, catalog)
    figures.seconds = time.monotonic() - began
    return figures


def _place(destination: str, directory: Path) -> AbstractContextManager[Place]:
    if destination == "local":
        return nullcontext(Directory(directory))
    return new_bucket(directory)


def _kill_runs(
    figures: Figures,
    document: Path,
    place: Place,
    kills: int,
    seed: int,
    catalog: Catalog,
    rate: float,
) -> list[Found]:
    """Kill runs, and return the files on disk after each kill."""
    chance = random.Random(seed)
    found: list[Found] = []
    received = 0
    for run in range(kills):
        # Spread the remaining bytes over the remaining kills and the last run.
        share = (catalog.size - received) / (CONCURRENCY * rate) / (kills - run + 1)
        lifetime = chance.uniform(0, 1.8 * share)
        options = ("--run", str(run), "--concurrency", str(CONCURRENCY))
        with running(document, place, *options) as victim:
            assert victim.stdout is not None
            if victim.stdout.readline() == "begun\n":
                time.sleep(lifetime)
            if victim.poll() is not None:
                figures.errors.append(
                    f"run {run} ended with code {victim.returncode} before it was killed"
                )
                break
        found.append(place.found(catalog))
        received = found[-1].received
        figures.kills += 1
        figures.runs += 1
    return found


def _account(figures: Figures, gets: list[Received], found: list[Found], catalog: Catalog) -> None:
    """Compute the figures from the log of the origin and the files after each kill."""
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
    """Print the figures, and return the exit code.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="number of runs to kill")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    parser.add_argument("--rate", type=float, help="maximum bytes per second of a connection")
    parser.add_argument(
        "--destination", choices=("local", "s3"), default="local", help="kind of the destination"
    )
    options = parser.parse_args(arguments)
    figures = crash(options.kills, options.seed, rate=options.rate, destination=options.destination)
    problems = list(figures.problems())
    print_table(figures.rows(), problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
