"""The names of runs, made of their parameters.

Prefect leaves a task run Pending if its name cannot be made. So a name is made of any parameters:
one that is not what the task takes, such as a future in `quote(...)`, gives a general name. No name
has the query of an href, more than 200 characters, or characters that a database refuses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pystac
from prefect.runtime import flow_run

from prefect_stac_asset.flows.parameters.source import is_text
from stac_asset.redact import redact_href, redact_text
from stac_asset.types import Transfer

_LONGEST = 200
"""Characters of a name. Prefect's UI shows fewer."""


def name_of(text: str, longest: int = _LONGEST) -> str:
    """Returns a text as the name of a run.

    Args:
        text: The text. Its hrefs are redacted.
        longest: How many characters remain.
    """
    text = redact_text(text)
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[: longest + 1])
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def client_name(parameters: dict[str, Any]) -> str:
    """Returns the name of a run of `resolve_client`.

    Args:
        parameters: The parameters of the task run.
    """
    href = parameters["href"]
    return name_of(f"client for {redact_href(href) if isinstance(href, str) else 'an href'}")


def check_name(parameters: dict[str, Any]) -> str:
    """Returns the name of a run of `check_asset_exists`.

    Args:
        parameters: The parameters of the task run.
    """
    key = parameters["key"]
    return name_of(f"check {key if isinstance(key, str) else 'an asset'}")


def checks_name(parameters: dict[str, Any]) -> str:
    """Returns the name of a run of `check_assets_exist`.

    Args:
        parameters: The parameters of the task run.
    """
    transfers = _transfers(parameters)
    return "check assets" if transfers is None else f"check {len(transfers)} assets"


def download_name(parameters: dict[str, Any]) -> str:
    """Returns the name of a run of `download_asset`.

    Args:
        parameters: The parameters of the task run.
    """
    transfer = parameters["transfer"]
    return _asset(transfer) if isinstance(transfer, Transfer) else "download an asset"


def downloads_name(parameters: dict[str, Any]) -> str:
    """Returns the name of a run of `download_assets`.

    Args:
        parameters: The parameters of the task run.
    """
    transfers = _transfers(parameters)
    if transfers is None:
        return "download assets"
    if not transfers:
        return "nothing"
    more = f" and {len(transfers) - 1} more" if len(transfers) > 1 else ""
    return _asset(transfers[0], _LONGEST - len(more)) + more


def rewrite_name(parameters: dict[str, Any]) -> str:
    """Returns the name of a run of `rewrite_item`.

    Args:
        parameters: The parameters of the task run.
    """
    item = parameters["item"]
    is_known = isinstance(item, pystac.Item | pystac.Collection)
    return name_of(f"rewrite {item.id if is_known else 'an item'}")


def _transfers(parameters: dict[str, Any]) -> Sequence[Transfer] | None:
    found = parameters["transfers"]
    is_known = isinstance(found, list | tuple) and all(isinstance(one, Transfer) for one in found)
    return found if is_known else None


def _asset(transfer: Transfer, longest: int = _LONGEST) -> str:
    return name_of(f"{transfer.owner_id}/{transfer.key}", longest)


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
