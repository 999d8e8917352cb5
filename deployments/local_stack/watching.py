"""Internal: start stopped processes of a local stack again (`up --watch`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from stac_asset.errors import StacAssetError

_INTERVAL = 30.0
"""Seconds between two checks of the processes."""


class Watched(Protocol):
    """The part of a local stack that is watched."""

    @property
    def is_stopped(self) -> bool:
        """Whether `down` has stopped the stack since the last `up`."""

    def dead_processes(self) -> list[str]:
        """Return the names of the processes that are not running."""

    def up(self, file: Path) -> AsyncIterator[str]:
        """Start processes that are not running.

        Args:
            file: The `prefect.yaml` with the deployments.
        """


async def watch(stack: Watched, file: Path, interval: float = _INTERVAL) -> AsyncIterator[str]:
    """Start stopped processes of a stack again, until `down` stops the stack.

    Args:
        stack: The running stack.
        file: The `prefect.yaml` with the deployments.
        interval: Seconds between two checks.

    Yields:
        The lines to print if a process has stopped.
    """
    while not stack.is_stopped:
        dead = stack.dead_processes()
        # `down` stores that the stack is stopped before the first process ends.
        if dead and not stack.is_stopped:
            yield f"stopped      {', '.join(dead)}; starting again"
            try:
                async for line in stack.up(file):
                    yield line
            except StacAssetError as error:
                yield f"error: {error}"
        await asyncio.sleep(interval)
