"""Errors of the models that callers create, such as `DownloadOptions(include="red")`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stac_asset import Config
from stac_asset.errors import ConfigError
from stac_asset.errors.nearest_name import nearest_name
from stac_asset.string_lists import string_list

SECRETS = frozenset(field.name for field in dataclasses.fields(Config) if not field.repr)
"""Names of the fields of `Config` that are secrets, and no options."""

LIST_TYPES = ("list_type", "tuple_type")
"""Pydantic's types of the errors about values that are no lists."""

_STRINGS = (list[str], tuple[str, ...])
"""Types of fields with a list of strings."""

_EXPECTED = "Input should be "
"""Start of pydantic's messages about values of another type."""

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # Pydantic does not export the class.


class RaisesConfigError(ModelMetaclass):
    """Metaclass of models whose creation with an invalid value raises a `ConfigError`.

    Pydantic's own error has several lines, and contains the value. Within the parameters of a flow,
    pydantic creates the models by another way, so that the error names the whole path.
    """

    def __call__(cls, *args: Any, **fields: Any) -> Any:
        """Create a model.

        Raises:
            ConfigError: A value is not valid, or a name is unknown.
        """
        try:
            return super().__call__(*args, **fields)
        except ValidationError as error:
            # The error contains the values, so it is not chained.
            found = error.errors(include_context=False, include_input=False, include_url=False)
        raise _config_error(cls, fields, [dict(one) for one in found])


def _config_error(model: Any, fields: dict[str, Any], errors: list[dict[str, Any]]) -> ConfigError:
    found = merged_errors(errors, model)[0]
    reason = found["msg"].removeprefix("Value error, ")
    if not found["loc"]:
        return ConfigError(reason)
    is_union = _is_union(model.model_fields.get(found["loc"][0]))
    name = ".".join(map(str, found["loc"]))[:100]
    if found["loc"][-1] in SECRETS:
        return ConfigError(
            f"`{name}` is a secret, and Prefect stores options in plain text. Save a credential "
            "block, and pass the block to the flow."
        )
    if found["type"] == "extra_forbidden":
        nearest = nearest_option(found["loc"], model) or " Correct or remove the name."
        return ConfigError(f"`{name}` is unknown.{nearest}")
    if found["type"] == "missing":
        return ConfigError(f"`{name}` is missing. Pass a value.")
    field = model.model_fields.get(name)
    if found["type"] in LIST_TYPES and field is not None and field.annotation in _STRINGS:
        try:
            string_list(name, fields.get(name))
        except ConfigError as error:
            return error
    if not is_union and found["type"] in LIST_TYPES:
        return ConfigError(f"`{name}` must be a list. Pass a list.")
    if found["type"] == "value_error":  # The texts of this package have an instruction.
        return ConfigError(f"`{name}`: {reason}")
    return ConfigError(f"`{name}` is not valid: {reason}. Correct the value.")


def merged_errors(errors: Sequence[dict[str, Any]], kind: Any) -> list[dict[str, Any]]:
    """Return one error for each value that has none of the types of a union.

    Pydantic reports an error for each type, with a name of the type at the end of the place.

    Args:
        errors: The errors of pydantic.
        kind: The model of the values.
    """
    by_place: dict[tuple[int | str, ...], list[dict[str, Any]]] = {}
    for error in errors:
        by_place.setdefault(_place(error["loc"], kind), []).append(error)
    return [{**same[0], "loc": place, "msg": _text(same)} for place, same in by_place.items()]


def _text(errors: Sequence[dict[str, Any]]) -> str:
    """Return the first message, or a message with all expected types."""
    messages = dict.fromkeys(error["msg"] for error in errors)
    if not all(text.startswith(_EXPECTED) for text in messages):
        return str(errors[0]["msg"])
    return _EXPECTED + " or ".join(text.removeprefix(_EXPECTED) for text in messages)


def _place(loc: Sequence[int | str], kind: Any) -> tuple[int | str, ...]:
    """Return the place of a value without pydantic's names of types."""
    place = list[int | str]()
    follows_union = False
    for part in loc:
        if follows_union:  # This is the name of a type.
            follows_union = False
            continue
        place.append(part)
        if isinstance(part, str):
            fields = [model.model_fields.get(part) for model in _models(kind)]
            field = next((one for one in fields if one is not None), None)
            kind = field.annotation if field is not None else None
            follows_union = _is_union(field)
    return tuple(place)


def _is_union(field: FieldInfo | None) -> bool:
    """Return whether a field takes values of several types."""
    if field is None or get_origin(field.annotation) not in (Union, UnionType):
        return False
    return sum(kind is not NoneType for kind in get_args(field.annotation)) > 1


def nearest_option(loc: Sequence[int | str], kind: Any) -> str:
    """Return a sentence with the name that is nearest to an unknown name, if any.

    Args:
        loc: The place of the unknown name in a value, as in an error of pydantic.
        kind: The type of the value.
    """
    for part in loc[:-1]:
        if isinstance(part, int):  # An entry of a list.
            continue
        found = {
            name: field for model in _models(kind) for name, field in model.model_fields.items()
        }
        if part not in found:
            return ""
        kind = found[str(part)].annotation
    known = {name for model in _models(kind) for name in model.model_fields}
    return nearest_name(str(loc[-1]), known - SECRETS)


def _models(kind: Any) -> list[type[BaseModel]]:
    """Return the models in a type, such as a union or an annotated type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in get_args(kind) for model in _models(part)]
