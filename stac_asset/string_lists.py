"""Internal: lists of strings, as callers of the library pass them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stac_asset.errors import ConfigError
from stac_asset.redact import shortened

_MAX_SHOWN = 60
"""Maximum length of a value in an error, in characters."""


def string_list(name: str, value: object) -> list[str]:
    """Return the list of strings that a caller passed as a list, a tuple, a set or an iterator.

    A single string is an error. Python would otherwise take each of its characters for an entry.

    Args:
        name: The name of the parameter or field, for errors.
        value: The value. A list is returned as it is, and a set becomes a sorted list.

    Raises:
        ConfigError: The value is not a list of strings.
    """
    if isinstance(value, str):
        entries = [part.strip() for part in value.split(",") if part.strip()]
        raise ConfigError(
            f"`{name}` must be a list, not a string. Write {shortened(repr(entries), _MAX_SHOWN)}."
        )
    if not isinstance(value, Iterable) or isinstance(value, bytes | Mapping):
        raise ConfigError(
            f"`{name}` must be a list of strings, not {type(value).__name__}. Pass a list."
        )
    entries = value if isinstance(value, list) else list(value)
    for entry in entries:
        if not isinstance(entry, str):
            raise ConfigError(
                f"`{name}` must be a list of strings, and has an entry of the type "
                f"{type(entry).__name__}. Correct the entry."
            )
    return sorted(entries) if isinstance(value, set | frozenset) else entries
