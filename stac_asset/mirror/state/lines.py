"""Files of newline-delimited JSON in the state of a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from stac_asset.destinations.local.documents import write_document
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file line by line. Invalid lines are skipped.

    The file is not read as a whole, because an index of 100,000 items has 60 MB.

    Args:
        path: The file, which need not exist. The objects end at a line that cannot be read.
    """
    name = str(path)
    with suppress(OSError), path.open("rb") as file:
        for line in file:
            try:
                fields = loads(line, name)
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
