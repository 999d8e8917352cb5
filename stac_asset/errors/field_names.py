"""Internal: errors about unknown fields of `Config`, which name the nearest field."""

from __future__ import annotations

from collections.abc import Collection
from functools import wraps
from typing import Any, TypeVar

from stac_asset.errors.input import ConfigError
from stac_asset.errors.nearest_name import nearest_name

_Fields = TypeVar("_Fields", bound=type[Any])


def check_field_name(name: str, known: Collection[str]) -> None:
    """Check that `Config` has a field.

    Args:
        name: The name of the field.
        known: The names of all fields.

    Raises:
        ConfigError: There is no such field.
    """
    if name not in known:
        raise ConfigError(
            f"`Config` has no field `{name}`.{nearest_name(name, known)} Correct or remove the "
            "name."
        )


def refuses_unknown_fields(fields: _Fields) -> _Fields:
    """Let the constructor of a dataclass check the names of its arguments.

    Python's own error names the dataclass, which may be a base class, and no other field.

    Args:
        fields: The dataclass.
    """
    declared = fields.__init__

    @wraps(declared)
    def init(self: Any, *args: Any, **values: Any) -> None:
        for name in values:
            check_field_name(name, self.__dataclass_fields__)
        declared(self, *args, **values)

    fields.__init__ = init
    return fields
