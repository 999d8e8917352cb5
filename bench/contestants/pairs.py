"""Runner of contestants without STAC support, which get a list of URLs and files."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

CONCURRENCY = 32
"""Number of connections of each contestant with such an option."""

Pairs: TypeAlias = list[tuple[str, Path]]
"""URLs, and the paths of the files to write."""


def run(download: Callable[[Pairs], Coroutine[Any, Any, None]], runner: asyncio.Runner) -> None:
    """Download the files of a list, and print the seconds.

    The command line names the list and the destination directory.

    Args:
        download: The coroutine function that downloads the files.
        runner: Runs the coroutine.
    """
    began = time.perf_counter()
    with runner:
        runner.run(download(_read(Path(sys.argv[1]), Path(sys.argv[2]))))
    print(json.dumps({"seconds": time.perf_counter() - began}))


def _read(path: Path, directory: Path) -> Pairs:
    """Return the pairs of a list, and create the folders of the files."""
    pairs = []
    for line in path.read_text().splitlines():
        url, _, name = line.partition("\t")
        pairs.append((url, directory / name))
    for folder in {file.parent for _, file in pairs}:
        folder.mkdir(parents=True, exist_ok=True)
    return pairs


def split(url: str) -> tuple[str, str]:
    """Return the origin or bucket of a URL, and the path.

    Args:
        url: An http or s3 URL.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
