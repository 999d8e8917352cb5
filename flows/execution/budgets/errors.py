"""Internal: the error of an asset that is left because a budget is reached."""

from __future__ import annotations

from collections.abc import Iterable

from stac_asset.errors import StacAssetError
from stac_asset.types import Failed, Outcome, Transfer


class BudgetError(StacAssetError):
    """Raised for an asset that a later run downloads, because a budget is reached.

    Repairs and shares of items report this error. Other runs leave the whole item.
    """


def left_transfer(transfer: Transfer, reason: str) -> Failed:
    """Return the outcome of a transfer that is left because of a budget.

    Args:
        transfer: The transfer.
        reason: The reason, as a sentence without a final period.
    """
    error = BudgetError(reason)
    error.owner, error.key = transfer.owner, transfer.key
    return Failed(transfer.owner, transfer.key, error, transfer)


def reason_to_leave(outcomes: Iterable[Outcome]) -> str:
    """Return the reason why an item is left, or an empty text.

    Args:
        outcomes: The outcomes of the assets of the item.
    """
    errors = (outcome.error for outcome in outcomes if isinstance(outcome, Failed))
    return next((error.message for error in errors if isinstance(error, BudgetError)), "")
