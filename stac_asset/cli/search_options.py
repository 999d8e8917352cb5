"""The command-line options for the search of a mirror."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def _numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    try:
        return tuple(map(float, value.split(","))) if value is not None else None
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is not a list of numbers. Write for example '13.0,52.3,13.8,52.7'.",
            context,
            parameter,
        ) from None


def _object(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> dict[str, Any] | None:
    try:
        found = json.loads(value) if value is not None else None
    except ValueError:
        found = value
    if found is not None and not isinstance(found, dict):
        raise click.BadParameter(
            'the value is not a JSON object. Write for example \'{"eo:cloud_cover": {"lt": 20}}\'.',
            context,
            parameter,
        )
    return found


_OPTIONS = [
    click.option(
        "--collection",
        "collections",
        multiple=True,
        metavar="ID",
        help="Id of a collection. May be repeated.",
    ),
    click.option(
        "--id", "ids", multiple=True, help="Id of an item. May be repeated.", metavar="ID"
    ),
    click.option(
        "--bbox",
        callback=_numbers,
        metavar="W,S,E,N",
        help="Bounding box of the items, in degrees.",
    ),
    click.option(
        "--datetime",
        metavar="TIME",
        help="Time window, such as '2026-01/2026-03' or 'last 10 days'.",
    ),
    click.option("--filter", metavar="CQL2", help="CQL2 filter, as text."),
    click.option("--query", callback=_object, metavar="JSON", help="Query of the query extension."),
    click.option(
        "--intersects", callback=_object, metavar="GEOJSON", help="Geometry in place of --bbox."
    ),
    click.option("--q", multiple=True, metavar="TEXT", help="Full-text search. May be repeated."),
    click.option(
        "--overlap",
        default="1 day",
        show_default=True,
        metavar="TIME",
        help="Extra time before a relative time window, to find items that are published late.",
    ),
    click.option(
        "--sortby",
        multiple=True,
        metavar="FIELD",
        help="Field to sort by, such as '-properties.datetime'. May be repeated.",
    ),
    click.option(
        "--page-size",
        type=click.IntRange(min=1),
        metavar="N",
        help="Number of items to request per page from a STAC API.",
    ),
]


_FIELDS = (
    "collections",
    "ids",
    "bbox",
    "datetime",
    "filter",
    "query",
    "intersects",
    "q",
    "overlap",
    "sortby",
    "page_size",
)
"""The names of the options."""


def search_options(command: _F) -> _F:
    """Add the options of a search, in the order of this module.

    Args:
        command: The function of the command, which passes its options to `take_search`.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_search(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the search options from all options of a command, and return the search options.

    Args:
        options: All options of the command. The result has the names of `Criteria`'s fields.
    """
    return {name: options.pop(name) for name in _FIELDS}
