"""The selection of faults for a request: ordered rules, and random faults."""

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

_GET_FAULTS = (Truncate, Reset, Stall, Slow, WrongLength, WrongRange, Changed)
"""Faults of GET requests. A HEAD request does not use up such a fault."""


@dataclass(slots=True)
class _Rule:
    pattern: str
    faults: tuple[Fault, ...]
    method: str | None
    left: int | None
    """Number of further requests. If None, the rule applies to all requests."""

    def applies(self, method: str, path: str) -> bool:
        return self.method in (None, method) and matches(path, self.pattern)


@dataclass(frozen=True, slots=True)
class _Requirement:
    header: str
    value: str
    pattern: str
    status: int


class Rules:
    """The faults and requirements of an origin. Not thread safe: the origin holds a lock."""

    def __init__(
        self, rate: float = 0.0, kinds: Sequence[Fault] = TRANSIENT, seed: int = 0
    ) -> None:
        """Create an empty set of rules.

        Args:
            rate: Share of GET requests, 0 to 1, that get a random fault.
            kinds: The random faults to choose from.
            seed: Seed of the random choices.

        Raises:
            ValueError: The rate is not 0 to 1, or `kinds` is empty.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"`fault_rate` must be 0 to 1: {rate}")
        if rate and not kinds:
            raise ValueError("`fault_kinds` must not be empty")
        self._rate, self._kinds, self._seed = rate, tuple(kinds), seed
        self._rules: list[_Rule] = []
        self._requirements: list[_Requirement] = []
        self._gets: Counter[str] = Counter()

    def add(self, pattern: str, faults: Sequence[Fault], times: int, method: str | None) -> None:
        """Add a combination of faults.

        Args:
            pattern: A path or pattern.
            faults: The faults.
            times: Number of requests that get the faults. 0 means all requests.
            method: The only HTTP method that gets the faults. Default: depends on the faults.

        Raises:
            ValueError: `faults` is empty, or `times` is negative.
        """
        if not faults:
            raise ValueError("`faults` must not be empty")
        if times < 0:
            raise ValueError(f"`times` must be 0 (all requests) or more: {times}")
        pattern = rooted(pattern)
        if method is not None:
            self._rules.append(_Rule(pattern, tuple(faults), method.upper(), times or None))
            return
        heads = [fault for fault in faults if isinstance(fault, NoHead)]
        others = [fault for fault in faults if not isinstance(fault, NoHead)]
        # Counted faults stay together. Faults for all requests apply independently of each other.
        groups = [[fault] for fault in others] if times == 0 else [others] if others else []
        for group in groups:
            get_only = any(isinstance(fault, _GET_FAULTS) for fault in group)
            self._rules.append(
                _Rule(pattern, tuple(group), "GET" if get_only else None, times or None)
            )
        if heads:
            self._rules.append(_Rule(pattern, tuple(heads), "HEAD", times or None))

    def drop(self, pattern: str | None) -> None:
        """Remove the rules with exactly this pattern, or all rules.

        Args:
            pattern: The pattern as given to `add`. None removes all rules.
        """
        kept = [] if pattern is None else self._rules
        self._rules = [rule for rule in kept if rule.pattern != rooted(pattern or "*")]

    def require(self, header: str, value: str, pattern: str, status: int) -> None:
        """Add a header that requests to these paths must have.

        Args:
            header: The name of the header.
            value: The required value.
            pattern: A path or pattern.
            status: The HTTP status of the response to other requests.
        """
        self._requirements.append(_Requirement(header.lower(), value, pattern, status))

    def refused(self, path: str, headers: Mapping[str, str]) -> int | None:
        """Return the status of the refusal if a required header is missing or different.

        Args:
            path: The decoded path.
            headers: The request headers, with lower-case names.
        """
        for required in self._requirements:
            given = headers.get(required.header)
            if matches(path, required.pattern) and given != required.value:
                return required.status
        return None

    def take(self, method: str, path: str, size: int) -> tuple[Fault, ...]:
        """Return the faults of a request, and count these faults as used.

        Args:
            method: The HTTP method.
            path: The decoded path.
            size: Number of requested bytes. Random faults choose a position among them.

        Returns:
            The faults for all requests, then those of the first counted rule that applies. Without
            such a rule, a random fault may follow.
        """
        always: list[Fault] = []
        counted: _Rule | None = None
        for rule in self._rules:
            if not rule.applies(method, path):
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
