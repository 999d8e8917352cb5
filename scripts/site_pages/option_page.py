"""The page of all fields of `Config`."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any, get_type_hints

import click
from pydantic import AliasChoices

from prefect_stac_asset import DownloadOptions
from scripts.site_pages.markdown import code, table, text_cell
from stac_asset import Config
from stac_asset.cli.app import app
from stac_asset.config_fields import field_descriptions
from stac_asset.environment import EnvironmentFields

_INTRODUCTION = """# Options of a download

All functions of the library take a `Config` with these fields. Flows take the same fields, except
secrets, as `DownloadOptions`. An environment variable or a line in `.env` sets the default of
`Config.from_env()` and of the command line. Lists are separated by commas. Fields without an option
on the command line are set by their environment variable.

The first column has the field, its type and its default. The second column has the environment
variable, the option of the command line, and the title in the run form.

"""

_FLOWS = """
## Options of flows only

"""


def option_page() -> str:
    """Return the page."""
    return _INTRODUCTION + _library_table() + _FLOWS + _flow_table()


def _library_table() -> str:
    flags, titles = _flags(), _titles()
    descriptions, hints = field_descriptions(), get_type_hints(Config)
    rows = [
        (
            _lines(code(field.name), code(type_name(hints[field.name])), code(_default(field))),
            _lines(
                *map(code, _variables(field.name)),
                *map(code, flags.get(field.name, [])),
                titles.get(field.name, "not in the form: a secret" if not field.repr else ""),
            ),
            text_cell(descriptions[field.name]),
        )
        for field in dataclasses.fields(Config)
    ]
    columns = (
        _lines("field", "type", "default"),
        _lines("environment variable", "command line", "run form"),
        "description",
    )
    return table(columns, rows)


def _lines(*lines: str) -> str:
    """Return a cell with several lines. Empty lines are left out."""
    return "<br>".join(filter(None, lines))


def _flow_table() -> str:
    known = {field.name for field in dataclasses.fields(Config)}
    properties = DownloadOptions.model_json_schema()["properties"]
    rows = [
        (
            code(name),
            code(repr(schema.get("default"))),
            schema.get("title", ""),
            text_cell(schema.get("description", "")),
        )
        for name, schema in properties.items()
        if name not in known
    ]
    return table(("field", "default", "form", "description"), rows)


def _flags() -> dict[str, list[str]]:
    """Return the options of the command line, by field."""
    flags = {}
    for command in app.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name is not None:
                flags[parameter.name] = [*parameter.opts, *parameter.secondary_opts]
    return flags


def _variables(field: str) -> list[str]:
    """Return the environment variables of a field, in order of precedence."""
    alias = EnvironmentFields.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(name) for name in alias.choices]
    return [f"{EnvironmentFields.model_config['env_prefix']}{field}".upper()]


def _titles() -> dict[str, str]:
    """Return the titles in the run form, by field."""
    properties: dict[str, dict[str, Any]] = DownloadOptions.model_json_schema()["properties"]
    return {name: schema.get("title", "") for name, schema in properties.items()}


def type_name(kind: Any) -> str:
    """Return the name of a type.

    Args:
        kind: The type.
    """
    return (
        kind.__name__
        if isinstance(kind, type) and not hasattr(kind, "__origin__")
        else (str(kind).replace("typing.", "").replace("stac_asset.object_store.identity.", ""))
    )


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return repr(field.default_factory())
    return field.default.name if isinstance(field.default, Enum) else repr(field.default)
