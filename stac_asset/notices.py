"""Internal: notices, which are conditions that users should know although no asset failed.

A run can meet the same condition thousands of times. Each condition is logged once per run, with
the number of occurrences and a few examples.

`notice` records an occurrence in the innermost run of the current context. The public functions,
the commands and the flows are such runs; see `collect_notices`. Outside of a run, the notice is
logged immediately.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock

from stac_asset.redact import redact_text, shortened

logger = logging.getLogger(__name__)

_MAX_SHOWN = 3
"""Maximum number of examples in the text of a notice."""

_MAX_SHOWN_LENGTH = 200
"""Maximum length of an example, in characters."""

_MAX_COUNTED = 10_000
"""Maximum number of occurrences to count. The limit bounds the memory of a run."""


@dataclass(slots=True)
class Notices:
    """The notices of a run.

    Repeated occurrences with the same example count once, because some runs plan an item twice.
    """

    _examples: dict[str, dict[str, None]] = field(default_factory=dict)
    """The examples of each condition, in order."""

    _lock: Lock = field(default_factory=Lock)

    def add(self, condition: str, example: str = "") -> None:
        """Record an occurrence of a condition.

        Args:
            condition: A sentence without a final period. Equal conditions are counted together.
            example: The object with the condition, such as "asset 'B04' of item 'S2B_31UFU'".
        """
        with self._lock:
            examples = self._examples.setdefault(condition, {})
            if len(examples) < _MAX_COUNTED:
                examples[example] = None

    def lines(self) -> list[str]:
        """Return a line for each condition, in the order of the first occurrences."""
        with self._lock:
            return [_line(condition, examples) for condition, examples in self._examples.items()]


_current: ContextVar[Notices | None] = ContextVar("notices", default=None)


@contextmanager
def collect_notices() -> Iterator[Notices]:
    """Collect the notices of a run, and log them when the context ends, also after an error.

    An inner context, such as that of a library function that a flow calls, uses the outer one.

    Yields:
        The notices of the run.
    """
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    notices = Notices()
    token = _current.set(notices)
    try:
        yield notices
    finally:
        _current.reset(token)
        for line in notices.lines():
            logger.warning("%s", line)


def notice(condition: str, example: str = "") -> None:
    """Record a notice of the current run.

    Args:
        condition: A sentence without a final period, the same for all occurrences.
        example: The object with the condition, such as "asset 'B04' of item 'S2B_31UFU'".
    """
    notices = _current.get()
    if notices is None:
        logger.warning("%s", _line(condition, {example: None}))
    else:
        notices.add(condition, example)


def notice_lines() -> list[str]:
    """Return the notices of the current run so far, as lines for results and states."""
    notices = _current.get()
    return notices.lines() if notices is not None else []


def _line(condition: str, examples: dict[str, None]) -> str:
    shown = [shortened(example, _MAX_SHOWN_LENGTH) for example in examples if example][:_MAX_SHOWN]
    if not shown:
        return redact_text(condition)
    names = "; ".join(shown)
    if len(examples) == 1:
        text = f"{condition}: {names}"
    else:
        more = "at least " if len(examples) >= _MAX_COUNTED else ""
        such_as = "such as " if len(examples) > len(shown) else ""
        text = f"{condition} ({more}{len(examples):,} times): {such_as}{names}"
    return redact_text(text).encode(errors="backslashreplace").decode()
