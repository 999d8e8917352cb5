"""Short log records for errors of this package.

Prefect's engines log each error with a traceback. The text of a `StacAssetError` names the asset,
the reason and what to do, so the traceback is left out. Task runs of single assets log failures
only. Other errors, and `UnexpectedError`, keep their traceback. An unknown parameter of a run is
answered with the nearest name.
"""

from __future__ import annotations

import ast
import logging
import re
from contextvars import ContextVar
from uuid import UUID

from prefect.exceptions import SignatureMismatchError
from prefect.logging.loggers import PrefectLogAdapter, get_logger
from prefect.runtime import flow_run

from prefect_stac_asset.flows.execution.failure_text import with_advice
from stac_asset.errors import StacAssetError, UnexpectedError
from stac_asset.errors.nearest_name import nearest_name

_FLOW_RUNS = "prefect.flow_runs"
_TASK_RUNS = "prefect.task_runs"

_ASSET_TASKS = frozenset({"check_asset_exists", "download_asset"})
"""Names of the tasks that each process a single asset."""

_last_error: ContextVar[StacAssetError | None] = ContextVar("last_error", default=None)
"""The error of the current task run, which the record of the final state does not have."""


def shorten_error_logs() -> None:
    """Leave out tracebacks of this package's errors in the logs of runs, from now on."""
    # `addFilter` does not add the same function twice.
    logging.getLogger(_FLOW_RUNS).addFilter(_shorten)
    logging.getLogger(_TASK_RUNS).addFilter(_is_needed)


def log_refused_parameters(flow_name: str, error: Exception) -> None:
    """Log an error of the validation of parameters to the current flow run, if any.

    Prefect's engine writes the error to the console only, because the run has not started yet.

    Args:
        flow_name: The name of the flow.
        error: The error.
    """
    run_id = flow_run.get_id()
    if run_id is None:
        return
    extra = {"flow_run_id": str(UUID(run_id)), "flow_run_name": flow_name, "flow_name": flow_name}
    PrefectLogAdapter(get_logger(_FLOW_RUNS), extra=extra).error("%s", error)


def _shorten(record: logging.LogRecord) -> bool:
    """Remove the traceback of a known error, and show the text of the error."""
    unknown = _unknown_parameters(record)
    if unknown:
        record.exc_info = None
        record.msg, record.args = "Invalid parameters: %s", ("; ".join(unknown),)
        return True
    error = _known_error(record)
    if error is not None:
        record.exc_info = None
        # The text of an error may have several lines, which `repr` would escape.
        text = f"{type(error).__name__}: {error}"
        record.msg, record.args = record.getMessage().replace(repr(error), text), ()
    return True


def _unknown_parameters(record: logging.LogRecord) -> list[str]:
    """Return a text for each unknown parameter of a run, if a record reports such parameters.

    Prefect compares the names with the signature of the flow before the validation, and its error
    contains both lists of names only as text.
    """
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, SignatureMismatchError):
        return []
    try:
        known, given = map(ast.literal_eval, re.findall(r"\[[^]]*]", str(error)))
    except (ValueError, SyntaxError):  # A name contains a bracket, or Prefect changed the text.
        return []
    unknown = {name: nearest_name(name, known) for name in given if name not in known}
    return [f"{name}: unknown parameter.{near}".rstrip(".") for name, near in unknown.items()]


def _is_needed(record: logging.LogRecord) -> bool:
    """Return whether a record of a task run is needed.

    Before the final state, the engine logs a known error with its traceback. This record is left
    out, because the record of the state has the same text. A successful asset has no record, unless
    the level is DEBUG. A failed asset is a warning with advice, because the run goes on.
    """
    error = _known_error(record)
    if error is not None:
        _last_error.set(error)
        return False
    if getattr(record, "task_name", None) not in _ASSET_TASKS:
        return True
    text = record.getMessage()
    if not text.startswith("Finished in state "):
        return True
    if record.levelno == logging.INFO:
        return logging.getLogger(_TASK_RUNS).isEnabledFor(logging.DEBUG)
    error = _last_error.get()
    if text.startswith("Finished in state Failed(") and error is not None:
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = with_advice(text, error), ()
    return True


def _known_error(record: logging.LogRecord) -> StacAssetError | None:
    error = record.exc_info[1] if record.exc_info else None
    return (
        error
        if isinstance(error, StacAssetError) and not isinstance(error, UnexpectedError)
        else None
    )
