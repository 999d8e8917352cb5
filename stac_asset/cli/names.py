"""Names of parameters in messages, as a user of the command line writes them.

Errors of the library name parameters and fields of `Config`, such as `client_override`. On the
command line, the name is `--client` or `STAC_ASSET_CLIENT_OVERRIDE`.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import shlex
import sys
from contextlib import suppress
from functools import cache

import click

from stac_asset.cli.options import config_options
from stac_asset.config import Config

_PARAMETER = re.compile(r"`(?:Config\.)?(?P<name>[a-z][a-z0-9_]*)(?:=(?P<value>[^`]*))?`")
"""A parameter in a message, such as `warn` or `make_directory=True`."""

_ELEMENT = re.compile(r"`(?P<name>[a-z][a-z0-9_]*)\.(?P<element>[^`]*)`")
"""An element of a field in a message, such as `http_headers.Accept`."""

_OTHERS = {
    "directory": "DIRECTORY",
    "file_name": "--file-name",
    "max_bytes": "--max-bytes",
    "max_items": "--max-items",
    "path_template": "--path-template",
    "report": "--report",
    "source": "SOURCE",
    "stream": "--stream",
}
"""Parameters of the commands that are not fields of `Config`."""

_SEARCH = {
    "collections": "--collection",
    "ids": "--id",
    "page_size": "--page-size",
} | {
    name: f"--{name}"
    for name in ("bbox", "datetime", "filter", "intersects", "overlap", "q", "query", "sortby")
}
"""Fields of the search of a mirror."""


def as_typed(text: str) -> str:
    """Return a message with the options and variables of the command line in place of parameters.

    Args:
        text: A message of the library.
    """
    return _ELEMENT.sub(_typed_element, _PARAMETER.sub(_typed, text))


def _typed(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    if name in _OTHERS:
        return f"`{_OTHERS[name]}`" if value is None else f"`{_OTHERS[name]} {value}`"
    if name not in _fields():
        return match.group()
    option = _options().get(name)
    variable = f"STAC_ASSET_{name.upper()}"
    if option is None or (value is None and _is_variable(option, variable)):
        return f"`{variable}`" if value is None else f"`{variable}={value}`"
    flag = _flag(option)
    if value is not None and value.startswith("["):
        with suppress(ValueError, SyntaxError):
            return f"`{' '.join(f'{flag} {shlex.quote(one)}' for one in ast.literal_eval(value))}`"
    if value is None or (option.is_bool_flag and value == "True"):
        return f"`{flag}`"
    if option.is_bool_flag and value == "False":
        return f"`{_flag(option, no=True)}`"
    return f"`{flag} {value}`"


def _typed_element(match: re.Match[str]) -> str:
    if match["name"] == "search" and match["element"] in _SEARCH:
        return f"`{_SEARCH[match['element']]}`"
    option = _options().get(match["name"])
    return match.group() if option is None else f"`{_flag(option)} {match['element']}`"


def _is_variable(option: click.Option, variable: str) -> bool:
    """Return whether the value of an option comes from an environment variable."""
    flags = (*option.opts, *option.secondary_opts)
    return bool(os.environ.get(variable)) and not any(
        word == flag or word.startswith(f"{flag}=") or (len(flag) == 2 and word.startswith(flag))
        for word in sys.argv[1:]
        for flag in flags
    )


def _flag(option: click.Option, no: bool = False) -> str:
    flags = option.secondary_opts if no else option.opts
    return next((flag for flag in flags if flag.startswith("--")), flags[0])


@cache
def _options() -> dict[str, click.Option]:
    @config_options
    def command() -> None:
        """Carry the options."""

    found = click.command()(command).params
    return {str(one.name): one for one in found if isinstance(one, click.Option)}


@cache
def _fields() -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(Config)) | _options().keys()
