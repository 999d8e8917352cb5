"""The command `stac-asset config`. `stac_asset.cli.arguments.machine` parses the arguments."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from enum import Enum
from typing import Any

from stac_asset.cli.output import print_json
from stac_asset.cli.tables import print_table
from stac_asset.config import Config
from stac_asset.environment import variables_of_fields

_SECRET = "(secret)"
"""Text in place of a secret that is set."""


def show_config(config: Config, given: Collection[str], as_json: bool) -> int:
    """Print the value of each option, and where the value comes from.

    Args:
        config: The effective configuration.
        given: The options of the command line.
        as_json: Print JSON.

    Returns:
        0

    Raises:
        ConfigError: The file `.env` cannot be read.
    """
    variables = variables_of_fields()
    rows = [
        (
            field.name,
            _shown(getattr(config, field.name), field.repr),
            "command line" if field.name in given else variables.get(field.name, "default"),
        )
        for field in dataclasses.fields(config)
    ]
    if as_json:
        values = {name: {"value": value, "source": source} for name, value, source in rows}
        print_json(values)
    else:
        print_table(
            ("option", "value", "source"),
            [(name, _text(value), source) for name, value, source in rows],
        )
    return 0


def _shown(value: Any, is_public: bool) -> Any:
    """Return a value as JSON, without secrets."""
    if not is_public:
        return _SECRET if value else None
    if isinstance(value, Enum):
        return value.name
    return value


def _text(value: Any) -> str | None:
    if value is None or value in ([], {}):
        return None
    return value if isinstance(value, str) else json.dumps(value)
