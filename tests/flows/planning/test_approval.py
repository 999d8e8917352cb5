"""Decisions about approvals, and runs that wait for a person on a real Prefect server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import CancelledRun, Pause, PrefectHTTPStatusError
from prefect.flow_engine import run_flow_async
from prefect.flow_runs import aresume_flow_run
from prefect.states import Cancelling
from pydantic import ValidationError

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.planning.approval import ApproveAbove, ApprovedAmount, needs_approval
from stac_asset import Config
from stac_asset.errors import ConfigError
from stac_asset.plan.summary import PlanSummary
from stac_asset.testing import Origin
from tests.support.items import make_item
from tests.support.processes import poll

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=1)
LARGE = ApproveAbove(bytes=10)


def summary(size: int = 0, unknown: int = 0, cost: float | None = None) -> PlanSummary:
    """Return the totals of a plan."""
    return PlanSummary({"new": 1}, {"new": 1}, size, unknown, 1, None, cost)


@pytest.mark.parametrize(
    ("limit", "plan", "expected"),
    [
        (ApproveAbove(bytes=10), summary(10), False),
        (ApproveAbove(bytes=10), summary(11), True),
        (ApproveAbove(bytes=10), summary(0, unknown=1), True),
        (ApproveAbove(cost=1.0), summary(10**12, cost=1.0), False),
        (ApproveAbove(cost=1.0), summary(1, cost=1.01), True),
        (ApproveAbove(bytes=10, cost=1.0), summary(11, cost=0.0), True),
        (None, summary(10**15), False),
    ],
)
def test_run_above_a_limit_needs_approval(
    limit: ApproveAbove | None, plan: PlanSummary, expected: bool
) -> None:
    assert needs_approval(plan, limit, []) is expected


def test_approval_covers_smaller_plans_only() -> None:
    approved = [ApprovedAmount.of(summary(100, unknown=1, cost=2.0))]
    for plan in (summary(100, unknown=1, cost=2.0), summary(99), summary(50, cost=1.999)):
        assert not needs_approval(plan, LARGE, approved)
    for plan in (summary(101), summary(20, unknown=2), summary(20, cost=2.02)):
        assert needs_approval(plan, LARGE, approved)


@given(st.integers(0, 10**18), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 99))
def test_key_of_a_pause_contains_the_amount(
    size: int, unknown: int, cents: int, attempt: int
) -> None:
    amount = ApprovedAmount(size, unknown, cents)
    assert ApprovedAmount.parse(amount.key(attempt)) == amount
    assert amount.key(attempt) != amount.key(attempt + 1)


@given(st.text("aprove-0123456789", max_size=30))
def test_keys_of_other_pauses_are_not_amounts(key: str) -> None:
    assert ApprovedAmount.parse(key) is None


def test_limits_are_validated() -> None:
    assert ApproveAbove.model_validate(10) == LARGE
    with pytest.raises(ConfigError, match="`approve_above` has no limit"):
        ApproveAbove().check(Config())
    with pytest.raises(ConfigError, match="Set the option `price_per_gb`"):
        ApproveAbove(cost=1.0).check(Config())
    ApproveAbove(cost=1.0).check(Config(price_per_gb={"*": 1.0}))
    for invalid in ({"bytes": -1}, {"cost": -1}, {"hours": 0}, {"byte": 1}, True, "10"):
        with pytest.raises(ValidationError):
            ApproveAbove.model_validate(invalid)


async def wait_for_question(client: PrefectClient, directory: Path) -> tuple[FlowRun, str]:
    """Wait until the flow run of a directory is paused, and return the run and the question."""
    named = FlowRunFilter(name=FlowRunFilterName(like_=str(directory)))

    async def find() -> tuple[FlowRun, str] | None:
        for run in await client.read_flow_runs(flow_run_filter=named):
            keyset = run.state.state_details.run_input_keyset if run.state is not None else None
            if run.state_name == "Paused" and keyset is not None:
                # Prefect stores the question after the state.
                with suppress(PrefectHTTPStatusError):
                    return run, str(await client.read_flow_run_input(run.id, keyset["description"]))
        return None

    found = await poll(find, bool)
    assert found is not None
    return found


def start(href: str, directory: Path, **parameters: Any) -> asyncio.Task[Any]:
    """Start a download of more than 10 bytes, which waits for approval."""
    parameters = {"approve_above": LARGE} | parameters
    return asyncio.ensure_future(flows.download_item(href, str(directory), OPTIONS, **parameters))


async def test_run_above_the_limit_waits_and_downloads_after_approval(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_item(origin, "a")
    waiting = start(href, tmp_path / "x")
    async with get_client() as client:
        run, question = await wait_for_question(client, tmp_path / "x")
        assert origin.gets("*.tif") == []
        assert "1 files to download" in question
        # The waiting run holds no lock.
        assert (await flows.download_item(href, str(tmp_path / "x"), OPTIONS)).downloaded == 1
        (tmp_path / "x" / "a.tif").unlink()
        await aresume_flow_run(run.id, run_input={"approve": True})
    result = await waiting
    assert (result.downloaded, result.failed) == (1, 0)


async def test_refused_run_transfers_nothing(origin: Origin, tmp_path: Path) -> None:
    waiting = start(make_item(origin, "a"), tmp_path / "x")
    async with get_client() as client:
        run, _ = await wait_for_question(client, tmp_path / "x")
        await aresume_flow_run(run.id, run_input={"approve": False})
        with pytest.raises(CancelledRun):
            await waiting
        run = await client.read_flow_run(run.id)
    assert run.state is not None
    assert (run.state.name, run.state.type.value) == ("NotApproved", "CANCELLED")
    assert "The plan was not approved. Items: 1 new" in (run.state.message or "")
    assert origin.gets("*.tif") == []
    assert not (tmp_path / "x").exists()


async def test_paused_run_that_a_person_cancels_transfers_nothing(
    origin: Origin, tmp_path: Path
) -> None:
    waiting = start(make_item(origin, "a"), tmp_path / "x")
    async with get_client() as client:
        run, _ = await wait_for_question(client, tmp_path / "x")
        await client.set_flow_run_state(run.id, Cancelling())
        with pytest.raises(CancelledRun):
            await waiting
        run = await client.read_flow_run(run.id)
    assert run.state is not None
    assert (run.state.name, run.state.type.value) == ("NotApproved", "CANCELLED")
    assert origin.gets("*.tif") == []
    assert not (tmp_path / "x").exists()


async def test_suspended_run_that_is_refused_or_cancelled_transfers_nothing(
    origin: Origin, tmp_path: Path
) -> None:
    deployment: Any = await flows.download_item.to_deployment(f"of {tmp_path.name}")
    deployment_id = await deployment.aapply()
    parameters = {"source": make_item(origin, "a"), "directory": str(tmp_path / "x")}

    async def suspended(client: PrefectClient) -> FlowRun:
        run = await client.create_flow_run_from_deployment(
            deployment_id, parameters=parameters | {"approve_above": {"bytes": 10}}
        )
        with pytest.raises(Pause):
            await execute(run)
        run = await client.read_flow_run(run.id)
        assert (run.state_name, run.state_type.value) == ("Suspended", "PAUSED")  # type: ignore[union-attr]
        return run

    async def execute(run: FlowRun) -> Any:
        return await run_flow_async(flows.download_item, run, run.parameters, return_type="state")

    async with get_client() as client:
        refused, cancelled = await suspended(client), await suspended(client)
        await aresume_flow_run(refused.id, run_input={"approve": False})
        state = await execute(await client.read_flow_run(refused.id))
        assert (state.name, state.type.value) == ("NotApproved", "CANCELLED")
        assert "The plan was not approved. Items: 1 new" in state.message
        await client.set_flow_run_state(cancelled.id, Cancelling())
        assert (await client.read_flow_run(cancelled.id)).state_name == "Cancelled"
    assert origin.gets("*.tif") == []
    assert not (tmp_path / "x").exists()


async def test_run_without_answer_fails_and_transfers_nothing(
    origin: Origin, tmp_path: Path
) -> None:
    limit = ApproveAbove(bytes=10, hours=1 / 3600)
    href = make_item(origin, "a")
    state = await flows.download_item(
        href, str(tmp_path / "x"), OPTIONS, approve_above=limit, return_state=True
    )
    assert state.type.value == "FAILED"
    assert "never resumed" in (state.message or "")
    assert origin.gets("*.tif") == []


async def test_run_below_the_limit_does_not_wait(origin: Origin, tmp_path: Path) -> None:
    limit = ApproveAbove(bytes=10**9)
    href = make_item(origin, "a")
    result = await flows.download_item(href, str(tmp_path), OPTIONS, approve_above=limit)
    assert (result.downloaded, result.plan) == (1, None)
    state = await flows.download_item(
        href, str(tmp_path), OPTIONS, approve_above=ApproveAbove(), return_state=True
    )
    assert "`approve_above` has no limit" in (state.message or "")
