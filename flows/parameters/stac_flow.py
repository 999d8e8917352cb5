"""A flow whose source may be a pystac object: Prefect gets to see its JSON text instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import pystac
from prefect.runtime import flow_run

from flows.execution.run_names import name_of
from flows.parameters.flow import PERSISTED, CredentialFlow
from stac_asset.redact import redact_href
from stac_asset.rewrite.serialize import document_of

_P = ParamSpec("_P")
_R = TypeVar("_R")

_STAC = (pystac.Item, pystac.Collection, pystac.ItemCollection)


class StacFlow(CredentialFlow[_P, _R], Generic[_P, _R]):
    """A flow with a parameter `source`, and otherwise a flow like any other."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the flow; a pystac object as its source is turned into JSON text first."""
        if args:
            args = (source_parameter(args[0]), *args[1:])
        elif "source" in kwargs:
            kwargs["source"] = source_parameter(kwargs["source"])
        return super().__call__(*args, **kwargs)


def stac_flow(**options: Any) -> Callable[[Callable[_P, _R]], StacFlow[_P, _R]]:
    """Makes flows of functions with a parameter `source`, whose results are persisted.

    Args:
        options: The arguments of `prefect.flow`.
    """

    def decorate(function: Callable[_P, _R]) -> StacFlow[_P, _R]:
        return StacFlow(function, **PERSISTED, **options)

    return decorate


def source_parameter(source: Any) -> Any:
    """Returns a source as a flow parameter: an href, or JSON text.

    Args:
        source: An href, JSON text, or a pystac object.
    """
    return json.dumps(document_of(source)) if isinstance(source, _STAC) else source


def is_text(source: str) -> bool:
    """Returns whether a source is JSON text rather than an href.

    Args:
        source: An href or JSON text.
    """
    return source.lstrip()[:1] in ("{", "[")


def run_name(verb: str) -> Callable[[], str]:
    """Returns what names the runs of a flow: 'download item.json to /data'.

    Args:
        verb: What the flow does.
    """

    def name() -> str:
        source = str(flow_run.parameters.get("source", ""))
        last = redact_href(source).rstrip("/").rpartition("/")[2]
        shown = _id(source) if is_text(source) else last
        directory = flow_run.parameters.get("directory")
        return name_of(f"{verb} {shown or 'a source'}" + (f" to {directory}" if directory else ""))

    return name


def _id(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "?"
    found = document.get("id") or document.get("type") if isinstance(document, dict) else None
    return str(found)[:100]
