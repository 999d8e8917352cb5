"""Checks the parameters that a deployment is given, by the types of its flow and what these say.

Prefect looks at them when a run begins, and a run by schedule begins at night.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from prefect import Flow
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from prefect_stac_asset.blocks.prefect_aws import AWS_BLOCKS
from prefect_stac_asset.blocks.references import BlockReference, of_parameter
from prefect_stac_asset.blocks.registry import OUR_BLOCKS
from prefect_stac_asset.flows.mirror.search import Search
from prefect_stac_asset.flows.parameters.flow import AssetFlow
from prefect_stac_asset.flows.parameters.options import FlowOptions
from prefect_stac_asset.flows.parameters.validation import CREDENTIALS
from stac_asset.errors import ConfigError
from stac_asset.mirror.run_limits import RunSizeLimits

REASONS = {"extra_forbidden": "there is no such key", "missing": "this key is missing"}
"""What is said of errors that pydantic calls something else."""

_LIMITS = ("max_items", "max_bytes")
_EXAMPLE = str(BlockReference("earthdata-credentials/mine").parameter()).replace("'", "")


def check_parameters(flow: Flow[..., Any], given: Mapping[str, Any], where: str) -> None:
    """Checks parameters that a deployment, or a schedule of it, is given.

    Args:
        flow: The flow of the deployment.
        given: The parameters, of which others may be left to each run.
        where: The key under which they stand.

    Raises:
        ValueError: One of them is nothing that the flow takes; the text names it, and is no secret.
    """
    known = flow.parameters.properties
    for name, value in given.items():
        if name not in known:
            raise ValueError(
                f"{where}: '{name}' is no parameter of '{flow.name}', which has {', '.join(known)}"
            )
        path = next(_templates(value, f"{where}.{name}"), None)
        if path is not None:
            raise ValueError(
                f"{path}: '{{{{' is no way, since Prefect stores what that resolves to in plain "
                f"text: refer to a saved block, as {_EXAMPLE}"
            )
    # What a flow gets has been JSON: a day that YAML reads as a date, say, is text there.
    sent = to_jsonable_python(dict(given))
    ours = isinstance(flow, AssetFlow)
    if ours and CREDENTIALS in sent:
        _check_credentials(sent.pop(CREDENTIALS), f"{where}.{CREDENTIALS}")
    try:
        hints = get_type_hints(flow.fn, include_extras=True)
    except NameError:  # Somebody else's flow, whose types are there for a type checker alone.
        hints = {}
    for name, value in sent.items():
        path = f"{where}.{name}"
        references = list(_references(value, path))
        for at, reference in references:
            _slug(reference, at)
        if not references:  # The server checks the type of a parameter that has some.
            _check(value, hints.get(name, Any), path)
    if ours:
        try:
            RunSizeLimits(**{name: sent[name] for name in _LIMITS if name in sent})
        except ConfigError as error:
            raise ValueError(f"{where}: {error}") from None


def _templates(value: Any, path: str) -> Iterator[str]:
    """Yields where a value has templates."""
    if isinstance(value, str) and "{{" in value:
        yield path
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _templates(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _templates(inner, f"{path}[{number}]")


def _check_credentials(value: Any, path: str) -> None:
    for one in value if isinstance(value, list) else [value]:
        if one is None:
            continue
        slug = _slug(one, path)
        kinds = [kind.get_block_type_slug() for kind in (*OUR_BLOCKS, *AWS_BLOCKS)]
        if slug.partition("/")[0] not in kinds:
            raise ValueError(f"{path}: '{slug}' is none of {', '.join(kinds)}")


def _slug(value: Any, path: str) -> str:
    try:
        return of_parameter(value).slug
    except ConfigError:
        raise ValueError(
            f"{path}: this refers to no saved block by its name, and so it would be stored in "
            f"plain text: write {_EXAMPLE}"
        ) from None


def _references(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield where a value has references to saved blocks, and the references."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield path, value
        for name, inner in value.items():
            yield from _references(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _references(inner, f"{path}[{number}]")


def _check(value: Any, kind: Any, path: str) -> None:
    try:
        taken = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
        raise ValueError(f"{_within(value, first['loc'], path)}: {reason}") from None
    try:
        if isinstance(taken, Search):
            path = path.removesuffix(".search")  # Which the error says itself.
            taken.criteria()
        elif isinstance(taken, FlowOptions):
            taken.config()
    except ConfigError as error:
        raise ValueError(f"{path}: {error}") from None


def _within(value: Any, loc: tuple[int | str, ...], path: str) -> str:
    """Returns where an error is, without the names of the types that pydantic tried."""
    for part in loc:
        if isinstance(value, list) and isinstance(part, int):
            value, path = value[part], f"{path}[{part}]"
        elif isinstance(value, Mapping) and part in value:
            value, path = value[part], f"{path}.{part}"
    return path
