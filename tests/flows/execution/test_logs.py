"""Library logs in the log of a flow run, read from a Prefect server."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ParameterTypeError, SignatureMismatchError
from prefect.flow_engine import run_flow
from prefect.logging.handlers import APILogHandler
from prefect.logging.loggers import flow_run_logger

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution.library_logs import LIBRARY, send_library_logs
from prefect_stac_asset.flows.parameters.options import Granularity
from stac_asset.errors import UnexpectedError
from stac_asset.testing import Origin, Status
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import read_logs

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=1, warn=True)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Logger of the library in the state before the first flow run."""
    library = logging.getLogger(LIBRARY)
    level, handlers = library.level, library.handlers[:]
    library.setLevel(logging.NOTSET)
    for handler in handlers:
        library.removeHandler(handler)
    yield library
    library.setLevel(level)
    library.handlers[:] = handlers


def put_item_with_invalid_checksum(origin: Origin) -> str:
    """Put an item with an asset with an invalid checksum on the origin."""
    document = item_document(origin, "a")
    document["assets"]["a"]["file:checksum"] = "no-multihash"
    return origin.put("/item.json", json.dumps(document).encode())


async def test_library_logs_are_sent_to_their_flow_run(
    origin: Origin, tmp_path: Path, logger: logging.Logger
) -> None:
    href = put_item_with_invalid_checksum(origin)
    first = await flows.download_item(href, str(tmp_path / "1"), return_state=True)
    second = await flows.download_item(href, str(tmp_path / "2"), return_state=True)
    for state in (first, second):
        (log,) = await read_logs(state, LIBRARY, 1)
        assert (log.level, log.name) == (logging.WARNING, "stac_asset.notices")
        assert "'no-multihash' of asset 'a' of item 'the-item'" in log.message


async def test_configured_logger_level_is_respected(
    origin: Origin, tmp_path: Path, logger: logging.Logger
) -> None:
    logger.setLevel(logging.ERROR)
    href = put_item_with_invalid_checksum(origin)
    state = await flows.download_item(href, str(tmp_path), return_state=True)
    await read_logs(state, "prefect.flow_runs", 3)
    await read_logs(state, LIBRARY, 0)


async def read_warnings(state: State[Any], count: int) -> list[str]:
    """Return the warnings in the log of a flow run."""
    logs = await read_logs(state, "prefect.flow_runs", count, logging.WARNING)
    assert {log.level for log in logs} == {logging.WARNING}
    return sorted(log.message for log in logs)


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_warn_logs_each_failed_asset(
    origin: Origin, tmp_path: Path, granularity: Granularity
) -> None:
    document = item_document(origin, "a", "b")
    document["assets"]["local"] = {"href": "file:///etc/hostname"}
    origin.remove("/b.tif")
    href = origin.put("/item.json", json.dumps(document).encode())
    state = await flows.download_item(href, str(tmp_path), OPTIONS, granularity, return_state=True)
    assert state.name == "CompletedWithWarnings"
    first, second = await read_warnings(state, 2)
    missing = origin.href("/b.tif")
    assert first == (
        f"DownloadWarning: asset 'b' of item 'the-item': 404 Not Found for {missing}. Update the "
        "item, because the file was moved or removed."
    )
    assert second.startswith(
        "DownloadWarning: asset 'local' of item 'the-item': remote item references local file "
    )


