"""Internal: decisions about the shares of a coordinating run, as pure functions.

The coordinator reads the states of all runs with one request, and the leases of all shares with one
listing. A run that was killed with its machine reports no state. Its lease then stays unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from prefect.client.schemas.objects import StateType

LEASE_EXPIRY = 30.0
"""Seconds without a renewal after which the run of a share counts as lost."""

_START_TIMEOUT = 180.0
"""Seconds in which a run must take the lease after the start."""

_PENDING_TIMEOUT = 1800.0
"""Seconds in which infrastructure, such as a container, must start."""

_CANCELLING_TIMEOUT = 120.0
"""Seconds in which a cancelled run must end."""

MAX_FAILURES = 3
"""Number of runs of a share that may end without a result."""

IDLE_POOL_TIMEOUT = 60.0
"""Seconds without a running share after which the coordinator examines the work pool."""

_IN_FLIGHT = 64
"""Maximum number of unfinished runs, if the number of machines is unknown."""

_PER_WORKER = 2
"""Number of unfinished runs for each worker of a pool of processes: running and ready."""


class ShareStep(Enum):
    """The next action for the run of a share."""

    WAIT = auto()
    """The run continues."""

    READ = auto()
    """The run has written a result."""

    RESTART = auto()
    """The run ended without a result, or was lost."""

    GIVE_UP = auto()
    """The run was cancelled by a user."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The facts about the run of a share."""

    state: StateType | None
    """The type of the state. Empty if the run was deleted."""

    in_state: float
    """Seconds since the coordinator first saw this type of state."""

    has_result: bool
    """Whether the share has a result."""

    lease_age: float | None
    """Seconds since the last change of the lease that the coordinator saw, if there is a lease."""


_FINAL = {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED, None}
"""Types of states of runs that have ended."""


def next_step(seen: Observation) -> ShareStep:
    """Return the next action for the run of a share.

    Args:
        seen: The facts about the run.
    """
    if seen.has_result:
        return ShareStep.READ
    if seen.state is StateType.CANCELLED:
        return ShareStep.GIVE_UP
    if seen.state in _FINAL:
        # The lease of a killed run, or of another run that downloads the same share.
        is_leased = seen.lease_age is not None and seen.lease_age <= LEASE_EXPIRY
        return ShareStep.WAIT if is_leased else ShareStep.RESTART
    return ShareStep.RESTART if is_lost(seen) else ShareStep.WAIT


def is_lost(seen: Observation) -> bool:
    """Return whether a run that reports no final state has ended nevertheless.

    Args:
        seen: The facts about the run.
    """
    if seen.state is StateType.RUNNING and seen.lease_age is not None:
        # A new run waits for the end of the lease of an earlier one.
        return min(seen.lease_age, seen.in_state) > LEASE_EXPIRY
    match seen.state:
        case StateType.RUNNING:
            return seen.in_state > _START_TIMEOUT
        case StateType.PENDING:
            return seen.in_state > _PENDING_TIMEOUT
        case StateType.CANCELLING:
            return seen.in_state > _CANCELLING_TIMEOUT
    return False


@dataclass(frozen=True, slots=True)
class PoolState:
    """The work pool of the deployment that downloads shares."""

    name: str | None
    """The name. Empty for a deployment without a work pool, which a process serves."""

    type: str | None = None
    """The type, such as `process`."""

    is_paused: bool = False
    """Whether the pool starts no runs."""

    workers: int | None = None
    """Number of workers that are online, if the pool has workers."""

    is_served: bool = True
    """Whether the process that serves a deployment without a work pool is online."""


def in_flight(pool: PoolState) -> int:
    """Return the maximum number of unfinished runs.

    A worker of a pool of processes starts all runs on its machine. Workers of other pools start
    containers or jobs elsewhere, so that the number of workers is no limit.

    Args:
        pool: The work pool.
    """
    if pool.type != "process" or pool.workers is None:
        return _IN_FLIGHT
    return min(_IN_FLIGHT, max(1, pool.workers) * _PER_WORKER)


def pool_problem(pool: PoolState) -> str | None:
    """Return the reason why no share starts, as a sentence without a final period.

    Args:
        pool: The work pool.
    """
    if pool.name is None:
        if pool.is_served:
            return None
        return "The shares wait because no process serves the deployment. Start `serve`"
    if pool.is_paused:
        return (
            f"The shares wait because work pool '{pool.name}' is paused. Run `prefect work-pool "
            f"resume {pool.name}`"
        )
    if pool.workers == 0:
        return (
            f"The shares wait because work pool '{pool.name}' has no running worker. Run `prefect "
            f"worker start --pool {pool.name}`"
        )
    return None
