"""Internal: decides how many connections the large files of a host use, by measured gain.

The decision is a pure function of the last decision and of a sample of the whole process. There are
no absolute speeds: a trial adds connections, and they are kept only if the throughput rises.
`shared_connections.py` takes the samples and carries out the decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_MIN_GAIN = 1.1
"""Minimum throughput with the connections of a trial, relative to the throughput before."""

_MAX_WAIT = 3.0
"""Maximum seconds until the connections of a trial receive bytes."""

_MIN_PAUSE, _MAX_PAUSE = 0.5, 16.0
"""Seconds without a trial after the first failed trial, and after many failed trials."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Facts about an interval."""

    seconds: float
    """Length of the interval in seconds."""

    received: int
    """Number of bytes that the process received from all hosts."""

    active: int
    """Number of connections that receive large files from the host."""

    pending: int = 0
    """Number of allowed connections that receive no bytes yet."""

    room: int = 0
    """Number of connections that the files and the limit of the host still admit."""

    is_busy: bool = False
    """Whether the processor limits the process."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """The connections to a host in addition to the first connection of each large file."""

    kept: int = 0
    """Number of connections that have increased the throughput."""

    trial: int = 0
    """Number of connections of the current trial, or 0."""

    before: float = 0.0
    """Throughput before the trial, in bytes per second."""

    waited: float = 0.0
    """Seconds until all connections of the trial received bytes."""

    seconds: float = 0.0
    """Length of the measurement of the trial in seconds."""

    received: int = 0
    """Number of bytes that the process received during the measurement."""

    last: float = 0.0
    """Throughput in the last interval without a trial, in bytes per second."""

    pause: float = 0.0
    """Seconds left until the next trial may start."""

    failures: int = 0
    """Number of failed trials since the last successful trial."""

    @property
    def allowed(self) -> int:
        """Number of further connections that may be open."""
        return self.kept + self.trial


def next_ramp(ramp: Ramp, sample: Sample) -> Ramp:
    """Return the decision after an interval.

    A trial doubles the number of connections. It starts when the throughput has stopped to grow by
    itself, and fails if the processor becomes the limit. After a failed trial, the next trial
    follows after a pause, and adds one connection. Far connections need longer to reach their
    speed, so a trial is measured for twice the time until its connections received their first
    bytes.

    Args:
        ramp: The decision before the interval.
        sample: The facts about the interval.
    """
    rate = sample.received / sample.seconds
    if ramp.trial:
        if sample.is_busy:
            return _without_trial(ramp)
        if sample.pending:
            waited = ramp.waited + sample.seconds
            if waited >= _MAX_WAIT:
                return _without_trial(ramp)
            return replace(ramp, waited=waited, seconds=0.0, received=0)
        seconds = ramp.seconds + sample.seconds
        received = ramp.received + sample.received
        if seconds < 2 * ramp.waited:
            return replace(ramp, seconds=seconds, received=received)
        rate = received / seconds
        if rate < _MIN_GAIN * ramp.before:
            return _without_trial(ramp)
        ramp = Ramp(kept=ramp.allowed, last=rate)
    elif ramp.pause > sample.seconds:
        return replace(ramp, pause=ramp.pause - sample.seconds)
    is_growing = rate > _MIN_GAIN * ramp.last
    if sample.is_busy or sample.room <= 0 or is_growing:
        return replace(ramp, pause=0.0, last=rate)
    step = 1 if ramp.failures else max(1, sample.active)
    return Ramp(ramp.kept, min(step, sample.room), rate, failures=ramp.failures)


def _without_trial(ramp: Ramp) -> Ramp:
    pause = min(_MAX_PAUSE, _MIN_PAUSE * 2**ramp.failures)
    return Ramp(ramp.kept, pause=pause, failures=ramp.failures + 1)
