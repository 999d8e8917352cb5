"""Limits on simultaneous downloads and connections of a run within a process.

The tasks of a run share these limits across threads and event loops. Tasks that the flow awaits
run in the loop of the flow. Tasks that are submitted to threads have one loop each.
"""

from __future__ import annotations

import threading
from typing import TypeAlias
from weakref import WeakValueDictionary

from prefect.runtime import flow_run

from stac_asset import Config
from stac_asset.concurrency import CrossLoopSemaphore
from stac_asset.transfer.host_limits import HostLimits


class ProcessLimits:
    """The limits of a run in this process.

    Args:
        max_concurrent_downloads: Maximum number of assets downloaded at once.
        config: The limits of connections, and the waits after a refusal.
    """

    downloads: CrossLoopSemaphore
    """Limits the number of assets downloaded at once."""

    hosts: HostLimits
    """Limits the number of connections to each host."""

    def __init__(self, max_concurrent_downloads: int, config: Config) -> None:
        self.downloads = CrossLoopSemaphore(max_concurrent_downloads)
        self.hosts = HostLimits(config)


_LimitsKey: TypeAlias = tuple[str, int, str]

_limits_by_run: WeakValueDictionary[_LimitsKey, ProcessLimits] = WeakValueDictionary()
"""The limits of the current runs, by the id of the flow run and the options."""

_lock = threading.Lock()


def run_limits(max_concurrent_downloads: int, config: Config) -> ProcessLimits:
    """Return the limits of the current flow run. Outside of a flow run, return new limits.

    Args:
        max_concurrent_downloads: Maximum number of assets downloaded at once.
        config: The configuration of the run.
    """
    run_id = flow_run.id
    if not run_id:
        return ProcessLimits(max_concurrent_downloads, config)
    key = (run_id, max_concurrent_downloads, repr(config))
    with _lock:
        limits = _limits_by_run.get(key)
        if limits is None:
            limits = _limits_by_run[key] = ProcessLimits(max_concurrent_downloads, config)
        return limits
