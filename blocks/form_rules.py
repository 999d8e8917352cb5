"""Rules in the JSON schema of a block, so that forms refuse invalid values before a save.

The validators of the blocks enforce the same rules, with messages for each case.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

_PORT = "(:[0-9]{1,5})?"
_HOST = r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])"

HOST_RULE: Any = Field(json_schema_extra={"pattern": rf"^(https?://)?(\*\.)?{_HOST}{_PORT}$"})
"""Annotation of a string that is a host, as in `stac_asset.host_patterns`."""

URL_RULE: Any = Field(json_schema_extra={"pattern": r"^(\s*|https?://[^\s/@]+(/.*)?)$"})
"""Annotation of a string that is an http(s) URL without a user name or password, or empty."""


def is_set(*names: str) -> dict[str, Any]:
    """Return the rule that fields have a value.

    Args:
        names: The names of fields with text, or with an object.
    """
    value = {
        "anyOf": [
            {"type": "string", "pattern": r"\S"},
            {"type": "object", "minProperties": 1},
        ]
    }
    return {"properties": dict.fromkeys(names, value), "required": list(names)}


def needs(name: str, *others: str) -> dict[str, Any]:
    """Return the rule that a field with a value needs other fields.

    Args:
        name: The name of the field.
        others: The names of the other fields.
    """
    return {"anyOf": [{"not": is_set(name)}, is_set(*others)]}


LOGIN_RULES: list[dict[str, Any]] = [
    {"not": is_set("token", "username")},
    needs("username", "password"),
    needs("password", "username"),
]
"""Rules of a token, or a user name with a password."""
