"""The report of an audit: newline-delimited JSON with a row per difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stac_asset.audit.differences import DifferenceRow
from stac_asset.destinations import BusyError
from stac_asset.destinations.local.documents import new_file
from stac_asset.errors import DestinationError

_ROW_START = b'{"state":'
"""First bytes of a report."""


@contextmanager
def open_report(path: Path | None) -> Iterator[Callable[[DifferenceRow], None]]:
    """Open a report, which is written when the context ends without an error.

    Args:
        path: The absolute path of the report. If None, rows are discarded.

    Yields:
        The function that writes a row.

    Raises:
        DestinationError: The report cannot be written, another run is writing the report, or the
            path has a file that is no report.
    """
    if path is None:
        yield lambda row: None
        return
    _check_replaced(path)
    try:
        with new_file(path, path.parent) as file:
            yield lambda row: file.append(json.dumps(row).encode() + b"\n")
            file.commit()
    except BusyError:
        raise DestinationError(
            f"Cannot write the report '{path}': another run is writing it. Wait for that run to "
            "end, or choose another path."
        ) from None


def _check_replaced(path: Path) -> None:
    """Check that a report replaces no file of another kind, such as a document.

    Raises:
        DestinationError: The path has a file that is no report.
    """
    try:
        with path.open("rb") as file:
            first = file.read(len(_ROW_START))
    except OSError:
        return  # Without such a file, nothing is lost. Other errors end the write.
    if first not in (b"", _ROW_START):
        raise DestinationError(
            f"Cannot write the report '{path}': this file exists and is no report. Choose another "
            "path."
        )
