"""Brings the library's log into the log of the flow run that it belongs to."""

from __future__ import annotations

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_LEVEL

LIBRARY = "stac_asset"
"""The name of the library's logger."""


def send_library_logs() -> None:
    """Sends what the library logs to the flow or task run around it, from now on.

    Prefect does that for the loggers that `PREFECT_LOGGING_EXTRA_LOGGERS` names; where the
    library's is among them, or this was called before, nothing changes. What is logged outside of
    a run is left alone. The level is that of Prefect's own logs, unless the library's logger has
    one.
    """
    logger = logging.getLogger(LIBRARY)
    if logger.level == logging.NOTSET:
        logger.setLevel(PREFECT_LOGGING_LEVEL.value())
    if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
        handler = APILogHandler()
        handler.addFilter(_is_in_run)
        logger.addHandler(handler)


def _is_in_run(record: logging.LogRecord) -> bool:
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None
