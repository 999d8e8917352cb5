"""Prints log records of the library on standard error. All commands use this module."""

from __future__ import annotations

import logging

from stac_asset.cli.output import print_message, print_problem


def show_library_logs(level: str = "WARNING") -> None:
    """Print log records of the library on standard error, with the names of the command line.

    Args:
        level: The minimum level of the records.
    """
    logger = logging.getLogger("stac_asset")
    for handler in [one for one in logger.handlers if isinstance(one, _Handler)]:
        logger.removeHandler(handler)
    logger.addHandler(_Handler(level))
    logger.propagate = False
    if logger.getEffectiveLevel() > (number := logging.getLevelNamesMapping()[level]):
        logger.setLevel(number)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            print_problem(record.getMessage(), is_error=False)
        else:
            print_message(f"{record.levelname.lower()}: {record.getMessage()}")
