"""Outcomes of earlier attempts of a flow run, so that a retry does not download files again.

Without `overwrite`, a retry finds the existing files. With `overwrite`, only the process knows the
files that the flow run has already replaced. The outcomes are kept in memory while the flow has
retries left.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass, field
from uuid import UUID

from prefect.context import FlowRunContext

from stac_asset.types import Failed, Outcome, Transfer

_MAX_RUNS = 4
"""Maximum number of flow runs with kept outcomes."""


@dataclass(slots=True)
class _Attempts:
    """The outcomes of the attempts of a flow run."""

    number: int
    """Number of the current attempt, from 1."""

    earlier: dict[Transfer, Outcome] = field(default_factory=dict)
    current: dict[Transfer, Outcome] = field(default_factory=dict)


_runs: OrderedDict[UUID, _Attempts] = OrderedDict()


def earlier_outcome(transfer: Transfer) -> Outcome | None:
    """Return the outcome of a transfer in an earlier attempt of the flow run, if its file exists.

    Args:
        transfer: The planned transfer.
    """
    attempts = _attempts()
    outcome = attempts.earlier.get(transfer) if attempts is not None else None
    return outcome if outcome is not None and has_file(outcome) else None


def remember(outcome: Outcome) -> None:
    """Keep an outcome for the next attempt of the flow run, if the flow has retries left.

    Args:
        outcome: The outcome of a transfer that replaces existing files.
    """
    context, attempts = FlowRunContext.get(), _attempts()
    if context is None or attempts is None or isinstance(outcome, Failed):
        return
    flow = context.flow
    if flow is not None and (flow.retries or 0) >= attempts.number:
        attempts.current[outcome.transfer] = outcome


def has_file(outcome: Outcome) -> bool:
    """Return whether the file of an outcome still exists with the same size.

    Args:
        outcome: The outcome of a transfer.
    """
    if isinstance(outcome, Failed):
        return False
    try:
        return os.stat(outcome.candidate.path).st_size == outcome.size
    except OSError:
        return False


def _attempts() -> _Attempts | None:
    """Return the attempts of the current flow run, or None if the run has no retries."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if context is None or run is None or context.flow is None or not context.flow.retries:
        return None
    attempts = _runs.setdefault(run.id, _Attempts(run.run_count))
    if attempts.number < run.run_count:
        attempts.number = run.run_count
        attempts.earlier |= attempts.current
        attempts.current = {}
    while len(_runs) > _MAX_RUNS:
        _runs.popitem(last=False)
    return attempts
