"""Measure runs of a mirror over many items: unchanged, with 100 changed items, and a short answer.

    python -m bench.mirror_scale --items 10000 100000

The short answer has the 100 changed items only, as that of a search for the last day has. The
command writes a STAC API and a mirror of its items, and serves the API with nginx. Each run of
the mirror is a process of its own. The first run writes the index, and is not measured. It also
writes all GeoParquet files, which takes most of the time of the command, unless
`--without-geoparquet` is given.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.peak_memory import peak_memory
from bench.servers import nginx
from bench.stac_api import ASSET, write_api, write_mirror

CHANGES = 100
"""Number of items that change before the second measured run."""

_PER_PAGE = 250
"""Number of items of a page of the API. See `bench.stac_api`."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a run."""

    items: int
    answered: int
    """Number of items that the API returned."""
    changed: int
    """Number of items whose metadata changed."""
    cpu_seconds: float
    """Processor time of the process in user and system mode, with imports."""
    memory: int
    """Peak resident memory of the process in bytes."""
    requests: int
    """Number of requests for pages of the API."""
    files: int
    """Number of files of the mirror that the run wrote."""
    bytes: int
    """Size of these files in bytes."""


def measure(
    amounts: Sequence[int], changes: int = CHANGES, geoparquet: bool = True
) -> Iterator[Figures]:
    """Run mirrors, and yield the figures of runs without changes, with changes, and a short answer.

    Args:
        amounts: Numbers of items.
        changes: Number of changed items.
        geoparquet: Whether the runs write GeoParquet files.
    """
    for items in amounts:
        with tempfile.TemporaryDirectory(prefix="mirror-scale-") as folder:
            served, directory = Path(folder, "served"), Path(folder, "mirror")
            served.mkdir()
            with nginx(served) as origin:
                api = write_api(served, origin, items, with_files=False)
                write_mirror(directory, served, api)
                _run(api, directory, geoparquet)
                yield _measured(api, directory, items, items, 0, geoparquet)
                changed = _change_items(served, changes)
                yield _measured(api, directory, items, items, changed, geoparquet)
                changed = _shorten_answer(served, changes)
                yield _measured(api, directory, items, changed, changed, geoparquet)


def _measured(
    api: str, directory: Path, items: int, answered: int, changed: int, geoparquet: bool
) -> Figures:
    before = _files(directory)
    reported = _run(api, directory, geoparquet)
    if reported["metadata_updates"] != changed or reported["wanted"]:
        raise RuntimeError(f"the run found other changes than {changed}: {reported}")
    written = {
        path: found for path, found in _files(directory).items() if before.get(path) != found
    }
    return Figures(
        items=items,
        answered=answered,
        changed=changed,
        cpu_seconds=reported["cpu_seconds"],
        memory=reported["memory"],
        requests=-(-answered // _PER_PAGE),
        files=len(written),
        bytes=sum(size for _, size in written.values()),
    )


def _run(api: str, directory: Path, geoparquet: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.mirror_scale", "--api", api, "--into", str(directory)]
    command += [] if geoparquet else ["--without-geoparquet"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    reported: dict[str, Any] = json.loads(done.stdout)
    return reported


def _files(directory: Path) -> dict[Path, tuple[int, int]]:
    """Return the modification time and the size of each document of a mirror."""
    paths = (path for path in directory.rglob("*") if path.suffix != ".tif" and path.is_file())
    return {path: (found.st_mtime_ns, found.st_size) for path in paths if (found := path.stat())}


def _change_items(served: Path, count: int) -> int:
    """Change the metadata of items in different pages, and return the number of items."""
    pages = sorted((served / "api").glob("*/index.json"))
    pages = [page for page in pages if b'"FeatureCollection"' in page.read_bytes()[:60]]
    changed = 0
    while changed < count:
        for page in pages[: count - changed]:
            document = json.loads(page.read_bytes())
            item = document["features"][changed // len(pages)]
            item["properties"]["eo:cloud_cover"] += 0.5
            page.write_text(json.dumps(document))
            changed += 1
    return changed


def _shorten_answer(served: Path, count: int) -> int:
    """Change some items, return only these items from now on, and return the number of items."""
    page = served / "api" / "search" / "index.json"
    document = json.loads(page.read_bytes())
    document |= {"features": document["features"][:count], "links": []}
    for item in document["features"]:
        item["properties"]["eo:cloud_cover"] += 0.5
    page.write_text(json.dumps(document))
    return len(document["features"])


async def _mirror(api: str, directory: str) -> dict[str, int]:
    """Run a mirror without downloads, and return the numbers of changes."""
    from stac_asset import Config
    from stac_asset.api.destinations import RunDestinations
    from stac_asset.clients import Clients
    from stac_asset.destinations.location import location_of
    from stac_asset.mirror.run import MirrorUpdate
    from stac_asset.mirror.search.criteria import Criteria
    from stac_asset.mirror.sources.open import open_source
    from stac_asset.mirror.storage.open import open_storage

    config = Config(include=[ASSET])
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as documents:
        async with (
            RunDestinations(config) as destinations,
            Clients(config) as clients,
            open_storage(location_of(directory), destinations) as storage,
        ):
            source = await open_source(api, clients, config, Path(scratch))
            now = datetime.now(UTC)
            mirror = MirrorUpdate(storage, source, Criteria(), config, clients, now, documents)
            await mirror.find_changes()
            await mirror.begin()
            await mirror.finish("keep")
            return {
                "wanted": len(mirror.changes.wanted),
                "metadata_updates": len(mirror.metadata_updates),
            }


def _report(api: str, directory: str) -> None:
    """Run a mirror in this process, and print the figures as JSON."""
    changes = asyncio.run(_mirror(api, directory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = used.ru_utime + used.ru_stime
    print(json.dumps({**changes, "cpu_seconds": cpu_seconds, "memory": peak_memory()}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    parser = argparse.ArgumentParser(description="Measure runs of a mirror over many items.")
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument(
        "--without-geoparquet", action="store_true", help="run as without the extra `geoparquet`"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--api", help=argparse.SUPPRESS)
    parser.add_argument("--into", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.api:
        if options.without_geoparquet:
            sys.modules["stac_geoparquet"] = None  # type: ignore[assignment] # not installed
        _report(options.api, options.into)
        return
    if not options.json:
        columns = "items", "answered", "changed", "processor time", "peak memory", "requests"
        print(f"| {' | '.join(columns)} | files | written |")
        print("|---|---|---|---|---|---|---|---|")
    for figures in measure(options.items, geoparquet=not options.without_geoparquet):
        if options.json:
            print(json.dumps(asdict(figures)), flush=True)
        else:
            _print(figures)


def _print(figures: Figures) -> None:
    cells = (
        f"{figures.items:,}",
        f"{figures.answered:,}",
        f"{figures.changed:,}",
        f"{figures.cpu_seconds:.1f} s",
        f"{figures.memory / 1e6:.0f} MB",
        f"{figures.requests:,}",
        f"{figures.files:,}",
        f"{figures.bytes / 1e6:.1f} MB",
    )
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
