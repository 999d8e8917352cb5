"""Runs of the block `Mirror`: in this process, or of a deployment."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable
from typing import Any, Self
from uuid import UUID

from prefect.blocks.abstract import JobRun
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.deployments import run_deployment
from prefect.flow_runs import wait_for_flow_run

from prefect_stac_asset.flows.mirror.result import SyncResult


class MirrorRun(JobRun[SyncResult]):
    """A run that `Mirror.trigger` has started."""

    async def wait_for_completion(self) -> None:  # type: ignore[override] # as in other blocks
        """Wait for the end of the run.

        Raises:
            Exception: The run failed. The error is that of the flow `sync`, such as
                `DownloadError`.
            CancelledRun: The run was cancelled.
        """
        await (await self._end()).aresult()

    async def fetch_result(self) -> SyncResult:
        """Return the result of a run that has ended.

        Raises:
            RuntimeError: The run has not ended.
            Exception: The run failed.
        """
        state = await self._state()
        if state is None or not state.is_final():
            raise RuntimeError(
                "The run of the mirror has not ended. Await `wait_for_completion()` first."
            )
        result: SyncResult = await state.aresult()
        return result

    @abstractmethod
    async def _end(self) -> State[Any]:
        """Wait for the end of the run, and return the final state."""

    @abstractmethod
    async def _state(self) -> State[Any] | None:
        """Return the state of the run, if known."""


class LocalRun(MirrorRun):
    """A run in this process.

    Args:
        run: The call of the flow, which returns the final state.
    """

    def __init__(self, run: Awaitable[Any]) -> None:
        self._task: asyncio.Future[Any] = asyncio.ensure_future(run)

    async def _end(self) -> State[Any]:
        # A caller that is cancelled while it waits does not cancel the run.
        state: State[Any] = await asyncio.shield(self._task)
        return state

    async def _state(self) -> State[Any] | None:
        return self._task.result() if self._task.done() else None


class DeployedRun(MirrorRun):
    """A run of a deployment.

    Args:
        flow_run_id: The id of the flow run.
    """

    def __init__(self, flow_run_id: UUID) -> None:
        self.flow_run_id = flow_run_id

    @classmethod
    async def start(cls, deployment: str, parameters: dict[str, Any]) -> Self:
        """Start a run of a deployment.

        Args:
            deployment: Name `<flow>/<deployment>` of the deployment.
            parameters: The parameters of the run.
        """
        run: Any = await run_deployment(deployment, parameters=parameters, timeout=0)  # type: ignore[misc]
        return cls(run.id)

    async def _end(self) -> State[Any]:
        run: Any = await wait_for_flow_run(self.flow_run_id, timeout=None)
        assert run.state is not None, "a run that has ended has a state"
        state: State[Any] = run.state
        return state

    async def _state(self) -> State[Any] | None:
        async with get_client() as client:
            return (await client.read_flow_run(self.flow_run_id)).state
