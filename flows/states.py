"""Which Prefect state an outcome is: the one place that says so.

| outcome | neither | `fail_fast` | `warn` |
|---|---|---|---|
| downloaded | Completed | Completed | Completed |
| skipped | Completed, named `Skipped` | same | same |
| failed | the error is raised: Failed | same | Completed, named `Warned` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed

from stac_asset import Config
from stac_asset.errors import DownloadError
from stac_asset.types import Downloaded, Failed, Outcome, Skipped

SKIPPED = "Skipped"
WARNED = "Warned"
COMPLETED_WITH_WARNINGS = "CompletedWithWarnings"


def asset_state(outcome: Outcome, config: Config) -> State[Outcome]:
    """Returns the state of the task that downloaded one asset, whose data is the outcome.

    Args:
        outcome: What became of it.
        config: Which strategy holds for errors.

    Raises:
        StacAssetError: The asset's error, which makes the task Failed, unless errors are warnings.
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
            if config.warn:
                return Completed(name=WARNED, message=str(outcome.error), data=outcome)
            raise outcome.error


def flow_state(outcomes: Sequence[Outcome], config: Config, result: Any) -> Any:
    """Returns the state of a flow whose assets all ended; Prefect unwraps it to the result.

    Args:
        outcomes: What became of them.
        config: Which strategy holds for errors.
        result: What the flow returns.

    Raises:
        DownloadError: Assets failed, unless errors are warnings.
    """
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    summary = f"{len(outcomes) - len(errors)} of {len(outcomes)} assets are there"
    if not errors:
        return Completed(message=summary, data=result)
    error = DownloadError(errors, total=len(outcomes))
    if not config.warn:
        raise error
    return Completed(name=COMPLETED_WITH_WARNINGS, message=str(error), data=result)
