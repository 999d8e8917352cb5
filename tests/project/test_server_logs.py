"""Detection of errors in the logs of servers, workers and served flows."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.server_logs import HARMLESS, ServerLog, checked_log, unexpected_errors

INFO = "04:21:13.100 | INFO    | prefect.server - Ready\n"
ERROR = "04:21:14.200 | ERROR   | Flow run 'gray-fox' - Finished in state Failed('no file')\n"
TRACEBACK = (
    'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: 1\n'
)

# From a server of Prefect 3.8.8 with SQLAlchemy 2.1.9, shortened.
NO_SCHEDULED_RUNS = """\
04:21:15.759 | ERROR   | docket.dependencies - ↩ [    52ms] schedule_deployments(){schedule_deployments}
Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/docket/worker.py", line 1134, in _execute
    result = await execution.function(
             ^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/site-packages/prefect/server/services/scheduler.py", line 273, in schedule_deployments
    inserted_runs = await models.deployments._insert_scheduled_flow_runs(
                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/site-packages/sqlalchemy/ext/hybrid.py", line 1851, in prop
    raise exc.InvalidRequestError(
sqlalchemy.exc.InvalidRequestError: Can't evaluate bulk DML statement; please supply a bulk_dml decorated function
"""  # noqa: E501

RICH = """\
╭───────────────────── Traceback (most recent call last) ──────────────────────╮
│ /usr/lib/python3.11/site-packages/prefect/cli/root.py:9 in main              │
╰──────────────────────────────────────────────────────────────────────────────╯
ValueError: 1
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in <module>
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
"""
DASK = "2026-11-29 04:21:15,759 - distributed.worker - ERROR - Worker stream died\n"
RAY = "2026-11-29 04:21:15,759\tERROR worker.py:421 -- Unhandled error\n"


@pytest.mark.parametrize(
    "error",
    [
        NO_SCHEDULED_RUNS,
        ERROR,
        ERROR.replace("ERROR   ", "CRITICAL"),
        ERROR + TRACEBACK,
        ERROR.replace("ERROR", "\x1b[38;5;160mERROR\x1b[0m"),
        "\x1b[31mERROR\x1b[0m:    Exception in ASGI application\n" + TRACEBACK,
        "ERROR:    [Errno 98] Address already in use\n",
        DASK,
        RAY,
        TRACEBACK,
        "Exception in thread Thread-1:\n" + TRACEBACK,
        RICH,
        GROUP,
        "Fatal Python error: Segmentation fault\n",
    ],
)
def test_each_error_is_a_separate_record(error: str) -> None:
    (found,) = unexpected_errors(INFO + error + INFO)
    assert found.endswith(error.rstrip().rpartition("\n")[2][-10:])
    assert "prefect.server - Ready" not in found or error.startswith(("╭", "  +", "Fatal"))
    assert unexpected_errors(error)
    assert unexpected_errors(error.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    "line",
    [
        INFO,
        "04:21:13.100 | WARNING | prefect.server - slow\n",
        "INFO:     Started server process [1]\n",
        "0 errors, and no error\n",
        " ___ ___\n| _ \\ _ \\\n",
        "",
    ],
)
def test_log_without_errors_has_no_unexpected_errors(line: str) -> None:
    assert unexpected_errors(line * 3) == []


def test_pattern_matches_error_with_its_traceback_only() -> None:
    other = ERROR.replace("gray-fox", "red-fox")
    log = INFO + ERROR + TRACEBACK + other + TRACEBACK + INFO
    assert unexpected_errors(log, [r"'gray-fox' - Finished .*ValueError: 1"]) == [
        (other + TRACEBACK).rstrip()
    ]
    assert unexpected_errors(log, ["gray-fox", "red-fox"]) == []
    assert len(unexpected_errors(log, ["blue-fox"])) == 2


@pytest.mark.parametrize("sentence", ["During handling of", "The above exception"])
def test_chained_tracebacks_are_a_single_record(sentence: str) -> None:
    between = {
        "During handling of": "During handling of the above exception, another exception occurred:",
        "The above exception": "The above exception was the direct cause of the following "
        "exception:",
    }[sentence]
    chained = f"{ERROR}{TRACEBACK}\n{between}\n\n{TRACEBACK}"
    assert unexpected_errors(INFO + chained + INFO) == [chained.rstrip()]
    assert unexpected_errors(chained, ["gray-fox"]) == []


@pytest.mark.parametrize("before", [INFO, ERROR + TRACEBACK, ""])
def test_traceback_without_logger_is_a_separate_record(before: str) -> None:
    """Otherwise the pattern of the preceding record would also match the traceback."""
    patterns = ["gray-fox", "Ready"]
    assert unexpected_errors(before + TRACEBACK, patterns) == [TRACEBACK.rstrip()]


LATE_PING = """websockets.exceptions.ConnectionClosedError: sent 1011 (internal error) keepalive \
ping timeout; no close frame received
"""


@pytest.mark.parametrize(
    ("first_line", "is_harmless"),
    [
        ("06:25:53.275 | ERROR   | asyncio - Task exception was never retrieved", True),
        ("06:25:53.275 | ERROR   | prefect.FlowRunCancellingObserver - The events websocket", True),
        ("06:25:53.275 | ERROR   | Flow run 'gray-fox' - Finished in state Failed()", False),
    ],
)
def test_websocket_ping_timeout_is_harmless_if_prefect_reconnects(
    first_line: str, is_harmless: bool
) -> None:
    traceback = TRACEBACK.replace("ValueError: 1\n", LATE_PING)
    record = f'{first_line}\n  File "site-packages/prefect/workers/_protocol.py"\n{traceback}'
    assert unexpected_errors(INFO + record + INFO) == ([] if is_harmless else [record.rstrip()])


@pytest.mark.parametrize(("file", "expected"), [("workspace.json", 0), ("state.json", 1)])
def test_early_cancellation_without_a_folder_is_harmless(file: str, expected: int) -> None:
    log = (
        "20:58:11.686 | WARNING | Flow run 'gray-fox' - Runner failed to retrieve flow to execute "
        "on_cancellation hooks for flow run UUID('a740b0ed').\n"
        'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n'
        f"FileNotFoundError: [Errno 2] No such file or directory: '/tmp/attempt/{file}'\n"
    )
    assert len(unexpected_errors(log)) == expected


@pytest.mark.parametrize(
    ("dropped", "error", "expected"),
    [
        (0, "asyncio.exceptions.CancelledError", 0),
        (2, "asyncio.exceptions.CancelledError", 1),
        (0, "ValueError: 1", 1),
    ],
)
def test_events_that_a_stopped_server_was_storing_are_harmless(
    dropped: int, error: str, expected: int
) -> None:
    first_line = (
        "17:23:41.510 | ERROR   | prefect.server.services.task_run_recorder - Error flushing 11 "
        f"events (11 to retry, {dropped} dropped)\n"
    )
    log = INFO + first_line + TRACEBACK.replace("ValueError: 1", error) + INFO
    assert len(unexpected_errors(log)) == expected


def test_scheduler_error_is_never_harmless() -> None:
    for harmless in HARMLESS:
        assert unexpected_errors(NO_SCHEDULED_RUNS, [harmless])
    assert all(reason.endswith(".") for reason in HARMLESS.values())


@pytest.mark.parametrize(
    ("logger", "error", "expected"),
    [
        ("docket.dependencies", "database is locked", 0),
        ("worker_channel", "database is locked", 0),
        ("prefect.server", "database is locked", 0),
        ("prefect.server.api.workers", "database is locked", 0),
        ("prefect.server.api.workers", "disk I/O error", 1),
        ("Flow run 'gray-fox'", "database is locked", 1),
        ("docket.worker", "database is locked", 1),
        ("docket.dependencies", "no such table: deployment_schedule", 1),
    ],
)
def test_locked_sqlite_is_harmless_only_if_prefect_retries(
    logger: str, error: str, expected: int
) -> None:
    log = (
        f"04:36:28.954 | ERROR   | {logger} - ↩ [ 67846ms] mark_work_queues_ready(){{x}}\n"
        f"{TRACEBACK}sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) {error}\n"
        "[SQL: UPDATE work_queue SET last_polled=:last_polled]\n"
    )
    assert len(unexpected_errors(INFO + log + INFO)) == expected


@pytest.mark.parametrize(
    ("task", "error", "expected"),
    [
        ("schedule_deployments", "<class 'asyncpg.exceptions.ForeignKeyViolationError'>: x", 0),
        (
            "schedule_recent_deployments",
            "(sqlite3.IntegrityError) FOREIGN KEY constraint failed",
            0,
        ),
        ("schedule_deployments", "<class 'asyncpg.exceptions.UniqueViolationError'>: x", 1),
        ("mark_work_queues_ready", "(sqlite3.IntegrityError) FOREIGN KEY constraint failed", 1),
    ],
)
def test_deletion_of_a_deployment_during_scheduling_is_harmless(
    task: str, error: str, expected: int
) -> None:
    log = (
        f"02:59:48.171 | ERROR   | docket.dependencies - ↩ [   846ms] {task}(){{{task}}}\n"
        f"{TRACEBACK}sqlalchemy.exc.IntegrityError: {error}\n"
    )
    assert len(unexpected_errors(INFO + log + INFO)) == expected


def test_errors_name_their_test_and_patterns_apply_to_later_tests(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "log")
    with log.path.open("w") as file:
        for name in ("first", "second", "third"):
            log.test_begins(f"test_{name}")
            if name == "second":
                log.expect_errors("gray-fox")
            file.write(INFO + ERROR)
            file.flush()
    with pytest.raises(AssertionError) as failed:
        log.check()
    text = str(failed.value)
    assert "written during test_first or soon after it:\n04:21:14.200 | ERROR" in text
    assert "test_second" not in text
    assert "test_third" not in text


def test_patterns_apply_to_log_that_replaces_a_longer_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(INFO * 9)
    with checked_log(tmp_path / "log", "gray-fox"):
        (tmp_path / "log").write_text(ERROR)
    found = pytest.raises(AssertionError, match="test_patterns_apply_to_log_that")
    with found, checked_log(tmp_path / "log", "red-fox"):
        (tmp_path / "log").write_text(ERROR)


def test_missing_log_raises_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), checked_log(tmp_path / "log"):
        pass


def test_exception_of_the_test_takes_precedence_over_log_errors(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(ERROR)
    with pytest.raises(KeyError), checked_log(tmp_path / "log"):
        raise KeyError


@pytest.mark.parametrize(
    ("options", "is_expected"),
    [([], True), ([], False), (["-p", "xdist", "--numprocesses", "1"], False)],
    ids=["expected", "unexpected", "unexpected with xdist"],
)
def test_unexpected_error_in_session_log_fails_the_session(
    tmp_path: Path, options: list[str], is_expected: bool
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    code = f"""
        import pytest
        from pathlib import Path
        from tests.support.server_logs import ServerLog, checked_log

        LOG = ServerLog(Path({str(tmp_path / "log")!r}))

        @pytest.fixture(scope="session", autouse=True)
        def server():
            LOG.path.write_text("")
            with checked_log(LOG):
                yield

        def test_first():
            pass

        def test_second():
            if {is_expected}:
                LOG.expect_errors("'gray-fox' - .*no file")
            LOG.path.write_text({ERROR!r})

        def test_third():
            pass
        """
    (tmp_path / "test_session.py").write_text(textwrap.dedent(code))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.support.server_logs",
            *options,
            str(tmp_path),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == (0 if is_expected else 1)
    assert ("ERROR at teardown of test_third" in done.stdout) is not is_expected
    message = "written during test_session.py::test_second or soon after it"
    assert (message in done.stdout) is not is_expected
