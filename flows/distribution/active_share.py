"""Internal: a share with a run that the coordinator follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import State, StateType

from prefect_stac_asset.flows.distribution.folder import ShareFiles
from prefect_stac_asset.flows.distribution.shares import Share
from prefect_stac_asset.flows.distribution.tracking import Observation
from prefect_stac_asset.flows.execution.runner import WorkerError, lost_outcomes
from prefect_stac_asset.flows.orchestration.units import Unit
from stac_asset.redact import redact_text
from stac_asset.types import Outcome

_MAX_REASON = 300
"""Maximum length of the message of a state in an error, in characters."""


@dataclass(slots=True)
class ActiveShare:
    """A share, and the observations about the current run."""

    share: Share
    """The share."""

    units: dict[str, Unit]
    """The items by digest. Those of an adopted share are added in the order of the source."""

    attempt: int = 1
    """Number of the run of this share, from 1."""

    document: bytes | None = None
    """The document of the share, until `ShareFolder.write`."""

    run: UUID | None = None
    """The id of the run, after the start of the run."""

    failures: int = 0
    """Number of runs that ended without a result."""

    outcomes: list[list[Outcome]] | None = None
    """The outcomes of each item, after the share ended."""

    state: StateType | None = StateType.SCHEDULED
    """The type of the state of the run. Empty if the run was deleted."""

    reason: str = "the run was deleted"
    """The message of the state."""

    lease: str | None = None
    """The version of the lease, if any."""

    _since: float | None = field(default=None)
    _lease_since: float = field(default=0.0)

    @property
    def name(self) -> str:
        """The name for log lines and runs."""
        more = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return f"share {self.share.id[:8]} of {self.share.assets:,} assets{more}"

    @property
    def is_waiting(self) -> bool:
        """Whether a run of the share must be started."""
        return self.run is None and self.outcomes is None

    @property
    def is_final(self) -> bool:
        """Whether the run has ended, as far as the server knows."""
        return self.state is None or self.state.name in (
            "COMPLETED",
            "FAILED",
            "CRASHED",
            "CANCELLED",
        )

    @property
    def is_given(self) -> bool:
        """Whether the source has yielded all items of the share."""
        return len(self.units) == len(self.share.items)

    def started(self, run: UUID) -> None:
        """Record that a run was started.

        Args:
            run: The id of the run.
        """
        self.run, self.state, self._since = run, StateType.SCHEDULED, None

    def restart(self) -> None:
        """Prepare the next run of the share."""
        self.attempt += 1
        self.run, self.lease = None, None

    def saw(self, state: State[Any] | None, now: float) -> bool:
        """Record the state of the run, and return whether the type changed.

        Args:
            state: The state. None if the run was deleted.
            now: The current time in seconds.
        """
        found = state.type if state is not None else None
        is_changed = found is not self.state
        if is_changed or self._since is None:
            self.state, self._since = found, now
        if state is not None:
            text = state.message or state.name or state.type.name.title()
            self.reason = redact_text(text)[:_MAX_REASON].rstrip(".")
        return is_changed

    def observed(self, files: ShareFiles | None, now: float) -> Observation:
        """Record the lease, and return the observations about the run.

        Args:
            files: The objects of the share, if any.
            now: The current time in seconds.
        """
        files = files or ShareFiles()
        if files.lease != self.lease:
            self.lease, self._lease_since = files.lease, now
        age = now - self._lease_since if files.lease is not None else None
        since = self._since if self._since is not None else now
        return Observation(self.state, now - since, files.has_result, age)

    def results(self) -> Iterator[tuple[Unit, list[Outcome]]]:
        """Yield the items with the outcomes of all transfers, after the share ended.

        Assets of an item that the result leaves out have failed.
        """
        for item, ended in zip(self.share.items, self.outcomes or (), strict=True):
            unit = self.units.get(item.digest)
            if unit is None:
                continue  # The source of this run no longer has the item.
            done = {one.transfer: one for one in ended}
            lost = [one for one in item.transfers if one not in done]
            error = WorkerError(
                "The run that downloads this asset ended before the asset. Run the flow again to "
                "resume."
            )
            done |= {one.transfer: one for one in lost_outcomes(lost, error)}
            yield unit, [done[transfer] for transfer in item.transfers]
