"""Validate the parameters of a deployment against the types of the flow.

Prefect validates parameters only when a run starts. Errors in the parameters of a scheduled
deployment would then be noticed hours later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_type_hints

from prefect import Flow
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from prefect_stac_asset.blocks.references import BlockReference, parse_reference
from prefect_stac_asset.blocks.registry import CREDENTIAL_SLUGS, DESTINATION_SLUGS
from prefect_stac_asset.flows.execution.flow import AssetFlow
from prefect_stac_asset.flows.mirror.search import SEARCH_GROUPS, Search
from prefect_stac_asset.flows.parameters.form import OPTION_GROUPS, ungrouped
from prefect_stac_asset.flows.parameters.mirror import MIRROR_SLUG
from prefect_stac_asset.flows.parameters.model_errors import nearest_option
from prefect_stac_asset.flows.parameters.options import DownloadOptions, FlowOptions
from prefect_stac_asset.flows.parameters.url_secrets import refused_urls
from prefect_stac_asset.flows.parameters.validation import (
    CREDENTIALS,
    DESTINATION_CREDENTIALS,
    MIRROR,
)
from stac_asset.destinations.directories import directory_path
from stac_asset.destinations.location import location_of
from stac_asset.errors import ConfigError, DestinationError
from stac_asset.errors.nearest_name import nearest_name
from stac_asset.mirror.run_limits import RunSizeLimits

ERROR_TEXTS = {"extra_forbidden": "unknown key", "missing": "required key is missing"}
"""Texts that replace pydantic's messages, by pydantic's error type."""

_RUN_LIMITS = ("max_items", "max_bytes")

_EXAMPLE = str(BlockReference("earthdata-credentials/mine").parameter()).replace("'", "")


def check_parameters(flow: Flow[..., Any], given: Mapping[str, Any], where: str) -> None:
    """Check the parameters of a deployment or of a schedule.

    Args:
        flow: The flow of the deployment.
        given: The parameters. Required parameters may be missing: each run can set them.
        where: The key of the parameters in `prefect.yaml`.

    Raises:
        ValueError: A parameter has a value that the flow does not accept. The message names the
            parameter and contains no secrets.
    """
    known = flow.parameters.properties
    for name, value in given.items():
        if name not in known:
            hint = nearest_name(name, known) or f" Use one of {', '.join(known)}."
            raise ValueError(f"{where}: flow '{flow.name}' has no parameter '{name}'.{hint}")
        path = next(_templates(value, f"{where}.{name}"), None)
        if path is not None:
            raise ValueError(
                f"{path}: templates ('{{{{') are not allowed in parameters, because Prefect stores "
                f"the resolved value in plain text. Refer to a saved block: {_EXAMPLE}."
            )
    # Flows receive JSON values. A day, for example, is a date in YAML and a string in JSON.
    sent = to_jsonable_python(dict(given))
    is_asset_flow = isinstance(flow, AssetFlow)
    for parameter, slugs in (
        (CREDENTIALS, CREDENTIAL_SLUGS),
        (DESTINATION_CREDENTIALS, DESTINATION_SLUGS),
        (MIRROR, (MIRROR_SLUG,)),
    ):
        if is_asset_flow and parameter in sent:
            given_blocks = sent.pop(parameter)
            if parameter != CREDENTIALS or not isinstance(given_blocks, list):
                given_blocks = [given_blocks]
            _check_blocks(given_blocks, f"{where}.{parameter}", slugs)
    try:
        hints = get_type_hints(flow.fn, include_extras=True)
    except NameError:
        hints = {}  # The annotations of a custom flow may only be valid for type checkers.
    for name, value in sent.items():
        path = f"{where}.{name}"
        referred = list(references(value, path))
        for at, reference in referred:
            _slug(reference, at)
        if not referred:  # The server validates parameters with references.
            _check(value, hints.get(name, Any), path)
        for error in refused_urls(value, (name,)):
            raise ValueError(f"{_within(sent, error['loc'], where)}: {error['msg']}")
    if is_asset_flow and isinstance(sent.get("options"), dict):
        _check_effects(flow, sent["options"], f"{where}.options")
    if is_asset_flow:
        try:
            if sent.get("directory") is not None:
                location_of(sent["directory"])
            if sent.get("report") is not None:
                directory_path(sent["report"], "report")
            RunSizeLimits(**{name: sent[name] for name in _RUN_LIMITS if name in sent})
        except (ConfigError, DestinationError) as error:
            raise ValueError(f"{where}: {error}") from None


def without_groups(flow: Flow[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters without the groups of options of earlier versions.

    The run form does not show the options of these groups.

    Args:
        flow: The flow of the deployment.
        given: Valid parameters of a deployment or of a schedule.
    """
    if not isinstance(flow, AssetFlow):
        return dict(given)
    groups = {"options": OPTION_GROUPS, "search": SEARCH_GROUPS}
    return {name: ungrouped(value, groups.get(name, ())) for name, value in given.items()}