async def test_warn_logs_at_most_20_failed_assets(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = [f"k{number:02d}" for number in range(25)]
    href = make_item(origin, *keys)
    for key in keys:
        origin.remove(f"/{key}.tif")
    state = await flows.download_item(href, str(tmp_path), OPTIONS, "batch", return_state=True)
    report = tmp_path / "the-item.report.ndjson"
    rest, *shown = await read_warnings(state, 21)
    assert rest == f"5 more assets failed. See the report {report}."
    # All assets failed, so no document was written, and the log names the report in its place.
    assert not (tmp_path / "the-item.json").exists()
    assert f"0 downloaded, 0 skipped, 25 failed: {report}" in caplog.messages
    assert len({line.partition(":")[0] for line in shown}) == 1
    checked = await flows.check_assets(href, OPTIONS, "batch", return_state=True)
    rest, *shown = await read_warnings(checked, 21)
    assert rest == "5 more assets failed."
    assert all("404 Not Found" in line for line in shown)


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_failed_asset_is_logged_as_one_warning_with_advice(
    origin: Origin, tmp_path: Path, granularity: Granularity, caplog: pytest.LogCaptureFixture
) -> None:
    href = make_item(origin, "a", "b")
    origin.remove("/a.tif")
    options = OPTIONS.model_copy(update={"warn": False})
    state = await flows.download_item(href, str(tmp_path), options, granularity, return_state=True)
    assert state.is_failed()
    runs = [record for record in caplog.records if record.name.startswith("prefect.")]
    (warning,) = [one.getMessage() for one in runs if one.levelno == logging.WARNING]
    assert "asset 'a' of item 'the-item': 404 Not Found for http://127.0.0.1" in warning
    assert warning.endswith(". Update the item, because the file was moved or removed.")
    lines = [one.getMessage() for one in runs if one.levelno == logging.INFO]
    assert not any("the-item/b" in line or "bytes in" in line for line in lines)
    batches = [line for line in lines if line.startswith("Batch of ")]
    assert len(batches) == (granularity == "batch")
    assert all("1 downloaded, 0 skipped, 1 failed" in line for line in batches)


def test_handler_is_attached_once(logger: logging.Logger) -> None:
    send_library_logs()
    send_library_logs()
    assert [type(handler) for handler in logger.handlers] == [APILogHandler]
    assert logger.level == logging.INFO


def test_existing_api_handler_is_not_duplicated(logger: logging.Logger) -> None:
    logger.addHandler(APILogHandler())
    send_library_logs()
    assert len(logger.handlers) == 1


def test_log_outside_of_run_causes_no_warning(logger: logging.Logger) -> None:
    send_library_logs()
    # A handler of Prefect would warn about the missing run. The tests treat warnings as errors.
    logger.warning("outside of a run")


async def test_each_failed_asset_is_logged_in_one_record_without_traceback(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    href = make_item(origin, "a", "b")
    for key in "ab":
        origin.fault(f"/{key}.tif", Status(401), times=0)
    options = OPTIONS.model_copy(update={"warn": False})
    state = await flows.download_item(href, str(tmp_path), options, return_state=True)
    assert state.is_failed()
    reasons = [
        f"asset '{key}' of item 'the-item': 401 Unauthorized for {origin.href(f'/{key}.tif')}: "
        f"configure a credential for http://127.0.0.1:{origin.port}, or renew it: an HTTP or "
        "OAuth2 block, `oauth2_grant` or `http_headers`"
        for key in "ab"
    ]
    errors = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert not any(one.exc_info for one in errors)
    of_tasks = [one.getMessage() for one in errors if one.name == "prefect.task_runs"]
    assert len(of_tasks) == 2
    for reason in reasons:
        assert [text for text in of_tasks if reason in text]
    (first, _) = [one.getMessage() for one in errors if one.name == "prefect.flow_runs"]
    assert sorted(first.splitlines()) == sorted(
        [
            "Encountered exception during execution: DownloadError: 2 of 2 assets failed",
            *(f"- {reason}" for reason in reasons),
        ]
    )


@pytest.mark.parametrize("name", ["prefect.flow_runs", "prefect.task_runs"])
@pytest.mark.parametrize("error", [ValueError("x"), UnexpectedError("x")])
def test_unknown_errors_keep_their_traceback(name: str, error: Exception) -> None:
    send_library_logs()
    record = logging.makeLogRecord({"exc_info": (type(error), error, None)})
    assert logging.getLogger(name).filter(record)
    assert record.exc_info is not None


def test_refused_parameters_are_logged_to_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = "591f3a48-8321-40e6-8476-e48d8c758ed2"
    parameters = {"source": "item.json", "directory": "d", "options": {"inclde": ["a"]}}
    for current in (None, run_id):
        if current:
            monkeypatch.setenv("PREFECT__FLOW_RUN_ID", current)
        with pytest.raises(ParameterTypeError, match=r"options\.inclde") as info:
            flows.download_item.validate_parameters(parameters)
    (record,) = caplog.records
    assert record.getMessage() == str(info.value)
    assert (record.name, vars(record)["flow_run_id"]) == ("prefect.flow_runs", run_id)


def test_unknown_parameter_of_a_run_is_logged_with_the_nearest_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Prefect's engine refuses the names before the validation of the flow."""
    given = {"source": "item.json", "directory": "d", "option": {"token": "s3same"}, "other": 1}
    for parameters in (given, {"x]": None}):
        run = FlowRun(flow_id=uuid4(), parameters=parameters)
        logger = flow_run_logger(run)
        with pytest.raises(SignatureMismatchError):
            run_flow(flows.download_item, flow_run=run, error_logger=logger)
    record, with_bracket = caplog.records
    assert record.exc_info is None
    assert record.getMessage() == (
        "Invalid parameters: option: unknown parameter. The nearest name is `options`; "
        "other: unknown parameter"
    )
    assert with_bracket.exc_info is not None
    assert "s3same" not in caplog.text
