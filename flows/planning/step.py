"""The step of a flow that plans a dry run, and asks for the approval of a large run."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from prefect.states import Completed

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.execution.state_names import DRY_RUN, NOTHING_NEW
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.planning.approval import ApproveAbove, ApprovedAmount, needs_approval
from prefect_stac_asset.flows.planning.artifact import description, write_plan
from prefect_stac_asset.flows.planning.totals import plan_units
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.api.earlier_report import EarlierRun, read_earlier_run
from stac_asset.config import Config
from stac_asset.destinations.location import Location
from stac_asset.notices import notice_lines
from stac_asset.plan.summary import PlanSummary


class ApprovalRequired(Exception):
    """Raised in a run above the limit, to close all connections before a person is asked.

    Args:
        plan: The plan of the run.
        summary: A sentence to put before the totals of the plan.
    """

    def __init__(self, plan: PlanSummary, summary: str = "") -> None:
        super().__init__(plan, summary)
        self.plan = plan
        self.summary = summary

    def __str__(self) -> str:
        return "the run needs the approval of a person"


class PlanStep:
    """The plan of a flow run.

    Args:
        dry_run: The parameter `dry_run`.
        approve_above: The parameter `approve_above`.
        config: The configuration of the run.

    Raises:
        ConfigError: `approve_above` has no limit, or a cost without prices.
    """

    def __init__(self, dry_run: bool, approve_above: ApproveAbove | None, config: Config) -> None:
        if approve_above is not None:
            approve_above.check(config)
        self.dry_run = dry_run
        self._started = time.monotonic()
        self._limit = None if dry_run else approve_above
        self._approved: list[ApprovedAmount] = []

    @property
    def is_needed(self) -> bool:
        """Whether the run needs a plan."""
        return self.dry_run or self._limit is not None

    async def run(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        """Return the final state of a run, which a person may have to approve.

        The attempt is repeated after an approval. Nothing is open while the run waits: no
        connection, lock, lease or global limit.

        Args:
            attempt: Runs the flow from its start.
        """
        if self._limit is None:
            return await attempt()
        # Few runs need approval.
        from prefect_stac_asset.flows.planning.pausing import answers, ask, refused_state

        decided = await answers()
        self._approved = [amount for amount, is_approved in decided.items() if is_approved]
        while True:
            try:
                return await attempt()
            except ApprovalRequired as required:
                plan, summary = required.plan, required.summary
            if decided.get(ApprovedAmount.of(plan)) is False:
                return refused_state(plan)
            await write_plan(plan, summary)
            if not await ask(plan, self._limit, description(plan, summary)):
                return refused_state(plan)
            self._approved.append(ApprovedAmount.of(plan))

    async def check(
        self,
        units: Callable[[], Iterable[Unit]],
        session: Session,
        document: Location,
        report: Location,
        directory: Location,
    ) -> Any:
        """Plan a download flow, and return the final state of a dry run.

        Args:
            units: Returns the items, or the collection.
            session: The session of the run.
            document: The location of the new document.
            report: The location of the report.
            directory: The directory of the run.

        Returns:
            The final state of a dry run. Otherwise None, and the run continues.

        Raises:
            ApprovalRequired: The run is above the limit, and was not approved.
        """
        if not self.is_needed:
            return None
        earlier = await self.earlier(session, report, directory)
        plan = await plan_units(units(), session, earlier)
        if not self.dry_run:
            self.check_approval(plan)
            return None
        result = DownloadResult(
            directory=str(directory),
            document=str(document),
            report=str(report),
            downloaded=0,
            skipped=0,
            failed=0,
            bytes=0,
            seconds=round(time.monotonic() - self._started, 3),
            dry_run=True,
            plan=plan,
            notices=notice_lines(),
        )
        await write_plan(plan)
        name = DRY_RUN if plan.changes else NOTHING_NEW
        return Completed(name=name, message=result.message(str(plan)), data=result)

    def check_approval(self, plan: PlanSummary, summary: str = "") -> None:
        """Check that a plan is below the limit, or was approved.

        Args:
            plan: The plan of the run.
            summary: A sentence to put before the totals of the plan.

        Raises:
            ApprovalRequired: The run is above the limit, and was not approved.
        """
        if needs_approval(plan, self._limit, self._approved):
            raise ApprovalRequired(plan, summary)

    @property
    def may_ask(self) -> bool:
        """Whether a person may have to approve the run."""
        return self._limit is not None

    async def earlier(self, session: Session, report: Location, directory: Location) -> EarlierRun:
        """Read the earlier run in a directory from the report.

        Args:
            session: The session of the run.
            report: The location of the report.
            directory: The directory of the run.
        """
        return await read_earlier_run(report, session.destination_of(directory))
