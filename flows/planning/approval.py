"""The parameter `approve_above`, and decisions about approvals.

A run above the limit waits for a person's approval. The amounts are part of the keys of the pauses,
which Prefect's server keeps with the flow run. A run that starts again after a suspension therefore
knows the approved amounts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prefect_stac_asset.flows.parameters.model_errors import RaisesConfigError
from stac_asset.config import Config
from stac_asset.errors import ConfigError
from stac_asset.plan.summary import PlanSummary

_KEY = re.compile(r"approve-(\d+)-(\d+)-(\d+)-attempt-\d+")

_CENTS = 100
"""Cents of a unit of the currency. Keys contain whole numbers only."""


class ApproveAbove(BaseModel, metaclass=RaisesConfigError):
    """The limits above which a run waits for a person's approval."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    bytes: int | None = Field(default=None, ge=0, title="Bytes")
    """Maximum number of bytes that a run downloads without approval. Files of unknown size need
    approval too."""

    cost: float | None = Field(default=None, ge=0, title="Cost")
    """Maximum cost of a run without approval, by the option `price_per_gb`. Files of unknown size
    need approval too."""

    hours: float = Field(default=24.0, gt=0, le=24 * 365, title="Hours to wait")
    """Hours to wait for the approval. The run then fails."""

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, given: Any) -> Any:
        """Accept a number of bytes."""
        is_number = isinstance(given, int) and not isinstance(given, bool)
        return {"bytes": given} if is_number else given

    def check(self, config: Config) -> None:
        """Check that a limit is set, and that costs are known.

        Args:
            config: The configuration of the run.

        Raises:
            ConfigError: No limit is set, or `cost` is set without prices.
        """
        if self.bytes is None and self.cost is None:
            raise ConfigError("`approve_above` has no limit. Set `bytes`, `cost`, or both.")
        if self.cost is not None and not config.price_per_gb:
            raise ConfigError(
                "`approve_above` has a `cost`, but no prices are known. Set the option "
                "`price_per_gb`."
            )

    def is_exceeded(self, plan: PlanSummary) -> bool:
        """Return whether a plan needs approval.

        Args:
            plan: The plan.
        """
        if plan.unknown:
            return True
        if self.bytes is not None and plan.bytes > self.bytes:
            return True
        return self.cost is not None and (plan.cost or 0.0) > self.cost


@dataclass(frozen=True, slots=True)
class ApprovedAmount:
    """The amount of a plan that a person approves."""

    bytes: int
    """Known bytes."""

    unknown: int
    """Number of files of unknown size."""

    cents: int
    """Cost in cents, rounded up."""

    @classmethod
    def of(cls, plan: PlanSummary) -> Self:
        """Return the amount of a plan.

        Args:
            plan: The plan.
        """
        return cls(plan.bytes, plan.unknown, ceil((plan.cost or 0.0) * _CENTS))

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """Return the amount in the key of a pause, or None for other keys.

        Args:
            key: The key.
        """
        match = _KEY.fullmatch(key)
        return None if match is None else cls(*map(int, match.groups()))

    def key(self, attempt: int) -> str:
        """Return the key of the pause.

        Prefect ignores a second pause with the same key. The number of the attempt makes a retry
        ask again.

        Args:
            attempt: Number of the attempt of the flow run.
        """
        return f"approve-{self.bytes}-{self.unknown}-{self.cents}-attempt-{attempt}"

    def covers(self, other: ApprovedAmount) -> bool:
        """Return whether the approval of this amount is enough for another amount.

        Args:
            other: The other amount.
        """
        return (
            other.bytes <= self.bytes
            and other.unknown <= self.unknown
            and other.cents <= self.cents
        )


def needs_approval(
    plan: PlanSummary, limit: ApproveAbove | None, approved: Iterable[ApprovedAmount]
) -> bool:
    """Return whether a run must ask for approval.

    Args:
        plan: The plan of the run.
        limit: The parameter `approve_above`.
        approved: The amounts that were approved for this run.
    """
    if limit is None or not limit.is_exceeded(plan):
        return False
    return not any(amount.covers(ApprovedAmount.of(plan)) for amount in approved)
