"""Internal: decides how many connections the large files of a host use, by measured gain.

The decision is a pure function of the last decision and of a sample of the whole process. There are
no absolute speeds: a trial adds connections, and they are kept only if the throughput rises.
`shared_connections.py` takes the samples and carries out the decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_MIN_GAIN = 1.1
"""Minimum throughput with the connections of a trial, relative to the throughput before."""

_CLEAR_SHARE = 0.5
"""Share of the expected gain from which on the first short measurement of a trial is clear."""

_MIN_EXPECTED = 0.5
"""Minimum expected gain, as a share, of a trial that a short measurement can decide."""

_MAX_BUSY_TIME = 0.03
"""Seconds for which the processor may limit the process in any trial, without ending the trial.

Longer trials end if the processor limits the process for more than half of the time."""

_CAREFUL_SECONDS = 0.2
"""Minimum length of a measurement, in seconds, after a trial that failed or was not clear."""

_MIN_BURSTS = 2
"""Minimum number of pauses of the source that a measurement contains, if bytes arrive in bursts."""

_MAX_SILENCE = 0.25
"""Seconds without bytes after which a single connection is tried, because the source may stall."""

_MAX_WAIT = 3.0
"""Maximum seconds until the connections of a trial receive bytes, and of a measurement."""

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

    expected: float = 0.0
    """Gain of the trial, as a share, if all connections receive the same number of bytes."""

    busy: float = 0.0
    """Seconds of the measurement in which the processor was the limit."""

    seconds: float = 0.0
    """Length of the current measurement in seconds."""

    received: int = 0
    """Number of bytes that the process received during the measurement."""

    idle: float = 0.0
    """Seconds since the last bytes of the measurement."""

    longest_idle: float = 0.0
    """Longest time without bytes in the measurement, in seconds."""

    last: float = 0.0
    """Throughput in the last measurement without a trial, in bytes per second."""

    pause: float = 0.0
    """Seconds left until the next trial may start."""

    failures: int = 0
    """Number of failed trials since the last successful trial."""

    is_careful: bool = False
    """Whether short measurements are not clear."""

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

    A measurement is short at first. If a short trial is not clear, the trial is repeated with
    longer measurements. If bytes arrive in bursts, a measurement contains several bursts. If no
    bytes arrive at all, a single connection is tried.

    Args:
        ramp: The decision before the interval.
        sample: The facts about the interval.
    """
    if ramp.trial:
        if sample.pending:
            waited = ramp.waited + sample.seconds
            if waited >= _MAX_WAIT:
                return _without_trial(ramp)
            return replace(_unmeasured(ramp), waited=waited)
    elif ramp.pause > sample.seconds:
        return replace(ramp, pause=ramp.pause - sample.seconds)
    elif sample.room <= 0:
        return replace(_unmeasured(ramp), pause=0.0, last=sample.received / sample.seconds)
    ramp = _measured(ramp, sample)
    is_busy = ramp.busy > ramp.seconds / 2
    if ramp.trial and is_busy:
        return _without_trial(ramp) if ramp.busy > _MAX_BUSY_TIME else ramp
    if not _is_complete(ramp):
        return ramp
    rate = ramp.received / ramp.seconds
    is_careful = ramp.is_careful or ramp.failures > 0
    if not _is_clear(ramp, rate):
        if is_careful and ramp.received and ramp.seconds < _CAREFUL_SECONDS:
            return ramp
        if ramp.trial and (not rate or rate < _MIN_GAIN * ramp.before):
            return _without_trial(ramp)
        if ramp.trial and not is_careful:
            return Ramp(ramp.kept, last=ramp.before, is_careful=True)
    if ramp.trial:
        ramp = Ramp(kept=ramp.allowed, last=rate, received=ramp.received)
    is_growing = rate > _MIN_GAIN * ramp.last
    is_silent = not ramp.received
    if is_busy or is_growing or sample.room <= 0 or (is_silent and ramp.kept):
        return replace(_unmeasured(ramp), last=rate)
    active = max(1, sample.active)
    trial = min(1 if ramp.failures or is_silent else active, sample.room)
    return Ramp(
        ramp.kept,
        trial,
        rate,
        expected=trial / active,
        failures=ramp.failures,
        is_careful=ramp.is_careful,
    )


def _measured(ramp: Ramp, sample: Sample) -> Ramp:
    """Add an interval to the current measurement."""
    idle = 0.0 if sample.received else ramp.idle + sample.seconds
    return replace(
        ramp,
        pause=0.0,
        seconds=ramp.seconds + sample.seconds,
        received=ramp.received + sample.received,
        busy=ramp.busy + sample.seconds * sample.is_busy,
        idle=idle,
        longest_idle=max(ramp.longest_idle, idle),
    )


def _unmeasured(ramp: Ramp) -> Ramp:
    """Start a new measurement."""
    return replace(ramp, seconds=0.0, received=0, busy=0.0, idle=0.0, longest_idle=0.0)


def _is_complete(ramp: Ramp) -> bool:
    """Return whether the current measurement is long enough. It ends with the bytes of a burst."""
    if ramp.seconds >= (_MAX_WAIT if ramp.received else _MAX_SILENCE):
        return True
    least = max(_MIN_BURSTS * ramp.longest_idle, 2 * ramp.waited)
    return not ramp.idle and ramp.seconds >= least


def _is_clear(ramp: Ramp, rate: float) -> bool:
    """Return whether a trial has a gain that a short measurement shows."""
    if not ramp.trial or ramp.expected < _MIN_EXPECTED:
        return False
    return rate > 0 and rate >= (1 + _CLEAR_SHARE * ramp.expected) * ramp.before


def _without_trial(ramp: Ramp) -> Ramp:
    pause = min(_MAX_PAUSE, _MIN_PAUSE * 2**ramp.failures)
    return Ramp(ramp.kept, last=ramp.before, pause=pause, failures=ramp.failures + 1)
