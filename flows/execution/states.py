"""Mapping of outcomes of assets to Prefect states.

| outcome of an asset | neither | `fail_fast` | `warn` |
|---|---|---|---|
| downloaded | Completed | Completed | Completed |
| skipped | Completed, named `Skipped` | same | same |
| failed | the error is raised: Failed | same | Completed, named `Warned` |
| stopped because another asset failed | | Cancelled | |

The state of a batch depends on its assets:

- All assets are skipped: Completed, named `Skipped`.
- At least one asset failed: Failed, or Completed and named `Warned`.
- Otherwise: Completed.

The message of the state contains the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from prefect_stac_asset.flows.execution.state_names import SKIPPED, WARNED
from stac_asset.errors import DownloadError, StacAssetError, accepts_text
from stac_asset.transfer.interface import Stat
from stac_asset.types import Downloaded, Failed, Outcome, Skipped


class BatchError(DownloadError):
    """Raised by a task in which assets of a batch failed.

    Args:
        outcomes: The outcomes of all assets of the batch.
    """

    outcomes: list[Outcome]
    """The outcomes of all assets. Empty in an error that was created from text."""

    @accepts_text
    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
        super().__init__(errors, total=len(outcomes))
        self.args = (outcomes,)
        self.outcomes = list(outcomes)

    def _restore(self, text: str) -> None:
        super()._restore(text)
        self.outcomes = []


def asset_state(outcome: Outcome, warn: bool) -> State[Outcome]:
    """Return the state of a task that downloads an asset. The data is the outcome.

    Args:
        outcome: The outcome of the asset.
        warn: Whether an error is only a warning.

    Raises:
        StacAssetError: The asset failed and `warn` is not set. The error makes the task run Failed.
    """
    match outcome:
        case Downloaded():
            message = f"{outcome.size:,} bytes in {outcome.seconds:.1f} s"
            if outcome.attempts > 1:
                message += f" and {outcome.attempts} attempts"
            return Completed(message=message, data=outcome)
        case Skipped():
            return Completed(
                name=SKIPPED, message=f"already present ({outcome.size:,} bytes)", data=outcome
            )
        case Failed():
            if warn:
                return Completed(name=WARNED, message=str(outcome.error), data=outcome)
            raise outcome.error


def check_state(found: Stat | StacAssetError, warn: bool) -> State[Stat | StacAssetError]:
    """Return the state of a task that checks whether an asset exists.

    Args:
        found: The size and content type that the source reports, or the error of the check. This
            is the data of the state.
        warn: Whether an error is only a warning.

    Raises:
        StacAssetError: The check failed and `warn` is not set. The error makes the task run Failed.
    """
    if isinstance(found, Stat):
        message = "exists" if found.size is None else f"exists ({found.size:,} bytes)"
        return Completed(message=message, data=found)
    if warn:
        return Completed(name=WARNED, message=str(found), data=found)
    raise found


def batch_state(outcomes: list[Outcome], warn: bool) -> State[list[Outcome]]:
    """Return the state of a task that downloads a batch. The data is the list of outcomes.

    Args:
        outcomes: The outcomes of all assets of the batch.
        warn: Whether errors are only warnings.

    Raises:
        BatchError: An asset failed and `warn` is not set. The error makes the task run Failed.
    """
    if any(isinstance(outcome, Failed) for outcome in outcomes):
        error = BatchError(outcomes)
        if not warn:
            raise error
        return Completed(name=WARNED, message=str(error), data=outcomes)
    skipped = sum(isinstance(outcome, Skipped) for outcome in outcomes)
    message = f"{len(outcomes) - skipped} assets downloaded, {skipped} already present"
    name = SKIPPED if outcomes and skipped == len(outcomes) else None
    return Completed(name=name, message=message, data=outcomes)


def stopped_state(fail_fast: bool) -> State[Any]:
    """Return the state of a task that the flow run stopped.

    Args:
        fail_fast: Whether the cause is the failure of another asset. Otherwise the flow run was
            cancelled or has ended.
    """
    if fail_fast:
        return Cancelled(message="another asset failed first, and `fail_fast` is set")
    return Cancelled(message="the flow run was stopped")
