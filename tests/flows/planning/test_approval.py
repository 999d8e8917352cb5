"""Decisions about approvals, and runs that wait for a person on a real Prefect server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import CancelledRun
from prefect.flow_runs import aresume_flow_run
from pydantic import ValidationError

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.planning.approval import ApproveAbove, ApprovedAmount, needs_approval
from stac_asset import Config
from stac_asset.errors import ConfigError
from stac_asset.plan.summary import PlanSummary
from stac_asset.testing import Origin
from tests.support.items import make_item

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


async def wait_for_state(client: PrefectClient, directory: Path, name: str) -> FlowRun:
    """Wait until the flow run of a directory has a state."""
    named = FlowRunFilter(name=FlowRunFilterName(like_=str(directory)))
    while True:
        for run in await client.read_flow_runs(flow_run_filter=named):
            if run.state_name == name:
                return run
        await asyncio.sleep(0.1)


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
        run = await wait_for_state(client, tmp_path / "x", "Paused")
        assert origin.gets("*.tif") == []
        assert run.state is not None
        keyset = run.state.state_details.run_input_keyset
        assert keyset is not None
        described = await client.read_flow_run_input(run.id, keyset["description"])
        assert "1 files to download" in str(described)
        # The waiting run holds no lock.
        assert (await flows.download_item(href, str(tmp_path / "x"), OPTIONS)).downloaded == 1
        (tmp_path / "x" / "a.tif").unlink()
        await aresume_flow_run(run.id, run_input={"approve": True})
    result = await waiting
    assert (result.downloaded, result.failed) == (1, 0)


async def test_refused_run_transfers_nothing(origin: Origin, tmp_path: Path) -> None:
    waiting = start(make_item(origin, "a"), tmp_path / "x")
    async with get_client() as client:
        run = await wait_for_state(client, tmp_path / "x", "Paused")
        await aresume_flow_run(run.id, run_input={"approve": False})
        with pytest.raises(CancelledRun):
            await waiting
        run = await client.read_flow_run(run.id)
    assert run.state is not None
    assert (run.state.name, run.state.type.value) == ("NotApproved", "CANCELLED")
    assert "The plan was not approved. Items: 1 new" in (run.state.message or "")
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
