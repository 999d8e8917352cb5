"""Send the log records of the library to the current flow or task run, and shorten those of errors.

Every flow, and every task with a session of its own, calls `send_library_logs` at its start.
"""

from __future__ import annotations

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_LEVEL

from prefect_stac_asset.flows.execution.error_logs import shorten_error_logs

LIBRARY = "stac_asset"
"""Name of the library's logger."""


def send_library_logs() -> None:
    """Send the library's log records to Prefect, from now on.

    Tracebacks of the library's errors are left out of the records of Prefect's engines.

    Records go to the flow or task run in which they are logged. Records logged outside of a run
    are not sent. The level is `PREFECT_LOGGING_LEVEL`, unless the library's logger has a level.

    A second call adds no second handler. Prefect itself adds such a handler to the loggers in
    `PREFECT_LOGGING_EXTRA_LOGGERS`. If the library's logger is one of them, that handler is used.
    """
    shorten_error_logs()
    logger = logging.getLogger(LIBRARY)
    if logger.level == logging.NOTSET:
        logger.setLevel(PREFECT_LOGGING_LEVEL.value())
    if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
        handler = APILogHandler()
        handler.addFilter(_is_in_run)
        logger.addHandler(handler)


def _is_in_run(record: logging.LogRecord) -> bool:
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None
