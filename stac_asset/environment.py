"""Internal: read the fields of `Config` from environment variables and `.env` files.

The order of precedence is:

1. arguments of `Settings.load` and `Config.from_env`
2. environment variables: `STAC_ASSET_` and the field's name, such as `STAC_ASSET_S3_REGION_NAME`
3. the file `.env` in the working directory, with the same names
4. the defaults of `Config`

`EARTHDATA_PAT` is used if `STAC_ASSET_EARTHDATA_TOKEN` is not set. Empty variables are ignored.
Unknown variables that start with `STAC_ASSET_` are refused, because they are usually typos. Lists
are comma-separated (`STAC_ASSET_INCLUDE=B04,B08`) or JSON, dictionaries are JSON,
and enumerations are written as names (`KEY`, `delete`).
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_origin, get_type_hints

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    ValidationError,
    create_model,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stac_asset.config_fields import ConfigFields, field_descriptions
from stac_asset.errors import ConfigError
from stac_asset.errors.nearest_name import nearest_name

PREFIX = "STAC_ASSET_"
"""Prefix of the environment variables."""

_ALIASES = {"earthdata_token": (f"{PREFIX}EARTHDATA_TOKEN", "EARTHDATA_PAT")}
"""Fields with additional variables, in order of precedence."""


def _list(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        # The original message is dropped, because it may quote a secret.
        raise ValueError("value should be valid JSON") from None


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _member(kind: type[Enum]) -> BeforeValidator:
    def member(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return kind[value.strip().upper()]
        except KeyError:
            raise ValueError(f"value should be one of {', '.join(kind.__members__)}") from None

    return BeforeValidator(member)


def parsed_from_text(hint: Any) -> Any:
    """Return a type that also accepts the text of an environment variable.

    Args:
        hint: The type of a field.
    """
    if get_origin(hint) is list:
        return Annotated[hint, NoDecode, BeforeValidator(_list)]
    if get_origin(hint) is dict:
        return Annotated[hint, NoDecode, BeforeValidator(_json)]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Annotated[hint, _member(hint)]
    if get_origin(hint) is Literal:
        return Annotated[hint, BeforeValidator(_lower)]
    return hint


def _fields() -> dict[str, Any]:
    """Return the fields of `Config` in the form of pydantic's `create_model`."""
    hints = get_type_hints(ConfigFields)
    descriptions = field_descriptions()
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(ConfigFields):
        options: dict[str, Any] = {
            "description": descriptions.get(field.name),
            "repr": field.repr,
        }
        if field.default_factory is not dataclasses.MISSING:
            options["default_factory"] = field.default_factory
        else:
            options["default"] = field.default
        if field.name in _ALIASES:
            options["validation_alias"] = AliasChoices(*_ALIASES[field.name])
        fields[field.name] = (parsed_from_text(hints[field.name]), Field(**options))
    return fields


if TYPE_CHECKING:
    _BaseFields = BaseSettings
else:
    _BaseFields = create_model("_BaseFields", __base__=BaseSettings, **_fields())


class EnvironmentFields(_BaseFields):
    """The fields of `Config`, read from the environment when an instance is created."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment.

        Args:
            overrides: Values of fields, which take precedence over the environment.

        Raises:
            ConfigError: A variable or an override has an invalid value, or there is no such field.
        """
        for name in overrides:
            if name not in cls.model_fields:
                raise ConfigError(
                    f"'{name}' is not a configuration field.{nearest_name(name, cls.model_fields)}"
                )
        check_environment()
        try:
            _check_names(dotenv_values(".env", encoding="utf-8"), "in the file .env ")
            return cls(**overrides)
        except ValidationError as error:
            raise ConfigError(_error_text(error, overrides)) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ConfigError(f"the file .env cannot be read: {reason}") from None

    def values(self) -> dict[str, Any]:
        """Return the values of all fields by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(ConfigFields)}


def check_environment() -> None:
    """Check the names of the environment variables that start with `STAC_ASSET_`.

    Raises:
        ConfigError: There is no field for a variable.
    """
    _check_names(os.environ)


def field_variables() -> list[str]:
    """Return the environment variables of fields that are set and not empty."""
    known = _variables()
    return [name for name, value in os.environ.items() if value and name.upper() in known]


def variables_of_fields() -> dict[str, str]:
    """Return the fields that a variable sets, each with the variable and its place.

    Raises:
        ConfigError: The file `.env` cannot be read.
    """
    try:
        in_file = dotenv_values(".env", encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError("the file .env cannot be read. Correct or remove the file.") from None
    places: list[tuple[Mapping[str, str | None], str]] = [
        (os.environ, "environment variable {}"),
        (in_file, "{} in the file .env"),
    ]
    found: dict[str, str] = {}
    for field in dataclasses.fields(ConfigFields):
        names = _ALIASES.get(field.name, (f"{PREFIX}{field.name.upper()}",))
        for variables, text in places:
            set_names = {name.upper() for name, value in variables.items() if value}
            first = next((name for name in names if name in set_names), None)
            if first is not None:
                found[field.name] = text.format(first)
                break
    return found


def _variables() -> frozenset[str]:
    return frozenset(f"{PREFIX}{field.name.upper()}" for field in dataclasses.fields(ConfigFields))


def _check_names(variables: Mapping[str, str | None], where: str = "") -> None:
    for name, value in variables.items():
        if value and name.upper().startswith(PREFIX) and name.upper() not in _variables():
            known = [variable.removeprefix(PREFIX) for variable in _variables()]
            nearest = nearest_name(name.upper().removeprefix(PREFIX), known, PREFIX)
            raise ConfigError(
                f"Variable `{name}` {where}is not the name of an option.{nearest} Correct or "
                "remove the variable."
            )


def _error_text(error: ValidationError, overrides: dict[str, Any]) -> str:
    """Return the error text for the first invalid field, without the value."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    name = str(first["loc"][0])
    reason = first["msg"].removeprefix("Value error, ")
    if name not in overrides and not name.startswith(PREFIX):
        name = f"{PREFIX}{name}"
    return f"`{name if name in overrides else name.upper()}` is not valid: {reason}"
