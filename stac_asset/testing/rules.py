"""Which faults a request meets: rules in the order in which they were given, and chance."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stac_asset.testing.faults import (
    TRANSIENT,
    Changed,
    Fault,
    NoHead,
    Reset,
    Slow,
    Stall,
    Truncate,
    WrongLength,
    WrongRange,
)
from stac_asset.testing.received import matches, rooted

_OF_GET = (Truncate, Reset, Stall, Slow, WrongLength, WrongRange, Changed)
"""Faults of a body, or that go by the downloads: a HEAD that comes between doesn't use them up."""


@dataclass(slots=True)
class _Rule:
    pattern: str
    faults: tuple[Fault, ...]
    method: str | None
    left: int | None  # None: always

    def holds(self, method: str, path: str) -> bool:
        return self.method in (None, method) and matches(path, self.pattern)


@dataclass(frozen=True, slots=True)
class _Requirement:
    header: str
    value: str
    pattern: str
    status: int


class Rules:
    """The faults and requirements of one origin. Not thread safe: the origin's lock is around."""

    def __init__(
        self, rate: float = 0.0, kinds: Sequence[Fault] = TRANSIENT, seed: int = 0
    ) -> None:
        """Begins without rules.

        Args:
            rate: The share of GET requests that meet a random fault, 0 to 1.
            kinds: What the random faults are drawn from.
            seed: Another seed draws others.

        Raises:
            ValueError: If the rate is no share, or there is nothing to draw from.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"fault_rate must be 0 to 1: {rate}")
        if rate and not kinds:
            raise ValueError("fault_kinds is empty")
        self._rate, self._kinds, self._seed = rate, tuple(kinds), seed
        self._rules: list[_Rule] = []
        self._requirements: list[_Requirement] = []
        self._gets: Counter[str] = Counter()

    def add(self, pattern: str, faults: Sequence[Fault], times: int, method: str | None) -> None:
        """Adds a combination of faults for some requests, or for all if `times` is 0.

        Raises:
            ValueError: If there is no fault, or `times` is negative.
        """
        if not faults:
            raise ValueError("no fault was given")
        if times < 0:
            raise ValueError(f"times must be 0 (always) or more: {times}")
        pattern = rooted(pattern)
        if method is not None:
            self._rules.append(_Rule(pattern, tuple(faults), method.upper(), times or None))
            return
        heads = [fault for fault in faults if isinstance(fault, NoHead)]
        others = [fault for fault in faults if not isinstance(fault, NoHead)]
        # A combination that is counted stays together; what holds always is decided one by one.
        groups = [[fault] for fault in others] if times == 0 else [others] if others else []
        for group in groups:
            of_get = any(isinstance(fault, _OF_GET) for fault in group)
            self._rules.append(
                _Rule(pattern, tuple(group), "GET" if of_get else None, times or None)
            )
        if heads:
            self._rules.append(_Rule(pattern, tuple(heads), "HEAD", times or None))

    def drop(self, pattern: str | None) -> None:
        """Drops the rules that were given for this very pattern; all of them if it is None."""
        kept = [] if pattern is None else self._rules
        self._rules = [rule for rule in kept if rule.pattern != rooted(pattern or "*")]

    def require(self, header: str, value: str, pattern: str, status: int) -> None:
        """Adds a header that requests to these paths must have."""
        self._requirements.append(_Requirement(header.lower(), value, pattern, status))

    def refused(self, path: str, headers: Mapping[str, str]) -> int | None:
        """Returns the status for a request that lacks a required header, None if it lacks none."""
        for required in self._requirements:
            given = headers.get(required.header)
            if matches(path, required.pattern) and given != required.value:
                return required.status
        return None

    def take(self, method: str, path: str, size: int) -> tuple[Fault, ...]:
        """Returns the faults of this request and counts them as met.

        Args:
            method: The HTTP method.
            path: The decoded path.
            size: How many bytes are asked for; random faults choose their place among them.

        Returns:
            What holds always, then the first rule that still has requests left, or else what chance
            gives.
        """
        always: list[Fault] = []
        counted: _Rule | None = None
        for rule in self._rules:
            if not rule.holds(method, path):
                continue
            if rule.left is None:
                always += rule.faults
            elif counted is None:
                counted = rule
        drawn = self._draw(path, size) if method == "GET" else ()
        if counted is None or counted.left is None:
            return (*always, *drawn)
        counted.left -= 1
        if counted.left == 0:
            self._rules.remove(counted)
        return (*always, *counted.faults)

    def _draw(self, path: str, size: int) -> tuple[Fault, ...]:
        if not self._rate:
            return ()
        self._gets[path] += 1
        chance = random.Random(f"{self._seed}:{self._gets[path]}:{path}")
        if chance.random() >= self._rate:
            return ()
        fault = chance.choice(self._kinds)
        if isinstance(fault, (Truncate, Reset, Stall)) and fault.after >= 0:
            fault = replace(fault, after=chance.randrange(max(size, 1)))
        return (fault,)
