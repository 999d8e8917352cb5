"""Objects that the transfers of a run share, and the statistics of a transfer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from stac_asset.config import Config
from stac_asset.transfer.host_limits import OpenConnection
from stac_asset.transfer.reporter import Reporter


@dataclass(slots=True)
class TransferStats:
    """Statistics of a transfer, summed over all candidates."""

    started: float = field(default_factory=time.monotonic)
    """Start time, in seconds of the monotonic clock."""

    attempts: int = 0
    """Number of attempts."""

    received: int = 0
    """Number of received bytes, including discarded bytes."""

    @property
    def seconds(self) -> float:
        """Elapsed time since the start, in seconds."""
        return time.monotonic() - self.started


@dataclass(slots=True)
class TransferContext:
    """The settings and functions that all transfers of a run share."""

    config: Config
    """The configuration of the run."""

    reporter: Reporter
    """Receives the progress of all transfers."""

    stream: bool | None
    """If False, a file is read into memory before the first byte is written."""

    connect: OpenConnection
    """Function that returns a connection to a host."""
