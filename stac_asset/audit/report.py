"""The report of an audit: newline-delimited JSON with a row per difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stac_asset.audit.differences import DifferenceRow
from stac_asset.destinations import BusyError
from stac_asset.destinations.local.documents import new_file
from stac_asset.destinations.reports import check_report_path, report_error
from stac_asset.errors import DestinationError


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
    check_report_path(path)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(new_file(path, path.parent))
        except BusyError:
            raise report_error(path, "another run is writing this file") from None
        except DestinationError as error:
            raise report_error(path, error) from None
        yield lambda row: file.append(json.dumps(row).encode() + b"\n")
        file.commit()
