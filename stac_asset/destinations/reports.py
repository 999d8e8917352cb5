"""Internal: checks the path of a report before a run writes the report.

The command `audit` and the flows with a parameter `report` call these functions. The errors name
the parameter.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from stac_asset.errors import DestinationError

ROW_LENGTH = len(b'{"state":')
"""Number of bytes of a file that `check_first_bytes` needs."""

_ROW_STARTS = (b'{"state":', b'{"owner":')
"""First bytes of reports, which have the same length."""


def check_report_path(path: Path) -> None:
    """Check that a report replaces no folder, and no file of another kind.

    Args:
        path: The absolute path of the report.

    Raises:
        DestinationError: The name is too long, or the path has a folder, or a file that is no
            report.
    """
    try:
        mode, first = path.stat().st_mode, None
        if S_ISREG(mode):  # A pipe would block.
            with path.open("rb") as file:
                first = file.read(ROW_LENGTH)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # The part file has a shorter name.
            raise report_error(path, os.strerror(errno.ENAMETOOLONG)) from None
        return  # Without such a file, nothing is lost. Other errors end the write.
    if S_ISDIR(mode):
        raise report_error(path, "a folder has this name")
    check_first_bytes(path, first)


def check_first_bytes(location: object, first: bytes | None) -> None:
    """Check that a report replaces no file of another kind, such as the catalog of a mirror.

    Args:
        location: The location of the report.
        first: The first bytes of the existing file, if any.

    Raises:
        DestinationError: The file is no report.
    """
    if first and first not in _ROW_STARTS:
        raise report_error(location, "this file exists and is no report")


def report_error(location: object, reason: str | DestinationError) -> DestinationError:
    """Return the error for a report that cannot be written.

    Args:
        location: The location of the report.
        reason: The reason as a phrase, or the error of the destination.
    """
    if isinstance(reason, DestinationError):
        if "`report`" in reason.message:
            return reason
        reason = reason.message.removeprefix(f"cannot write {location}: ").partition(". ")[0]
    return DestinationError(
        f"Cannot write the report '{location}': {reason.rstrip('.')}. Set `report` to another path."
    )
