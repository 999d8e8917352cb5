"""Names of flow runs and task runs, derived from parameters.

Prefect leaves a task run Pending if the function that names the run fails. So these functions
accept parameters of any type. For an unexpected type, such as a future in `quote(...)`, the name is
a general one, such as 'download an asset'. Names have at most 200 characters. Queries of hrefs are
removed, and characters that a database rejects are escaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pystac
from prefect.runtime import flow_run

from prefect_stac_asset.flows.parameters.source import is_text
from stac_asset.hrefs import is_local
from stac_asset.redact import redact_href, redact_text, shortened
from stac_asset.types import Transfer

_MAX_LENGTH = 200
"""Maximum number of characters of a name. Prefect's UI shows fewer."""


def name_of(text: str, max_length: int = _MAX_LENGTH) -> str:
    """Return a text, shortened and redacted, as the name of a run.

    Args:
        text: The text. Its hrefs are redacted.
        max_length: Maximum number of characters.
    """
    text = redact_text(text)
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[: max_length + 1])
    return shortened(text, max_length)


def client_name(parameters: dict[str, Any]) -> str:
    """Return the name of a run of `resolve_client`.

    Args:
        parameters: The parameters of the task run.
    """
    href = parameters["href"]
    if not isinstance(href, str):
        return "client for an href"
    return name_of(f"client for {'local files' if is_local(href) else redact_href(href)}")


def check_name(parameters: dict[str, Any]) -> str:
    """Return the name of a run of `check_asset_exists`.

    Args:
        parameters: The parameters of the task run.
    """
    asset = parameters["asset"]
    return name_of(f"check {_asset_of(asset, 'an asset', with_owner=False)}")


def checks_name(parameters: dict[str, Any]) -> str:
    """Return the name of a run of `check_assets_exist`.

    Args:
        parameters: The parameters of the task run.
    """
    transfers = _transfers(parameters)
    return "check assets" if transfers is None else f"check {len(transfers)} assets"


def download_name(parameters: dict[str, Any]) -> str:
    """Return the name of a run of `download_asset`.

    Args:
        parameters: The parameters of the task run.
    """
    return name_of(_asset_of(parameters["asset"], "download an asset"))


def downloads_name(parameters: dict[str, Any]) -> str:
    """Return the name of a run of `download_assets`.

    Args:
        parameters: The parameters of the task run.
    """
    transfers = _transfers(parameters)
    if transfers is None:
        return "download assets"
    if not transfers:
        return "download 0 assets"
    more = f" and {len(transfers) - 1} more" if len(transfers) > 1 else ""
    return _asset(transfers[0], _MAX_LENGTH - len(more)) + more


def plan_name(parameters: dict[str, Any]) -> str:
    """Return the name of a run of `plan_item`.

    Args:
        parameters: The parameters of the task run.
    """
    item = parameters["item"]
    if isinstance(item, str) and not is_text(item):
        return name_of(f"plan {redact_href(item)}")
    return name_of(f"plan {_owner(item)}")


def rewrite_name(parameters: dict[str, Any]) -> str:
    """Return the name of a run of `rewrite_item`.

    Args:
        parameters: The parameters of the task run.
    """
    return name_of(f"rewrite {_owner(parameters['item'])}")


def _owner(item: Any) -> str:
    return str(item.id) if isinstance(item, pystac.Item | pystac.Collection) else "an item"


def _asset_of(asset: Any, unknown: str, with_owner: bool = True) -> str:
    """Return the name of a transfer, an asset or an href."""
    if isinstance(asset, Transfer):
        return f"{asset.owner_id}/{asset.key}" if with_owner else asset.key
    href = asset.href if isinstance(asset, pystac.Asset) else asset
    return redact_href(href) if isinstance(href, str) else unknown


def _transfers(parameters: dict[str, Any]) -> Sequence[Transfer] | None:
    found = parameters["transfers"]
    is_known = isinstance(found, list | tuple) and all(isinstance(one, Transfer) for one in found)
    return found if is_known else None


def _asset(transfer: Transfer, max_length: int = _MAX_LENGTH) -> str:
    return name_of(f"{transfer.owner_id}/{transfer.key}", max_length)


def run_name(verb: str) -> Callable[[], str]:
    """Return the function that names the runs of a flow, such as 'download item.json to /data'.

    Args:
        verb: The verb that starts the name.
    """

    def name() -> str:
        source = str(flow_run.parameters.get("source") or "")
        last = redact_href(source).rstrip("/").rpartition("/")[2]
        shown = _id(source) if is_text(source) else last
        directory = flow_run.parameters.get("directory")
        return name_of(f"{verb} {shown or 'a source'}" + (f" to {directory}" if directory else ""))

    return name


def _id(text: str) -> str:
    """Return the id of JSON text, or the type if there is no id, or an empty string."""
    try:
        document = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return ""
    found = document.get("id") or document.get("type") if isinstance(document, dict) else None
    return str(found or "")[:100]
