"""Requests and bandwidth: no minute exceeds the requests, and few calls of the API are needed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_stac_asset.flows.execution.budgets.rates import Allowance, Rate


class Simulated:
    """The shared queue, and processes that send requests as fast as they may or at random times.

    Args:
        per_minute: Maximum number of requests.
        pauses: Mean seconds between two requests of each process.
        seed: Seed of the random times.
    """

    def __init__(self, per_minute: int, pauses: list[float], seed: int) -> None:
        self.rate = Rate.of_requests(per_minute)
        self.backlog_end = 0.0
        self.calls = 0
        self.sent: list[float] = []
        self._random = random.Random(seed)
        self._processes = [(0.0, pause, Allowance(self.rate)) for pause in pauses]

    def run(self, seconds: float) -> None:
        while True:
            at, pause, allowance = process = min(self._processes, key=lambda one: one[0])
            if at > seconds:
                return
            self._processes.remove(process)
            if not allowance.take(1, at):
                size = allowance.next_size(1, at)
                self.calls += 1
                self.backlog_end = max(at, self.backlog_end) + self.rate.seconds(size)
                at += self.rate.wait(self.backlog_end - at)
                allowance.add(size, at)
                assert allowance.take(1, at)
            self.sent.append(at)
            following = at + (self._random.expovariate(1 / pause) if pause else 0.001)
            self._processes.append((following, pause, allowance))

    def most_in_a_minute(self) -> int:
        times = sorted(self.sent)
        first = most = 0
        for last, time in enumerate(times):
            while times[first] <= time - 60:
                first += 1
            most = max(most, last - first + 1)
        return most


@given(
    st.integers(1, 400),
    st.lists(st.sampled_from([0.0, 0.3, 2.0, 30.0]), min_size=1, max_size=5),
    st.integers(0, 1000),
)
def test_no_minute_has_more_requests_than_the_budget(
    per_minute: int, pauses: list[float], seed: int
) -> None:
    simulated = Simulated(per_minute, pauses, seed)
    simulated.run(200)
    assert simulated.most_in_a_minute() <= per_minute


@pytest.mark.parametrize("per_minute", [60, 600, 2000])
def test_busy_process_uses_most_of_the_requests(per_minute: int) -> None:
    simulated = Simulated(per_minute, [0.0], 0)
    simulated.run(600)
    assert 0.9 * 10 * per_minute < len(simulated.sent) <= 10 * per_minute
    assert simulated.calls <= 610


def test_idle_processes_leave_the_requests_to_a_busy_process() -> None:
    simulated = Simulated(2000, [0.0, *[5.0] * 20], 0)
    simulated.run(600)
    assert len(simulated.sent) > 0.8 * 20_000


def test_one_request_per_minute_is_possible() -> None:
    simulated = Simulated(1, [0.0], 0)
    simulated.run(630)
    assert len(simulated.sent) == 12


def test_allowance_lapses() -> None:
    allowance = Allowance(Rate.of_requests(600))
    allowance.add(10, now=100.0)
    assert allowance.take(4, now=101.0)
    assert not allowance.take(1, now=102.5)
    assert allowance.next_size(1, now=102.5) == 4


def test_chunk_that_exceeds_the_allowance_is_paid_as_a_whole() -> None:
    rate = Rate.of_bytes(1000)
    assert Allowance(rate).next_size(65_536, now=0.0) == 65_536
    assert rate.seconds(65_536) == pytest.approx(65.536)
    assert rate.wait(65.536) == pytest.approx(65.286)
    assert rate.wait(0.2) == 0
