"""Mapping of the result of a download flow to the state of the flow run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.states import Completed

from prefect_stac_asset.flows.execution.state_names import (
    BUDGET_REACHED,
    COMPLETED_WITH_WARNINGS,
)
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.errors import DownloadError


def flow_state(errors: Sequence[Exception], total: int, warn: bool, result: DownloadResult) -> Any:
    """Return the state of a flow after all assets have ended.

    The flow returns this state, and Prefect gives its caller the result.

    Args:
        errors: The errors of the failed assets.
        total: Number of assets.
        warn: Whether errors are only warnings.
        result: The result of the flow.

    Raises:
        DownloadError: Assets failed, and `warn` is not set.
    """
    if not errors:
        message = f"{result.downloaded} of {total} assets downloaded"
        if not total:
            message = "No item was taken" if result.left_by_budget else "No assets to download"
        if result.skipped:
            message += f", {result.skipped} already present"
        name = BUDGET_REACHED if result.left_by_budget else None
        return Completed(name=name, message=result.message(message), data=result)
    error = DownloadError(errors, total=total)
    if not warn:
        raise error
    message = result.message(str(error))
    name = BUDGET_REACHED if result.left_by_budget else COMPLETED_WITH_WARNINGS
    return Completed(name=name, message=message, data=result)
