"""Runs contestants that know no STAC: they get a list of URLs and files."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

Pairs: TypeAlias = list[tuple[str, Path]]
"""URLs, and the files that they become."""


def run(download: Callable[[Pairs], Coroutine[Any, Any, None]], runner: asyncio.Runner) -> None:
    """Prints the seconds that the work of the command line takes: a list, and a directory.

    Args:
        download: Does the work.
        runner: Runs it.
    """
    began = time.perf_counter()
    with runner:
        runner.run(download(_read(Path(sys.argv[1]), Path(sys.argv[2]))))
    print(json.dumps({"seconds": time.perf_counter() - began}))


def _read(path: Path, directory: Path) -> Pairs:
    """Returns what a list says, a line each with a tab in between, and makes the folders."""
    pairs = []
    for line in path.read_text().splitlines():
        url, _, name = line.partition("\t")
        pairs.append((url, directory / name))
    for folder in {file.parent for _, file in pairs}:
        folder.mkdir(parents=True, exist_ok=True)
    return pairs


def split(url: str) -> tuple[str, str]:
    """Returns the origin of a URL, or the bucket, and the path within it.

    Args:
        url: An http or s3 URL.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
