"""Files of newline-delimited JSON in the state of a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stac_asset.destinations.local.documents import write_document
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file line by line. Invalid lines are skipped.

    Args:
        path: The file, which need not exist.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return
    for line in data.splitlines():
        try:
            fields = loads(line, str(path))
        except ValueError:
            continue
        if isinstance(fields, dict):
            yield fields


def write_lines(path: Path, directory: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Replace a file as a whole.

    Args:
        path: The absolute path of the file.
        directory: The mirror directory, which must contain the file.
        lines: The JSON objects.

    Raises:
        DestinationError: The file cannot be written.
    """
    data = b"".join(json_bytes(line, indent=None) + b"\n" for line in lines)
    write_document(path, data, directory)
