"""Which Prefect state an outcome is: the one place that says so.

| outcome of an asset | neither | `fail_fast` | `warn` |
|---|---|---|---|
| downloaded | Completed | Completed | Completed |
| skipped | Completed, named `Skipped` | same | same |
| failed | the error is raised: Failed | same | Completed, named `Warned` |
| stopped by the failure of another | | Cancelled | |

A batch is as its assets are: named `Skipped` where all of them were, and Failed or `Warned` where
one of them is. Its message sums them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from stac_asset.errors import DownloadError, StacAssetError
from stac_asset.transfer.interface import Stat
from stac_asset.types import Downloaded, Failed, Outcome, Skipped

SKIPPED = "Skipped"
WARNED = "Warned"
COMPLETED_WITH_WARNINGS = "CompletedWithWarnings"


class BatchError(DownloadError):
    """Raised by a batch some of whose assets failed; it knows what became of the others.

    Args:
        outcomes: What became of the batch's assets. Or the text of such an error, which has no
            outcomes.
    """

    def __init__(self, outcomes: Sequence[Outcome] | str) -> None:
        self.outcomes: list[Outcome] = []
        if isinstance(outcomes, str):
            super().__init__(outcomes)
            return
        errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
        super().__init__(errors, total=len(outcomes))
        self.args = (outcomes,)
        self.outcomes = list(outcomes)


def asset_state(outcome: Outcome, warn: bool) -> State[Outcome]:
    """Returns the state of the task that downloaded one asset, whose data is the outcome.

    Args:
        outcome: What became of it.
        warn: Whether an error is a warning.

    Raises:
        StacAssetError: The asset's error, which makes the task Failed, unless it is a warning.
    """
    match outcome:
        case Downloaded():
            message = f"{outcome.size:,} bytes in {outcome.seconds:.1f} s"
            if outcome.attempts > 1:
                message += f" and {outcome.attempts} attempts"
            return Completed(message=message, data=outcome)
        case Skipped():
            return Completed(
                name=SKIPPED, message=f"{outcome.size:,} bytes were there already", data=outcome
            )
        case Failed():
            if warn:
                return Completed(name=WARNED, message=str(outcome.error), data=outcome)
            raise outcome.error


def check_state(found: Stat | StacAssetError, warn: bool) -> State[Stat | StacAssetError]:
    """Returns the state of the task that asked for one asset, whose data is what it found.

    Args:
        found: What the source says of the asset, or why it cannot be had.
        warn: Whether an error is a warning.

    Raises:
        StacAssetError: The error, which makes the task Failed, unless it is a warning.
    """
    if isinstance(found, Stat):
        size = "it exists" if found.size is None else f"{found.size:,} bytes"
        return Completed(message=size, data=found)
    if warn:
        return Completed(name=WARNED, message=str(found), data=found)
    raise found


def batch_state(outcomes: list[Outcome], warn: bool) -> State[list[Outcome]]:
    """Returns the state of the task that downloaded a batch, whose data is the outcomes.

    Args:
        outcomes: What became of its assets.
        warn: Whether errors are warnings.

    Raises:
        BatchError: Assets failed, which makes the task Failed, unless that is a warning.
    """
    if any(isinstance(outcome, Failed) for outcome in outcomes):
        error = BatchError(outcomes)
        if not warn:
            raise error
        return Completed(name=WARNED, message=str(error), data=outcomes)
    skipped = sum(isinstance(outcome, Skipped) for outcome in outcomes)
    message = f"{len(outcomes) - skipped} assets downloaded, {skipped} were there already"
    name = SKIPPED if outcomes and skipped == len(outcomes) else None
    return Completed(name=name, message=message, data=outcomes)


def stopped_state(fail_fast: bool) -> State[Any]:
    """Returns the state of a task that was stopped with its run.

    Args:
        fail_fast: Whether the first failure stops a run; otherwise it was cancelled.
    """
    if fail_fast:
        return Cancelled(message="another asset failed first, and fail_fast is set")
    return Cancelled(message="the flow run was stopped")


def flow_state(errors: Sequence[Exception], total: int, warn: bool, result: Any) -> Any:
    """Returns the state of a flow whose assets all ended; Prefect unwraps it to the result.

    Args:
        errors: The errors of the assets that failed.
        total: How many assets there were.
        warn: Whether errors are warnings.
        result: What the flow returns.

    Raises:
        DownloadError: Assets failed, unless errors are warnings.
    """
    if not errors:
        return Completed(message=f"{total} of {total} assets are there", data=result)
    error = DownloadError(errors, total=total)
    if not warn:
        raise error
    return Completed(name=COMPLETED_WITH_WARNINGS, message=str(error), data=result)
