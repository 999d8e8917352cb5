"""Check the logs of Prefect servers, workers and served flows for unexpected errors."""

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
        "SQLite allows a single writer at a time. The server runs the task again, or responds with "
        "an error that clients retry. A background task that finally fails logs as "
        "`docket.worker`."
    ),
    r"\| (?:prefect\.\S+|asyncio) - .*prefect.*websockets\.exceptions\.ConnectionClosedError: "
    r"[^\n]*1011 \(internal error\) keepalive ping timeout;[^\n]*\Z": (
        "A busy machine responded too late to the ping of a websocket. The clients of Prefect in "
        "workers, runners and event consumers reconnect."
    ),
    r"\| docket\.dependencies - [^\n]*\bschedule_(?:recent_)?deployments\(.*"
    r"(?:ForeignKeyViolationError|sqlite3\.IntegrityError\) FOREIGN KEY constraint failed)": (
        "A deployment was deleted while the scheduler created its runs. The scheduler creates the "
        "runs of the other deployments a few seconds later."
    ),
    r"task_run_recorder - Error flushing \d+ events \(\d+ to retry, 0 dropped\)\n"
    r".*asyncio\.exceptions\.CancelledError\Z": (
        "The server was stopped while it stored events of task runs. No event is dropped while the "
        "server runs."
    ),
    r"- Failed to update state of flow run .*404 Not Found.*Flow run with id \S+ not found": (
        "A schedule was paused. The server then removes its runs, also a run that a worker or a "
        "runner is about to start."
    ),
    r"- Runner failed to retrieve flow to execute on_cancellation hooks for flow run "
    r".*FileNotFoundError: [^\n]*/workspace\.json'\Z": (
        "A run was cancelled before the worker had prepared its folder, so that Prefect cannot "
        "look for hooks. The flows of this package have no cancellation hooks, and the run ends "
        "as Cancelled."
    ),
}
"""Regular expressions for Prefect errors without consequences, each with the reason."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# A log record starts with the time (Prefect), the level (uvicorn), or the date (Dask and Ray).
_BEGINNING = re.compile(
    rb"^(?:\x1b\[[0-9;]*m)*"
    rb"(?:\d\d:\d\d:\d\d\.\d{3} \| |(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)(?:\x1b\[[0-9;]*m)*: "
    rb"|\[?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})",
    re.M,
)
# Python prints the traceback of an exception that is not logged. It can follow any record.
_TRACEBACK = re.compile(rb"^(?:Traceback \(most recent call last\)|Exception in thread )", re.M)
_CHAINED = re.compile(
    rb"(?:During handling of the above exception, another exception occurred|"
    rb"The above exception was the direct cause of the following exception):\s*\Z|"
    rb"^Exception in thread .*\n\Z",
    re.M,
)
_QUIET = re.compile(rb"\A[^|\n]*\| (?:DEBUG|INFO) |\A(?:DEBUG|INFO):")
_ERROR = re.compile(
    r"Traceback \(most recent call last\)|\b(?:ERROR|CRITICAL)\b|^Fatal Python error", re.M
)


def unexpected_errors(text: str, expected: Iterable[str] = ()) -> list[str]:
    """Return the log records with a traceback, or with the level ERROR or CRITICAL.

    Args:
        text: The log.
        expected: Regular expressions for records that the test expects. Each is searched in the
            complete record, including the traceback.
    """
    patterns = [(0, pattern) for pattern in expected]
    return [record for _, record in _unexpected(text.encode(), patterns)]


@dataclass
class ServerLog:
    """Log file of a process, with the errors that tests expect.

    Args:
        path: The log file.
    """

    path: Path
    _expected: list[tuple[int, str]] = field(default_factory=list)
    _tests: list[tuple[int, str]] = field(default_factory=list)

    def expect_errors(self, *patterns: str) -> None:
        """Announce errors that the running test causes.

        Args:
            patterns: Regular expressions for the records. They apply from the start of the test,
                and also after the test, since processes may write records late.
        """
        start = self._tests[-1][0] if self._tests else 0
        self._expected += [(start, pattern) for pattern in patterns]

    def test_begins(self, name: str) -> None:
        """Record the name of the running test for error messages.

        Args:
            name: The name of the test.
        """
        # A new process may truncate the file, so the first test starts at offset 0.
        is_later = self._tests and self.path.exists()
        self._tests.append((self.path.stat().st_size if is_later else 0, name))

    def check(self) -> None:
        """Fail if the log contains unexpected errors. The process must have ended."""
        records = _unexpected(self.path.read_bytes(), self._expected)
        lines = [f"{self._test_at(start)}:\n{record}" for start, record in records]
        assert not lines, f"{self.path} has unexpected errors, " + "\n".join(lines)

    def _test_at(self, offset: int) -> str:
        names = [name for start, name in self._tests if start <= offset]
        return f"written during {names[-1] if names else 'no test'} or soon after it"


_watched: list[ServerLog] = []
"""Logs of the running processes."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Record the name of the running test in all logs. `tests/conftest.py` registers this hook."""
    for log in _watched:
        log.test_begins(item.nodeid)


@contextmanager
def checked_log(log: Path | ServerLog, *expected: str) -> Iterator[ServerLog]:
    """Fail at the end of the context if a log contains unexpected errors.

    Args:
        log: The log of a process that ends within the context.
        expected: Regular expressions for the records that the test expects.
    """
    log = log if isinstance(log, ServerLog) else ServerLog(log)
    log.test_begins(os.environ.get("PYTEST_CURRENT_TEST", "").partition(" (")[0])
    log.expect_errors(*expected)
    _watched.append(log)
    try:
        yield log
    finally:
        _watched.remove(log)
    log.check()


def cancelled_run_errors(flow_run: str, task_run: str) -> tuple[str, ...]:
    """Return patterns for the errors that Prefect logs after stopping the process of a flow run.

    Args:
        flow_run: The name of the flow run.
        task_run: A regular expression for the names of the active task runs.
    """
    return (
        # The engine proposes a state, but the server rejects it because the run is being cancelled.
        rf"Flow run '{re.escape(flow_run)}' - Finished in state Running\(\)",
        r"asyncio - unhandled exception during asyncio\.run\(\) shutdown\n.*TerminationSignal: 15$",
        rf"Task run '{task_run}' - Crash detected! Execution was cancelled",
        rf"Task run '{task_run}' - Finished in state (Crashed|Cancelled)\(",
    )


def _unexpected(text: bytes, expected: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the records with errors that are neither expected nor harmless, with offsets."""
    patterns = [(start, re.compile(pattern, re.S)) for start, pattern in expected]
    patterns += [(0, re.compile(pattern, re.S)) for pattern in HARMLESS]
    return [
        (start, record)
        for start, record in _records(text)
        if _ERROR.search(record)
        and not any(start >= since and pattern.search(record) for since, pattern in patterns)
    ]


def _records(text: bytes) -> Iterator[tuple[int, str]]:
    """Yield the records of a log, each with the offset in the log."""
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
