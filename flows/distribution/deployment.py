"""Internal: the runs of the deployment that downloads shares: start, follow and cancel runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterIdempotencyKey,
)
from prefect.client.schemas.objects import (
    DeploymentStatus,
    FlowRun,
    State,
    StateType,
    WorkerStatus,
)
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Crashed

from prefect_stac_asset.flows.distribution.target import Target
from prefect_stac_asset.flows.distribution.tracking import PoolState

_PAGE = 200
"""Number of flow runs per request. Prefect's server allows at most 200."""


class ShareRuns:
    """The runs of the deployment, through Prefect's API.

    Args:
        client: The client of Prefect's API.
        target: The deployment.
        parameters: The parameters of each run, except the share.
    """

    def __init__(
        self, client: PrefectClient, target: Target, parameters: Mapping[str, Any]
    ) -> None:
        self._client = client
        self._target = target
        self._parameters = dict(parameters)

    async def start(self, share: str, href: str, attempt: int, name: str) -> FlowRun:
        """Start a run, unless the same attempt was started before. Return the run.

        Args:
            share: The name of the share.
            href: The href of the share.
            attempt: Number of the attempt to download the share, from 1.
            name: The name of the run.
        """
        return await arun_deployment(
            self._target.id,
            client=self._client,
            parameters={**self._parameters, "share": href},
            flow_run_name=name,
            timeout=0,
            idempotency_key=_key(share, attempt),
        )

    async def last_attempt(self, share: str) -> tuple[int, FlowRun | None]:
        """Return the number of runs of a share so far, and the last run.

        Args:
            share: The name of the share.
        """
        keys = [_key(share, number) for number in range(1, _PAGE + 1)]
        found = await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=keys)),
            limit=_PAGE,
        )
        runs = {keys.index(run.idempotency_key or "") + 1: run for run in found}
        last = max(runs, default=0)
        return last, runs.get(last)

    async def states(self, runs: Iterable[UUID]) -> dict[UUID, State[Any] | None]:
        """Return the states of runs, with a single request. Deleted runs are left out.

        Args:
            runs: The ids of the runs, at most 200.
        """
        ids = list(runs)
        if not ids:
            return {}
        found = await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)), limit=_PAGE
        )
        return {run.id: run.state for run in found}

    async def cancel(self, run: UUID, message: str) -> None:
        """Cancel a run that has not ended.

        Args:
            run: The id of the run.
            message: The reason.
        """
        try:
            state = (await self._client.read_flow_run(run)).state
            if state is None or state.is_final() or state.type is StateType.CANCELLING:
                return
            waits = state.type is StateType.SCHEDULED
            final: State[Any] = Cancelled(message=message) if waits else Cancelling(message=message)
            await self._client.set_flow_run_state(run, final)
        except ObjectNotFound:
            return

    async def end_lost(self, run: UUID) -> None:
        """Set the state of a run with a killed process, so that the run cannot start late.

        Args:
            run: The id of the run.
        """
        state: State[Any] = Crashed(
            message="The process of the flow run has stopped. Another run continues the share."
        )
        try:
            await self._client.set_flow_run_state(run, state, force=True)
        except ObjectNotFound:
            return

    async def pool(self) -> PoolState:
        """Return the state of the work pool."""
        if self._target.pool is None:
            deployment = await self._client.read_deployment(self._target.id)
            return PoolState(None, is_served=deployment.status is not DeploymentStatus.NOT_READY)
        try:
            pool = await self._client.read_work_pool(self._target.pool)
        except ObjectNotFound:
            return PoolState(self._target.pool, workers=0)
        workers: int | None = None
        if not (pool.is_push_pool or pool.is_managed_pool):
            found = await self._client.read_workers_for_work_pool(pool.name)
            workers = sum(worker.status is WorkerStatus.ONLINE for worker in found)
        return PoolState(pool.name, pool.type, pool.is_paused, workers)


def _key(share: str, attempt: int) -> str:
    return f"stac-asset-share:{share}:{attempt}"
