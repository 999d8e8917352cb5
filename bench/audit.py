"""Plant differences in a large mirror, and check that an audit finds exactly these.

    python -m bench.audit --items 100000 --planted 1000

The mirror and the source, a file of items, are in a temporary folder. The audit runs in a separate
process. The command prints the processor time and the peak memory of this process. The exit code is
1 if a difference is not found, or if the audit reports another one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peak_memory import peak_memory
from bench.planted import PLANTS, Found, PlantedMirror, scene
from bench.table import print_table
from stac_asset.audit import audit_mirror
from stac_asset.audit.differences import DifferenceRow


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of an audit."""

    items: int
    """Number of items in the mirror, without planted differences."""

    planted: int
    """Number of planted differences."""

    missed: frozenset[Found]
    """Planted differences that the audit did not find."""

    invented: frozenset[Found]
    """Differences that the audit found and that were not planted."""

    seconds: float
    """Wall time, without imports."""

    cpu: float
    """Processor time of the process in seconds, with imports."""

    memory: int
    """Peak resident memory of the process, in bytes."""

    def errors(self) -> list[str]:
        """Return the failed conditions."""
        errors = [f"not found: {found}" for found in sorted(self.missed, key=str)[:10]]
        return errors + [f"not planted: {found}" for found in sorted(self.invented, key=str)[:10]]


def found_of_row(row: DifferenceRow) -> Found:
    """Return kind, item or path, and asset of a row of the report.

    Args:
        row: The row.
    """
    kind, item, path, asset = (row[name] for name in ("state", "item", "path", "asset"))
    return str(kind), str(item or path), str(asset) if asset is not None else None


def measure(folder: Path, items: int, planted: int, seed: int = 0) -> Figures:
    """Write a mirror with planted differences, audit the mirror, and return the figures.

    Args:
        folder: An empty folder.
        items: Number of items, each with two assets.
        planted: Number of differences.
        seed: Seed of the random items with differences.
    """
    scenes = (scene(number, "https://files.example", ("a", "b")) for number in range(items))
    mirror = PlantedMirror(
        folder / "mirror", folder / "items.ndjson", {item["id"]: item for item in scenes}
    )
    content = b"II*\0" + bytes(60)
    mirror.write_mirror(lambda name, key: content)
    names = random.Random(seed).sample(sorted(mirror.items), planted)
    for number, name in enumerate(names):
        list(PLANTS.values())[number % len(PLANTS)](mirror, name)
    mirror.write_source()
    child = subprocess.run(
        [sys.executable, "-m", "bench.audit", "--source", mirror.source, "--mirror", folder],
        stdout=subprocess.PIPE,
        check=True,
    )
    reported = json.loads(child.stdout)
    found = [(kind, name, asset) for kind, name, asset in reported["found"]]
    return Figures(
        items=items,
        planted=planted,
        missed=frozenset(mirror.expected - set(found)),
        invented=frozenset(set(found) - mirror.expected)
        | frozenset(entry for entry in found if found.count(entry) > 1),
        seconds=reported["seconds"],
        cpu=reported["cpu"],
        memory=reported["memory"],
    )


def _audit(source: str, folder: str) -> None:
    """Audit a mirror in this process, and print the differences and the costs as JSON."""
    rows: list[Found] = []
    started = time.monotonic()
    asyncio.run(
        audit_mirror(
            source, Path(folder, "mirror"), on_row=lambda row: rows.append(found_of_row(row))
        )
    )
    seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"found": rows, "seconds": seconds, "cpu": cpu, "memory": peak_memory()}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    parser = argparse.ArgumentParser(description="Find planted differences in a large mirror.")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--planted", type=int, default=1000)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    parser.add_argument("--mirror", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.source:
        _audit(options.source, options.mirror)
        return
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        figures = measure(Path(folder), options.items, options.planted)
        _print(figures)  # The removal of the folder takes long.
    if figures.errors():
        sys.exit(1)


def _print(figures: Figures) -> None:
    found = figures.planted - len(figures.missed)
    rows = [
        ("items", f"{figures.items:,}"),
        ("planted differences", f"{figures.planted:,}, of which {found:,} were found"),
        ("invented differences", f"{len(figures.invented):,}"),
        ("time", f"{figures.seconds:.1f} s"),
        ("processor time", f"{figures.cpu:.1f} s"),
        ("peak memory", f"{figures.memory / 1e6:.0f} MB"),
    ]
    print_table(rows, figures.errors())
    sys.stdout.flush()


if __name__ == "__main__":
    main()
