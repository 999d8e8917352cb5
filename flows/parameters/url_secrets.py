"""Secrets in URLs among the parameters of a flow, such as passwords and signatures.

Prefect stores parameters in plain text and shows them in the UI, so such URLs are refused. A call
from Python and a deployment of `prefect.yaml` are refused before Prefect stores anything. The
parameters of other runs, such as those from the UI, are stored before this code runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from prefect.context import FlowRunContext
from prefect.exceptions import ParameterTypeError
from pydantic import BaseModel

from stac_asset.redact import secret_parts

_MAX_PARTS = 3
"""Maximum number of parts of a URL that an error names."""

_SOURCES = ("source", "share")
"""Names of parameters that are read with the blocks in `credentials`."""


def refused_urls(values: Any, loc: tuple[str | int, ...] = ()) -> Iterator[dict[str, Any]]:
    """Yield an error, in the form of pydantic's errors, for each URL that contains a secret.

    Args:
        values: A value of a parameter, or parameters by name: texts, numbers, lists, dictionaries
            and models.
        loc: The place of the value in the parameters.
    """
    if isinstance(values, str):
        parts = secret_parts(values)
        if parts:
            yield {"loc": loc, "type": "secret_in_url", "msg": _text(parts, loc)}
        return
    if isinstance(values, BaseModel):
        values = values.__dict__
    entries: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(values, Mapping):
        entries = iter(values.items())
    elif isinstance(values, list | tuple):
        entries = iter(enumerate(values))
    for name, value in entries:
        yield from refused_urls(value, (*loc, name))


def check_deployed_urls(arguments: Mapping[str, Any]) -> None:
    """Check that a deployment stores no URL with a secret.

    Args:
        arguments: The keyword arguments of `Flow.to_deployment` or a similar method.

    Raises:
        ParameterTypeError: A parameter of the deployment or of a schedule is such a URL.
    """
    schedules = [arguments.get("schedule"), *(arguments.get("schedules") or ())]
    for given in (arguments, *schedules):
        is_mapping = isinstance(given, Mapping)
        parameters = given.get("parameters") if is_mapping else getattr(given, "parameters", None)
        for error in refused_urls(parameters):
            place = ".".join(map(str, error["loc"]))
            raise ParameterTypeError(f"`parameters`: {place}: {error['msg']}")


def is_stored() -> bool:
    """Return whether Prefect stored the parameters of the current run before the run started.

    A run that a worker or a served flow executes was created with its parameters before. A flow
    that is called in Python, also within another flow run, has not stored them yet.
    """
    return bool(os.environ.get("PREFECT__FLOW_RUN_ID")) and FlowRunContext.get() is None


def _text(parts: list[str], loc: tuple[str | int, ...]) -> str:
    shown = ", ".join(dict.fromkeys(parts[:_MAX_PARTS]))
    if loc[:1] == ("options",):
        cure = "remove it from the URL"
    else:
        block = "credentials" if loc[:1] and loc[0] in _SOURCES else "destination_credentials"
        cure = f"remove it from the URL, and pass a saved block that grants access as `{block}`"
    return (
        f"the URL contains a secret ({shown}), and Prefect stores parameters in plain text: {cure}"
    )
