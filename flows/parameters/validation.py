"""Validate the parameters of a flow, with errors that never contain values.

Prefect's own validation writes the values to the log and to its errors. A value may be a secret in
the wrong parameter, or a signed href.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

from prefect import State
from prefect.exceptions import ParameterBindError, ParameterTypeError
from prefect.futures import PrefectFuture
from prefect.settings import get_current_settings
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from prefect_stac_asset.flows.parameters.form import WithoutEffect
from prefect_stac_asset.flows.parameters.model_errors import (
    LIST_TYPES,
    SECRETS,
    merged_errors,
    nearest_option,
)
from prefect_stac_asset.flows.parameters.url_secrets import is_stored, refused_urls
from stac_asset.errors import ConfigError, SourceError

CREDENTIALS = "credentials"
"""Name of the parameter with credential blocks. `AssetFlow` validates this parameter."""

DESTINATION_CREDENTIALS = "destination_credentials"
"""Name of the parameter with the block of the destination. `AssetFlow` validates this parameter."""

MIRROR = "mirror"
"""Name of the parameter with a block that replaces the others. `AssetFlow` validates it."""

BLOCKS = (CREDENTIALS, DESTINATION_CREDENTIALS, MIRROR)
"""Names of the parameters that are blocks."""

OPTIONS = "options"
"""Name of the parameter with the options of a download."""

SOURCE = "source"
"""Name of the parameter that may contain the text of a document."""

_MAX_REASONS = 5
"""Maximum number of reasons in an error message."""


def bound_parameters(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return the parameters of a call by name, including defaults.

    Args:
        function: The flow's function.
        args: The positional arguments.
        kwargs: The keyword arguments.

    Raises:
        ParameterBindError: The arguments do not fit the signature of the function.
    """
    try:
        found = inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterBindError(f"{function.__name__}: {error}") from None
    found.apply_defaults()
    return dict(found.arguments)


def validated_parameters(
    function: Callable[..., Any], parameters: dict[str, Any]
) -> dict[str, Any]:
    """Return the parameters, validated and converted, without the blocks.

    Args:
        function: The flow's function.
        parameters: The parameters of a run.

    Raises:
        ParameterTypeError: At least one parameter is not valid.
    """
    found = _checked(function, parameters)
    if isinstance(found, BaseModel):
        return {name: getattr(found, name) for name in type(found).model_fields}
    errors = merged_errors(found, _model(function))
    reasons = "; ".join(_reason(error, function) for error in errors[:_MAX_REASONS])
    more = f", and {len(errors) - _MAX_REASONS} more" if len(errors) > _MAX_REASONS else ""
    text = f"Invalid parameters for {function.__name__}: {reasons}{more}"
    if is_stored() and any(error["type"] == "secret_in_url" for error in found):
        text += ". The stored parameters of this run show the secret, so replace it at its provider"
    raise ParameterTypeError(text)


@cache
def refused_options(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the options of which a flow accepts the default only.

    Args:
        function: The flow's function.
    """
    annotation = get_type_hints(function, include_extras=True)[OPTIONS]
    found = [one for one in get_args(annotation) if isinstance(one, WithoutEffect)]
    return frozenset(name for one in found for name in one.refused)


def storable_parameters(function: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters, with the name of the type in place of each invalid value.

    Args:
        function: The flow's function.
        parameters: The parameters of a run.
    """
    found = _checked(function, parameters)
    invalid = set[object]()
    if not isinstance(found, BaseModel):
        invalid = {error["loc"][0] for error in found}
    return {
        name: f"<{type(value).__name__}>"
        if name in invalid and not isinstance(value, PrefectFuture | State)
        else value
        for name, value in parameters.items()
    }


def check_size(serialized: dict[str, Any]) -> None:
    """Check that the parameters do not exceed the size limit of Prefect's server.

    Args:
        serialized: The parameters as they are sent to the server.

    Raises:
        SourceError: The parameters are too large, and `source` is the largest.
        ConfigError: The parameters are too large, and another parameter is the largest.
    """
    limit = get_current_settings().server.api.max_parameter_size
    size = _size(serialized)
    if not limit or size <= limit:
        return
    largest = max(serialized, key=lambda name: _size(serialized[name]))
    text = (
        f"Parameter `{largest}` has {_size(serialized[largest]):,} bytes as ASCII JSON. Prefect "
        f"accepts at most {limit:,} bytes for all parameters of a flow run. "
    )
    if largest == SOURCE:
        raise SourceError(
            f"{text}Write the document to a file or an object store and pass its href."
        )
    raise ConfigError(f"{text}Pass a smaller value.")


def _size(value: Any) -> int:
    # Prefect's server measures the JSON in ASCII, with all other characters escaped.
    return len(json.dumps(value, separators=(",", ":")))


def _checked(
    function: Callable[..., Any], parameters: dict[str, Any]
) -> BaseModel | list[dict[str, Any]]:
    """Return the parameters as a model, or the list of validation errors."""
    values = {name: value for name, value in parameters.items() if name not in BLOCKS}
    try:
        found = _model(function).model_validate(values)
    except ValidationError as error:
        # The error contains the values, so it is not raised.
        invalid = [dict(one) for one in error.errors(include_context=False, include_input=False)]
        return [*invalid, *refused_urls(values)]
    return list(refused_urls(found)) or found


@cache
def _model(function: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if one.default is inspect.Parameter.empty else one.default)
        for name, one in inspect.signature(function).parameters.items()
        if name not in BLOCKS
    }
    return create_model("Parameters", __config__=ConfigDict(extra="forbid"), **fields)


def _reason(error: dict[str, Any], function: Callable[..., Any]) -> str:
    name = ".".join(str(part) for part in error["loc"])[:100]
    if error["loc"][-1] in SECRETS:
        is_destination = str(error["loc"][-1]).startswith("destination_")
        parameter = DESTINATION_CREDENTIALS if is_destination else CREDENTIALS
        return (
            f"`{name}` is a secret, and Prefect stores parameters in plain text: save a block with "
            f"the secret and pass the block as `{parameter}`"
        )
    if error["type"] == "extra_forbidden":
        nearest = nearest_option(error["loc"], _model(function)).rstrip(".")
        return f"{name}: unknown parameter.{nearest}" if nearest else f"{name}: unknown parameter"
    if error["type"] in LIST_TYPES:
        return f"{name}: must be a list"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"
