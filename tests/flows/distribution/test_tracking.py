"""Decisions about the runs of shares, without a server."""

from __future__ import annotations

from inspect import signature

import pytest
from prefect.client.schemas.objects import StateType

from prefect_stac_asset.flows.distribution.coordinator import Distribution
from prefect_stac_asset.flows.distribution.tracking import (
    LEASE_EXPIRY,
    Observation,
    PoolState,
    ShareStep,
    in_flight,
    next_step,
    pool_problem,
)

LONG = 10_000.0


def step(
    state: StateType | None,
    in_state: float = 1.0,
    has_result: bool = False,
    lease_age: float | None = None,
) -> ShareStep:
    return next_step(Observation(state, in_state, has_result, lease_age))


@pytest.mark.parametrize("state", [None, *StateType])
def test_result_ends_a_share_in_any_state(state: StateType | None) -> None:
    assert step(state, has_result=True) is ShareStep.READ


@pytest.mark.parametrize("state", [None, StateType.COMPLETED, StateType.FAILED, StateType.CRASHED])
def test_run_that_ended_without_a_result_is_restarted(state: StateType | None) -> None:
    assert step(state) is ShareStep.RESTART


def test_share_whose_run_a_user_cancelled_is_given_up() -> None:
    assert step(StateType.CANCELLED) is ShareStep.GIVE_UP


def test_share_is_not_restarted_while_another_run_renews_the_lease() -> None:
    assert step(StateType.FAILED, lease_age=1.0) is ShareStep.WAIT
    assert step(StateType.CRASHED, lease_age=LEASE_EXPIRY + 1) is ShareStep.RESTART


def test_running_share_without_renewals_is_restarted() -> None:
    assert step(StateType.RUNNING, LONG, lease_age=1.0) is ShareStep.WAIT
    assert step(StateType.RUNNING, LONG, lease_age=LEASE_EXPIRY + 1) is ShareStep.RESTART
    assert step(StateType.RUNNING, LONG) is ShareStep.RESTART


def test_run_that_waits_for_the_lease_of_a_killed_run_is_not_restarted() -> None:
    assert step(StateType.RUNNING, 5.0, lease_age=LEASE_EXPIRY + 1) is ShareStep.WAIT


def test_run_that_no_worker_starts_waits_without_a_limit() -> None:
    assert step(StateType.SCHEDULED, LONG) is ShareStep.WAIT
    assert step(StateType.PAUSED, LONG) is ShareStep.WAIT
    assert step(StateType.PENDING, 600.0) is ShareStep.WAIT
    assert step(StateType.PENDING, LONG) is ShareStep.RESTART
    assert step(StateType.CANCELLING, LONG) is ShareStep.RESTART


def test_number_of_unfinished_runs_follows_the_workers_of_a_process_pool() -> None:
    assert in_flight(PoolState("p", "process", workers=4)) == 8
    assert in_flight(PoolState("p", "process", workers=0)) == 2
    assert in_flight(PoolState("p", "process", workers=1000)) == 64
    assert in_flight(PoolState("p", "kubernetes", workers=1)) == 64
    assert in_flight(PoolState(None)) == 64


def test_pool_that_starts_no_runs_has_a_reason() -> None:
    assert pool_problem(PoolState("p", "process", workers=1)) is None
    assert pool_problem(PoolState("p", "ecs:push")) is None
    assert pool_problem(PoolState(None)) is None
    assert "'p' has no running worker" in str(pool_problem(PoolState("p", "process", workers=0)))
    assert "'p' is paused" in str(pool_problem(PoolState("p", "process", True, 1)))
    assert "no process serves" in str(pool_problem(PoolState(None, is_served=False)))


def test_pool_without_a_running_share_is_examined_after_a_minute() -> None:
    assert signature(Distribution).parameters["idle_timeout"].default == 60
