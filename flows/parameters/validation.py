"""Checks what a flow is given, and says what is refused, and why, without ever saying its value.

Prefect's own check logs all parameters as they are, and so do its errors. Somebody may have put a
secret where none belongs, and an href may be signed.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from functools import cache
from typing import Any, get_type_hints

from prefect import State
from prefect.exceptions import ParameterBindError, ParameterTypeError
from prefect.futures import PrefectFuture
from prefect.settings import get_current_settings
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from stac_asset import Config
from stac_asset.errors import ConfigError, SourceError

CREDENTIALS = "credentials"
"""The parameter that is checked elsewhere, for it takes blocks alone."""

SOURCE = "source"
"""The parameter that may be the text of a whole document."""

_SECRETS = {field.name for field in dataclasses.fields(Config) if not field.repr}
_SHOWN = 5
"""How many reasons a sentence gives."""


def bound(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Returns the parameters of a call by their names, with the defaults of the others.

    Args:
        function: The flow's function.
        args: What was given by position.
        kwargs: What was given by name.

    Raises:
        ParameterBindError: The function cannot be called so.
    """
    try:
        found = inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterBindError(f"{function.__name__}: {error}") from None
    found.apply_defaults()
    return dict(found.arguments)


def validated(function: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters as the function takes them, all but the credentials.

    Args:
        function: The flow's function.
        parameters: What was given.

    Raises:
        ParameterTypeError: Some are not what the function takes.
    """
    found = _checked(function, parameters)
    if isinstance(found, BaseModel):
        return {name: getattr(found, name) for name in type(found).model_fields}
    reasons = "; ".join(_reason(error) for error in found[:_SHOWN])
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ParameterTypeError(f"{function.__name__} got wrong parameters: {reasons}{more}")


def stored(function: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters with the type of each that is refused in its place.

    Args:
        function: The flow's function.
        parameters: What was given.
    """
    found = _checked(function, parameters)
    refused = set[object]()
    if not isinstance(found, BaseModel):
        refused = {error["loc"][0] for error in found}
    return {
        name: f"<{type(value).__name__}>"
        if name in refused and not isinstance(value, PrefectFuture | State)
        else value
        for name, value in parameters.items()
    }


def check_size(serialized: dict[str, Any]) -> None:
    """Makes sure that Prefect's server takes parameters of this size.

    Args:
        serialized: The parameters as the server gets them.

    Raises:
        SourceError: The source is too large.
        ConfigError: Another parameter is.
    """
    limit = get_current_settings().server.api.max_parameter_size
    size = _size(serialized)
    if not limit or size <= limit:
        return
    largest = max(serialized, key=lambda name: _size(serialized[name]))
    text = (
        f"{largest} is {_size(serialized[largest]):,} bytes as Prefect counts them, in ASCII with "
        f"quotes escaped, and all parameters of a flow run have at most {limit:,}: "
    )
    if largest == SOURCE:
        raise SourceError(f"{text}write it to a file or a store, and pass its href")
    raise ConfigError(f"{text}make it smaller")


def _size(value: Any) -> int:
    # As Prefect's server counts it: in ASCII, with quotes and all other characters escaped.
    return len(json.dumps(value, separators=(",", ":")))


def _checked(
    function: Callable[..., Any], parameters: dict[str, Any]
) -> BaseModel | list[dict[str, Any]]:
    """Returns the parameters as a model, or what is wrong with them."""
    given = {name: value for name, value in parameters.items() if name != CREDENTIALS}
    try:
        return _model(function).model_validate(given)
    except ValidationError as error:
        # The error itself holds the values, so it goes no further.
        return [dict(one) for one in error.errors(include_context=False, include_input=False)]


@cache
def _model(function: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if one.default is inspect.Parameter.empty else one.default)
        for name, one in inspect.signature(function).parameters.items()
        if name != CREDENTIALS
    }
    return create_model("Parameters", __config__=ConfigDict(extra="forbid"), **fields)


def _reason(error: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in error["loc"])[:100]
    if error["loc"][-1] in _SECRETS:
        return (
            f"{name} is a secret, and parameters are stored as plain text: save it as a block, "
            f"and pass that as `{CREDENTIALS}`"
        )
    if error["type"] == "extra_forbidden":
        return f"{name}: there is no such parameter"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"
