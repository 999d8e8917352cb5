"""Meters: reservations of several processes, hosts, and the recording of received bytes."""

from __future__ import annotations

import asyncio

import pytest
from prefect.client.orchestration import get_client

from prefect_stac_asset.flows import Budget
from prefect_stac_asset.flows.execution.budgets.meters import BudgetMeter, SharedRate, meters_of
from prefect_stac_asset.flows.execution.budgets.queue import enqueue
from prefect_stac_asset.flows.execution.budgets.rates import Rate
from prefect_stac_asset.flows.execution.budgets.session import SessionMeters
from prefect_stac_asset.flows.execution.budgets.store import read_record


def budget_of(name: str, size: int = 100, *hosts: str) -> Budget:
    return Budget(name=name, hosts=hosts or ("a.eu",), bytes_per_30_days=size)


async def test_processes_together_take_no_more_than_the_budget() -> None:
    """Each meter has the state of a process."""
    meters = [BudgetMeter(budget_of("together")) for _ in range(3)]
    async with get_client() as client:

        async def take(meter: BudgetMeter) -> int:
            reservation = meter.reserve()
            taken = 0
            for _ in range(3):
                is_admitted, _ = await meter.admit(15, reservation, client)
                if is_admitted:
                    taken += 1
                    meter.count(15)
                    reservation.received += 15
            meter.release(reservation)
            return taken

        assert sum(await asyncio.gather(*map(take, meters))) == 6
        for meter in meters:
            await meter.record(client)
        record = await read_record(client, "together")
        assert sum(record.days.values()) == 90
        assert not record.claims


async def test_reserved_bytes_return_if_they_are_not_received() -> None:
    one, other = (BudgetMeter(budget_of("returned")) for _ in range(2))
    async with get_client() as client:
        first, second = one.reserve(), other.reserve()
        assert (await one.admit(90, first, client))[0]
        assert not (await other.admit(20, second, client))[0]
        one.count(30)
        first.received += 30
        one.release(first)
        await one.record(client)
        assert (await other.admit(70, second, client))[0]
        assert not (await other.admit(1, second, client))[0]


async def test_unreserved_bytes_count_against_the_claim() -> None:
    meter = BudgetMeter(budget_of("unreserved", 6400))
    async with get_client() as client:
        reservation = meter.reserve()
        assert (await meter.admit(1, reservation, client))[0]
        meter.count(6390)
        assert not (await meter.admit(20, reservation, client))[0]


async def test_first_process_above_80_percent_sends_the_event() -> None:
    one, other = (BudgetMeter(budget_of("event-of-two")) for _ in range(2))
    async with get_client() as client:
        one.count(80)
        other.count(5)
        usages = [await one.record(client), await other.record(client)]
    assert [usage and usage.used for usage in usages] == [80, None]


@pytest.mark.parametrize(
    ("pattern", "host", "endpoint"),
    [
        ("download.a.eu", "download.a.eu", None),
        ("*.a.eu", "x.y.a.eu", None),
        ("http://download.a.eu:8080", "download.a.eu", None),
        ("eodata", "eodata", "s3.b.eu"),
        ("EODATA", "eodata", None),
        ("*.b.eu", "eodata", "s3.b.eu"),
        ("127.0.0.1", "127.0.0.1", None),
        ("[::1]", "::1", None),
    ],
)
async def test_host_bucket_and_endpoint_match(
    pattern: str, host: str, endpoint: str | None
) -> None:
    async with get_client() as client:
        meters = SessionMeters(meters_of([budget_of("hosts", 1, pattern)]), client)
        assert [one.budget.name for one in meters.meters_of(host, endpoint)] == ["hosts"]
        assert meters.of("other.eu", "s3.other.eu") is None
        assert meters.of("a.eu.evil.com") is None


async def test_sessions_of_a_process_share_a_meter() -> None:
    first, second = meters_of([budget_of("shared")]), meters_of([budget_of("shared")])
    assert first == second
    first[0].open_session()
    second[0].open_session()
    assert [first[0].close_session(), second[0].close_session()] == [False, True]


async def test_process_waits_for_the_queue_of_all_processes() -> None:
    async with get_client() as client:
        rate, other = (SharedRate("waits", Rate.of_requests(600)) for _ in range(2))
        for _ in range(25):  # More than one allowance.
            if not rate.take(1):
                await rate.wait(1, client)
        await enqueue(client, "waits", 1000.0)
        assert not other.take(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.wait(1, client), 0.3)


async def test_connection_uses_all_budgets_of_its_host() -> None:
    budgets = [
        Budget(name="fast", hosts=("a.eu",), bandwidth=10**9, requests_per_minute=6000),
        Budget(name="other", hosts=("*.eu", "a.eu"), bandwidth=10**9),
        Budget(name="elsewhere", hosts=("b.eu",), bandwidth=1),
    ]
    found = meters_of(budgets)
    async with get_client() as client:
        one = SessionMeters(found[:1], client).of("a.eu")
        both = SessionMeters(found, client).of("a.eu")
        assert one is not None
        assert both is not None
        await both.wait_to_request()
        assert not one.may_continue(1000)
        await one.wait_to_continue(1000)
        assert one.may_continue(1000)
        assert not both.may_continue(1000)
        await both.wait_to_continue(1000)
        names = {limit.name for limit in await client.read_global_concurrency_limits(200, 0)}
    assert {
        "stac-asset-budget:fast:bandwidth",
        "stac-asset-budget:fast:requests_per_minute",
        "stac-asset-budget:other:bandwidth",
    } <= names
    assert "stac-asset-budget:elsewhere:bandwidth" not in names
