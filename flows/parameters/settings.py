"""Defaults of options from Prefect's settings: `PREFECT_INTEGRATIONS_STAC_ASSET_…`.

The sources are those of the settings of other integrations, in this order:

1. environment variables
2. the file `.env`
3. the table `integrations.stac_asset` of `prefect.toml`
4. the table `tool.prefect.integrations.stac_asset` of `pyproject.toml`
5. the profile of Prefect

An option that a run sets has priority. Flows read no variables `STAC_ASSET_…`, and the library
reads no settings of Prefect.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextvars import ContextVar
from copy import copy
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from prefect.settings.base import PrefectBaseSettings, build_settings_config
from pydantic import BeforeValidator, ValidationError, create_model

from prefect_stac_asset.flows.parameters.options import DownloadOptions
from stac_asset.environment import parsed_from_text
from stac_asset.errors import ConfigError
from stac_asset.errors.nearest_name import nearest_name

PREFIX = "PREFECT_INTEGRATIONS_STAC_ASSET_"
"""Prefix of the environment variables."""


_applied: ContextVar[tuple[str, ...]] = ContextVar("_applied", default=())


def with_settings(
    options: DownloadOptions | None, refused: Collection[str] = ()
) -> DownloadOptions | None:
    """Return the options of a run, with Prefect's settings in place of options that are not set.

    Args:
        options: The options of the run.
        refused: Names of options that the flow refuses. Their settings are ignored.

    Raises:
        ConfigError: A setting has no option of its name, or an invalid value.
    """
    given = options.model_fields_set if options is not None else frozenset()
    settings = {
        name: value
        for name, value in read_settings().items()
        if name not in given and name not in refused
    }
    _applied.set(tuple(sorted(settings)))
    if not settings:
        return options
    return (options or DownloadOptions()).model_copy(update=settings)


def applied_settings() -> list[str]:
    """Return the environment variables of the settings that the current run uses."""
    return [f"{PREFIX}{name.upper()}" for name in _applied.get()]


def read_settings() -> dict[str, Any]:
    """Return the options that Prefect's settings set.

    Raises:
        ConfigError: A setting has no option of its name, or an invalid value.
    """
    _check_names()
    try:
        settings = _settings_class()()
    except ValidationError as error:
        raise ConfigError(_error_text(error)) from None
    return {name: getattr(settings, name) for name in settings.model_fields_set}


def _check_names() -> None:
    known = DownloadOptions.model_fields
    for variable, value in os.environ.items():
        name = variable.upper().removeprefix(PREFIX).lower()
        if value and variable.upper().startswith(PREFIX) and name not in known:
            nearest = nearest_name(name.upper(), [one.upper() for one in known], PREFIX)
            raise ConfigError(
                f"Variable `{variable}` is not the name of an option of flows.{nearest} Correct or "
                "remove the variable. For secrets, save a block."
            )


@cache
def _settings_class() -> type[PrefectBaseSettings]:
    fields: dict[str, Any] = {
        name: (_from_text(field.annotation), copy(field))
        for name, field in DownloadOptions.model_fields.items()
    }
    base = type(
        "_Base",
        (PrefectBaseSettings,),
        {
            "model_config": {
                **build_settings_config(("integrations", "stac_asset")),
                "env_ignore_empty": True,
                "hide_input_in_errors": True,
            }
        },
    )
    return create_model("StacAssetSettings", __base__=base, **fields)


def _from_text(hint: Any) -> Any:
    """Return a type that also accepts text, with choices in any case."""
    if get_origin(hint) is Literal:
        choices = {choice.lower(): choice for choice in get_args(hint)}
        return Annotated[
            hint,
            BeforeValidator(
                lambda value: choices.get(value.lower(), value) if isinstance(value, str) else value
            ),
        ]
    return parsed_from_text(hint)


def _error_text(error: ValidationError) -> str:
    """Return the error text for the first invalid setting, without the value."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    name = str(first["loc"][0]).upper() if first["loc"] else ""
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"Setting `{PREFIX}{name}` is not valid: {reason}. Correct the setting."
