"""Waits for a file that somebody else is writing, without a thread that nobody can end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from stac_asset.files import PartFile
from stac_asset.locks import BusyError

logger = logging.getLogger(__name__)

_POLL = 0.2
"""Seconds between two looks."""

_SILENT = 5
"""Looks until the wait is worth a line: most are over by then."""


async def when_free(open_part: Callable[[], PartFile], path: str) -> PartFile:
    """Returns a part file as soon as nobody else is writing it.

    Args:
        open_part: Opens it, and does not wait.
        path: The file that it becomes.

    Raises:
        UnsafePathError: The path leaves its directory.
        DestinationError: The file cannot be made.
    """
    looked = 0
    while True:
        try:
            return open_part()
        except BusyError:
            looked += 1
            if looked == _SILENT:
                logger.warning("waiting for another run, or asset, that is writing %s", path)
            await asyncio.sleep(_POLL)
