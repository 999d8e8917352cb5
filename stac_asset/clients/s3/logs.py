"""Internal: log records of botocore without secrets."""

from __future__ import annotations

import logging

_LOGGERS_OF_CREDENTIALS = tuple(
    f"{package}.{module}"
    for package in ("botocore", "aiobotocore")
    for module in ("credentials", "tokens", "utils", "httpsession", "endpoint")
)
"""Loggers of the modules that request credentials, which log errors with tracebacks."""


def limit_botocore_logging() -> None:
    """Set botocore's loggers to INFO, because DEBUG records contain signatures and session tokens.

    A level that is set for the loggers `botocore` and `aiobotocore` themselves is kept.
    """
    for name in ("botocore", "aiobotocore"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
    for name in _LOGGERS_OF_CREDENTIALS:
        # Adding the same filter twice has no effect.
        logging.getLogger(name).addFilter(_remove_exception)


def _remove_exception(record: logging.LogRecord) -> bool:
    """Remove the traceback of a log record. Texts of services may repeat secrets of a request."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.msg = f"{record.getMessage()} ({type(error).__name__})"
        record.args = ()
    record.exc_info = record.exc_text = None
    return True
