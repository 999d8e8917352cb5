"""The library's log in the log of the run, read back from a real Prefect server."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging.handlers import APILogHandler

import flows
from flows.logs import LIBRARY, send_library_logs
from stac_asset.testing import Origin
from tests.flows.reading import read_logs
from tests.make_item import item_document


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The library's logger, as it is before any flow ran."""
    found = logging.getLogger(LIBRARY)
    level, handlers = found.level, found.handlers[:]
    found.setLevel(logging.NOTSET)
    for handler in handlers:
        found.removeHandler(handler)
    yield found
    found.setLevel(level)
    found.handlers[:] = handlers


def put_unverifiable(origin: Origin) -> str:
    """Puts an item on the origin of whose asset the library warns."""
    document = item_document(origin, "a")
    document["assets"]["a"]["file:checksum"] = "no-multihash"
    return origin.put("/item.json", json.dumps(document).encode())


async def test_library_logs_are_in_the_log_of_their_run(
    origin: Origin, tmp_path: Path, logger: logging.Logger
) -> None:
    href = put_unverifiable(origin)
    first = await flows.download_item(href, str(tmp_path / "1"), return_state=True)
    second = await flows.download_item(href, str(tmp_path / "2"), return_state=True)
    for state in (first, second):
        (log,) = await read_logs(state, LIBRARY, 1)
        assert (log.level, log.name) == (logging.WARNING, "stac_asset.plan")
        assert "asset 'a' of item 'the-item' can't be verified" in log.message


async def test_level_of_the_librarys_logger_holds(
    origin: Origin, tmp_path: Path, logger: logging.Logger
) -> None:
    logger.setLevel(logging.ERROR)
    href = put_unverifiable(origin)
    state = await flows.download_item(href, str(tmp_path), return_state=True)
    await read_logs(state, "prefect.flow_runs", 3)
    await read_logs(state, LIBRARY, 0)


def test_handler_is_attached_once(logger: logging.Logger) -> None:
    send_library_logs()
    send_library_logs()
    assert [type(handler) for handler in logger.handlers] == [APILogHandler]
    assert logger.level == logging.INFO


def test_handler_of_prefects_own_setting_is_enough(logger: logging.Logger) -> None:
    logger.addHandler(APILogHandler())
    send_library_logs()
    assert len(logger.handlers) == 1


def test_what_is_logged_outside_of_a_run_is_left_alone(logger: logging.Logger) -> None:
    send_library_logs()
    logger.warning("nobody's")  # Prefect would warn of it, and warnings are errors here.
