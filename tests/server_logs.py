"""Reads the logs of Prefect servers, workers and served flows, and fails at unexpected errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_LOCKED = r"\(sqlite3\.OperationalError\) database is locked\n"

HARMLESS = {
    rf"\| (?:docket\.dependencies|worker_channel|prefect\.server[\w.]*) - .*{_LOCKED}": (
        "SQLite has one writer, and another one was at work. The server runs the task again or "
        "answers with an error that its clients retry. A background task that has failed for good "
        "logs as `docket.worker`."
    ),
    r"\| (?:prefect\.\S+|asyncio) - .*prefect.*websockets\.exceptions\.ConnectionClosedError: "
    r"[^\n]*1011 \(internal error\) keepalive ping timeout;[^\n]*\Z": (
        "A busy machine answered the ping of a websocket too late. The clients of Prefect, of "
        "workers, runners and events, connect again."
    ),
}
"""Regular expressions for errors of Prefect that have no consequence, each with the reason."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# A record of Prefect begins with the time, one of uvicorn with its level, one of Dask or Ray with
# the date.
_BEGINNING = re.compile(
    rb"^(?:\x1b\[[0-9;]*m)*"
    rb"(?:\d\d:\d\d:\d\d\.\d{3} \| |(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)(?:\x1b\[[0-9;]*m)*: "
    rb"|\[?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})",
    re.M,
)
# Python prints a traceback by itself where no logger does, after any record.
_TRACEBACK = re.compile(rb"^(?:Traceback \(most recent call last\)|Exception in thread )", re.M)
_CHAINED = re.compile(
    rb"(?:During handling of the above exception, another exception occurred|"
    rb"The above exception was the direct cause of the following exception):\s*\Z|"
    rb"^Exception in thread .*\n\Z",
    re.M,
)
_QUIET = re.compile(rb"\A[^|\n]*\| (?:DEBUG|INFO) |\A(?:DEBUG|INFO):")
_TROUBLE = re.compile(
    r"Traceback \(most recent call last\)|\b(?:ERROR|CRITICAL)\b|^Fatal Python error", re.M
)


def troubles(text: str, provoked: Iterable[str] = ()) -> list[str]:
    """Returns the records of a log that have a traceback, or the level ERROR or CRITICAL.

    Args:
        text: The log.
        provoked: Regular expressions for records that the test expects. Each is searched in the
            whole record, traceback included.
    """
    expected = [(0, pattern) for pattern in provoked]
    return [record for _, record in _unexpected(text.encode(), expected)]


@dataclass
class ServerLog:
    """The log of a process, and the errors in it that tests provoke.

    Args:
        path: The file.
    """

    path: Path
    _provoked: list[tuple[int, str]] = field(default_factory=list)
    _tests: list[tuple[int, str]] = field(default_factory=list)

    def provoke(self, *patterns: str) -> None:
        """Announces errors that the running test provokes.

        Args:
            patterns: Regular expressions for the records. They hold from the beginning of the test
                on. They hold after its end too, since processes write their last records late.
        """
        start = self._tests[-1][0] if self._tests else 0
        self._provoked += [(start, pattern) for pattern in patterns]

    def test_begins(self, name: str) -> None:
        """Notes which test is running, for the message about an error.

        Args:
            name: The name of the test.
        """
        # What an earlier process left in the file may be replaced, so the first test has it all.
        is_later = self._tests and self.path.exists()
        self._tests.append((self.path.stat().st_size if is_later else 0, name))

    def check(self) -> None:
        """Fails if the log has errors that no test provoked. The process must have ended."""
        found = _unexpected(self.path.read_bytes(), self._provoked)
        lines = [f"{self._test_at(start)}:\n{record}" for start, record in found]
        assert not lines, f"{self.path} has unexpected errors, " + "\n".join(lines)

    def _test_at(self, offset: int) -> str:
        names = [name for start, name in self._tests if start <= offset]
        return f"written during {names[-1] if names else 'no test'} or soon after it"


_watched: list[ServerLog] = []
"""The logs of the processes that run."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tells the logs which test begins: a hook of pytest, for tests/conftest.py."""
    for log in _watched:
        log.test_begins(item.nodeid)


@contextmanager
def checked_log(log: Path | ServerLog, *provoked: str) -> Iterator[ServerLog]:
    """Fails in the end if a log has errors that the test did not provoke.

    Args:
        log: The log of a process that has ended when this context ends.
        provoked: Regular expressions for the records that the test expects.
    """
    log = log if isinstance(log, ServerLog) else ServerLog(log)
    log.test_begins(os.environ.get("PYTEST_CURRENT_TEST", "").partition(" (")[0])
    log.provoke(*provoked)
    _watched.append(log)
    try:
        yield log
    finally:
        _watched.remove(log)
    log.check()


def cancelled_run(flow_run: str, task_run: str) -> tuple[str, ...]:
    """Returns patterns for what Prefect logs when it stops the process of a flow run.

    Args:
        flow_run: The name of the flow run.
        task_run: A regular expression for the names of its task runs that are at work.
    """
    return (
        # The engine sets a state that the server, where the run is being cancelled, refuses.
        rf"Flow run '{re.escape(flow_run)}' - Finished in state Running\(\)",
        r"asyncio - unhandled exception during asyncio\.run\(\) shutdown\n.*TerminationSignal: 15$",
        rf"Task run '{task_run}' - Crash detected! Execution was cancelled",
        rf"Task run '{task_run}' - Finished in state (Crashed|Cancelled)\(",
    )


def _unexpected(text: bytes, provoked: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Returns the records with errors that are neither provoked nor harmless, and their offsets."""
    expected = [(start, re.compile(pattern, re.S)) for start, pattern in provoked]
    expected += [(0, re.compile(pattern, re.S)) for pattern in HARMLESS]
    return [
        (start, record)
        for start, record in _records(text)
        if _TROUBLE.search(record)
        and not any(start >= since and pattern.search(record) for since, pattern in expected)
    ]


def _records(text: bytes) -> Iterator[tuple[int, str]]:
    """Yields the records of a log, each with its offset."""
    beginnings = {match.start() for match in _BEGINNING.finditer(text)}
    tracebacks = {match.start() for match in _TRACEBACK.finditer(text)}
    start, has_traceback = 0, False
    for offset in (*sorted(beginnings | tracebacks), len(text)):
        before = text[start:offset]
        if offset in tracebacks and not _CHAINED.search(before):
            is_new = has_traceback or bool(_QUIET.search(before)) or not before.strip()
        else:
            is_new = offset not in tracebacks
        if is_new:
            if before.strip():
                yield start, _COLOUR.sub("", before.decode(errors="replace")).rstrip()
            start, has_traceback = offset, False
        has_traceback |= offset in tracebacks