def _templates(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of templates in a value."""
    if isinstance(value, str) and "{{" in value:
        yield path
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _templates(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _templates(inner, f"{path}[{number}]")


def _check_blocks(blocks: Sequence[Any], path: str, slugs: Sequence[str]) -> None:
    kind = "mirror" if slugs == (MIRROR_SLUG,) else "credential"
    for block in blocks:
        if block is None:
            continue
        slug = _slug(block, path)
        if slug.partition("/")[0] not in slugs:
            raise ValueError(
                f"{path}: block '{slug}' is not a {kind} block. Use one of {', '.join(slugs)}."
            )


def _slug(value: Any, path: str) -> str:
    try:
        return parse_reference(value).slug
    except ConfigError:
        raise ValueError(
            f"{path}: the value is not a reference to a saved block by name, and Prefect would "
            f"store the credentials in plain text. Use {_EXAMPLE}."
        ) from None


def references(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each reference to a saved block in a value, with the path of the reference.

    Args:
        value: The value of a parameter.
        path: The path of the value.
    """
    if isinstance(value, dict):
        if "$ref" in value:
            yield path, value
        for name, inner in value.items():
            yield from references(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from references(inner, f"{path}[{number}]")


def _check(value: Any, kind: Any, path: str) -> None:
    try:
        validated = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = ERROR_TEXTS.get(first["type"], first["msg"].removeprefix("Value error, "))
        if first["type"] == "extra_forbidden":
            nearest = nearest_option(first["loc"], kind)
            reason += f".{nearest}" if nearest else ""
        raise ValueError(f"{_within(value, first['loc'], path)}: {reason}") from None
    try:
        if isinstance(validated, Search):
            path = path.removesuffix(".search")  # The error message starts with "search".
            validated.criteria()
        elif isinstance(validated, FlowOptions):
            validated.config()
    except ConfigError as error:
        raise ValueError(f"{path}: {error}") from None


def _check_effects(flow: Flow[..., Any], options: dict[str, Any], path: str) -> None:
    """Check that the run form shows all options that a deployment stores.

    Raises:
        ValueError: An option has no effect in the flow, so that the form does not show the option.
    """
    shown = flow.parameters.definitions[DownloadOptions.__name__]["properties"]
    for name in ungrouped(options, OPTION_GROUPS):
        if name not in shown:
            raise ValueError(
                f"{path}.{name}: the option has no effect in flow '{flow.name}'. Remove the option."
            )


def _within(value: Any, loc: tuple[int | str, ...], path: str) -> str:
    """Return the path of an error without the type names that pydantic inserts for unions."""
    for part in loc:
        if isinstance(value, list) and isinstance(part, int):
            value, path = value[part], f"{path}[{part}]"
        elif isinstance(value, Mapping) and part in value:
            value, path = value[part], f"{path}.{part}"
    return path
