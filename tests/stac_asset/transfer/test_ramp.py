"""The number of connections to simulated sources."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from stac_asset.transfer.ramp import Ramp, Sample, next_ramp

MB = 1_000_000
STEP = 0.01
"""Length of a sample in seconds."""


@dataclass
class Source:
    """A source whose total speed depends on the number of connections and on the time."""

    speed: Callable[[int, float], float]
    files: int = 1
    most: int = 16
    latency: float = 0.0
    busy_from: float = float("inf")
    """Total speed, in bytes per second, from which on the processor is the limit."""

    time: float = 0.0
    ramp: Ramp = field(default_factory=Ramp)
    tried: int = 0
    received: float = 0.0
    _opened: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Receive bytes, with a decision after each sample."""
        end = self.time + seconds
        while self.time < end:
            self.time += STEP
            del self._opened[self.ramp.allowed :]
            self._opened += [self.time] * (self.ramp.allowed - len(self._opened))
            receiving = sum(self.time - opened >= self.latency for opened in self._opened)
            speed = min(self.speed(self.files + receiving, self.time), self.busy_from)
            self.received += speed * STEP
            sample = Sample(
                seconds=STEP,
                received=int(speed * STEP),
                active=self.files + receiving,
                pending=len(self._opened) - receiving,
                room=self.files * self.most - self.files - self.ramp.allowed,
                is_busy=speed >= self.busy_from,
            )
            before = self.ramp
            self.ramp = next_ramp(before, sample)
            self.tried += self.ramp.trial > 0 and self.ramp.trial != before.trial


def test_capped_connections_are_doubled_up_to_the_maximum() -> None:
    source = Source(lambda connections, _: 20 * MB * connections)
    source.run(0.08)
    assert source.ramp.kept == 15
    source.run(10)
    assert source.ramp.allowed == 15


def test_ramp_costs_less_than_six_samples_of_the_full_speed() -> None:
    source = Source(lambda connections, _: 20 * MB * connections)
    source.run(1.7)
    assert source.received > 320 * MB * (1.7 - 5.5 * STEP)


@pytest.mark.parametrize("files", [1, 4, 32])
def test_saturated_source_keeps_one_connection_per_file(files: int) -> None:
    source = Source(lambda *_: 900 * MB, files=files)
    source.run(60)
    assert source.ramp.kept == 0
    assert source.tried <= 8


def test_shared_bottleneck_limits_the_connections() -> None:
    source = Source(lambda connections, _: min(20 * MB * connections, 70 * MB))
    source.run(10)
    assert source.ramp.kept == 3


@pytest.mark.parametrize("files", [1, 4])
def test_busy_process_starts_no_trial(files: int) -> None:
    source = Source(lambda connections, _: 400 * MB * connections, files=files, busy_from=300 * MB)
    source.run(10)
    assert source.tried == 0


def test_short_wait_for_the_processor_does_not_end_a_trial() -> None:
    ramp = Ramp(trial=1, before=MB / STEP, expected=1.0)
    busy = Sample(seconds=STEP, received=MB // 2, active=2, room=14, is_busy=True)
    ramp = next_ramp(next_ramp(ramp, busy), Sample(STEP, 3 * MB, active=2, room=14))
    assert ramp.kept == 1
    for _ in range(4):
        ramp = next_ramp(ramp, busy)
    assert ramp.allowed == 1


def test_bytes_of_busy_intervals_are_measured() -> None:
    ramp = Ramp(trial=1, before=MB / STEP, expected=1.0)
    burst = Sample(seconds=STEP, received=8 * MB, active=2, room=14, is_busy=True)
    silence = Sample(seconds=STEP, received=0, active=2, room=14)
    for sample in (burst, silence, silence, burst):
        ramp = next_ramp(ramp, sample)
    assert ramp.kept == 1


def test_slow_processor_ends_the_growth() -> None:
    source = Source(lambda connections, _: 20 * MB * connections, busy_from=75 * MB)
    source.run(10)
    assert 1 <= source.ramp.kept < 3
    assert source.tried <= 8


@pytest.mark.parametrize("seed", range(20))
def test_jitter_does_not_prevent_or_exaggerate_growth(seed: int) -> None:
    noise = random.Random(seed)
    capped = Source(lambda connections, _: 20 * MB * connections * noise.uniform(0.8, 1.2))
    capped.run(5)
    assert capped.ramp.kept >= 12
    saturated = Source(lambda *_: 100 * MB * noise.uniform(0.97, 1.03))
    saturated.run(30)
    assert saturated.ramp.kept == 0
    unsteady = Source(lambda *_: 100 * MB * noise.uniform(0.8, 1.2))
    unsteady.run(10)
    assert unsteady.ramp.kept <= 1


@pytest.mark.parametrize("samples", [2, 5, 13])
def test_bursts_do_not_prevent_or_exaggerate_growth(samples: int) -> None:
    def in_bursts(speed: float, now: float) -> float:
        return 0 if round(now / STEP) % samples else speed * samples

    saturated = Source(lambda _, now: in_bursts(100 * MB, now))
    saturated.run(30)
    assert saturated.ramp.kept == 0
    capped = Source(lambda connections, now: in_bursts(20 * MB * connections, now))
    capped.run(5)
    assert capped.ramp.kept == 15


def test_single_connection_is_tried_if_no_bytes_arrive() -> None:
    silent = Source(lambda *_: 0)
    silent.run(60)
    assert silent.ramp.kept == 0
    assert 1 <= silent.tried <= 8
    stalled = Source(lambda connections, _: 0 if connections == 1 else 100 * MB)
    stalled.run(30)
    assert stalled.ramp.kept == 1


def test_short_measurement_without_clear_gain_is_repeated() -> None:
    ramp = Ramp(last=MB / STEP)
    for received in (MB, 1.3 * MB):
        ramp = next_ramp(ramp, Sample(seconds=STEP, received=int(received), active=1, room=15))
    assert ramp.allowed == 0
    source = Source(lambda connections, _: 100 * MB + 30 * MB * (connections > 1))
    source.run(1)
    assert source.ramp.kept >= 1


def test_throttling_source_gets_no_further_connections() -> None:
    def speed(connections: int, now: float) -> float:
        return 20 * MB * min(connections, 4) if now < 1 else 10 * MB

    source = Source(speed)
    source.run(30)
    assert source.ramp.kept == 3
    assert source.tried <= 9


def test_source_that_becomes_slow_per_connection_gets_more() -> None:
    source = Source(lambda connections, now: 200 * MB if now < 1 else 10 * MB * connections)
    source.run(10)
    assert source.ramp.kept == 15


@pytest.mark.parametrize("latency", [0.05, 0.3, 1.0])
def test_far_connections_are_measured_after_their_first_bytes(latency: float) -> None:
    source = Source(lambda connections, _: 5 * MB * connections, latency=latency)
    source.run(20 * latency)
    assert source.ramp.kept == 15


def test_connections_without_bytes_end_the_trial() -> None:
    source = Source(lambda connections, _: 5 * MB * connections, latency=1000)
    source.run(3.5)
    assert source.ramp.allowed == 0
    source.run(60)
    assert source.ramp.kept == 0


def test_full_host_gets_no_trial() -> None:
    sample = Sample(seconds=STEP, received=MB, active=4, room=0)
    assert next_ramp(Ramp(), sample).allowed == 0
    assert next_ramp(Ramp(last=MB / STEP), sample).allowed == 0
