"""Lineage of downloaded items as Prefect assets.

The downloaded item is a materialized asset. Its source item is a referenced asset. The events are
those of Prefect's `@materialize`, which would need a task run per item and cost a hundred times as
much. Properties of assets: https://docs.prefect.io/v3/how-to-guides/workflows/assets
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any, TypeAlias

import pystac
from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext
from pystac.utils import str_to_datetime
from yarl import URL

from stac_asset.destinations.location import Location, parsed_location
from stac_asset.errors import HrefError
from stac_asset.hrefs import parse_href
from stac_asset.types import Downloaded, Failed, Outcome

MATERIALIZED = "prefect.asset.materialization.succeeded"
REFERENCED = "prefect.asset.referenced"

AssetEvent: TypeAlias = tuple[str, dict[str, str], list[dict[str, str]], dict[str, Any]]
"""Name, resource, related resources and payload of an event."""

_MAX_KEY_LENGTH = 512
_MAX_DESCRIPTION = 2500
"""Maximum number of characters of a description in Prefect."""
_UNSUPPORTED = re.compile(r"[^\w./:@+=,~-]", re.ASCII)
"""Characters to replace in keys, as Prefect refuses some special characters."""


def lineage(
    item: pystac.Item,
    outcomes: Sequence[Outcome],
    document: Location | None,
    owners: Sequence[str] = (),
) -> list[AssetEvent]:
    """Return the names, resources, related resources and payloads of an item's asset events.

    The list is empty if an asset failed or all assets already existed.

    Args:
        item: The source item.
        outcomes: The outcomes of the assets.
        document: The rewritten document of the item, if the item has its own.
        owners: The owners of the downloaded item. The source item is owned by its providers.
    """
    present = [outcome for outcome in outcomes if not isinstance(outcome, Failed)]
    downloaded = sum(isinstance(outcome, Downloaded) for outcome in present)
    if not downloaded or len(present) < len(outcomes):
        return []
    place = document or parsed_location(present[0].candidate.path).parent
    materialized = Asset(
        key=asset_key(place.as_uri() if isinstance(place, Path) else str(place)),
        properties=_properties(
            str(item.id), _description(item, len(present)), owners, _page_of(item)
        ),
    )
    source = Asset(
        key=source_key(item),
        properties=_properties(
            str(item.id), f"The source of the {_kind(item)}.", _providers(item), _page_of(item)
        ),
    )
    payload = {
        "item": item.id,
        "collection": item.collection_id,
        "downloaded": downloaded,
        "bytes": sum(outcome.size for outcome in present),
    }
    related = [
        AssetContext.asset_as_related(source),
        AssetContext.related_materialized_by("stac-asset"),
    ]
    return [
        (REFERENCED, AssetContext.asset_as_resource(source), [], {}),
        (MATERIALIZED, AssetContext.asset_as_resource(materialized), related, payload),
    ]


def _properties(
    name: str, description: str, owners: Sequence[str], url: str | None
) -> AssetProperties:
    """Return the properties of an asset, without those that have no value.

    Prefect replaces each property of a known asset that is set, even by an empty value.
    """
    values: dict[str, Any] = {"name": name, "description": description[:_MAX_DESCRIPTION]}
    if owners:
        values["owners"] = list(owners)
    if url is not None:
        values["url"] = url
    return AssetProperties(**values)


def _kind(item: pystac.Item) -> str:
    return f"STAC item of {item.collection_id}" if item.collection_id else "STAC item"


def _description(item: pystac.Item, assets: int) -> str:
    time = item_time(item)
    taken = f" from {time}" if time else ""
    return f"{_kind(item)}{taken} with {assets} downloaded asset{'s' if assets != 1 else ''}."


def item_time(item: pystac.Item) -> str | None:
    """Return the end of an item's time range in UTC, in the form 2026-01-31T12:00:00Z.

    Args:
        item: The item. An invalid `end_datetime` counts as missing.
    """
    end, text = item.datetime, item.properties.get("end_datetime")
    if isinstance(text, str):
        with suppress(ValueError, OverflowError):
            end = str_to_datetime(text)
    if end is None:
        return None
    if end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    return end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _providers(item: pystac.Item) -> list[str]:
    """Return the names of the providers of an item.

    Source: https://github.com/radiantearth/stac-spec/blob/v1.1.0/commons/common-metadata.md#provider
    """
    listed = item.properties.get("providers")
    if not isinstance(listed, list):
        return []
    names = [provider.get("name") for provider in listed if isinstance(provider, dict)]
    return [name for name in names if isinstance(name, str) and name]


def _page_of(item: pystac.Item) -> str | None:
    """Return the URL of a web page about an item, or else of the source item."""
    link = item.get_single_link("alternate", media_type="text/html")
    return web_url(link.get_target_str() if link is not None else None) or web_url(
        item.get_self_href()
    )


def web_url(href: str | None) -> str | None:
    """Return an href of a web page without user, password, query and fragment.

    Args:
        href: The href, if any.

    Returns:
        The URL, or None if the href is not an HTTP URL.
    """
    if not href:
        return None
    try:
        url = parse_href(href)
    except HrefError:
        return None
    if url.scheme not in ("http", "https") or not url.host:
        return None
    return _without_query(url)


def _without_query(url: URL) -> str:
    return f"{url.scheme}://{url.host_port_subcomponent}{url.raw_path}"


def source_key(item: pystac.Item) -> str:
    """Return the asset key of a source item.

    The key is the item's self href without its query, or consists of the collection id and item id
    if the item has no self href.

    Args:
        item: The source item.
    """
    href = item.get_self_href()
    if href:
        url = parse_href(href)
        if url.scheme and url.host:
            return asset_key(_without_query(url))
        return asset_key(Path(href).absolute().as_uri())
    return asset_key(f"stac://{item.collection_id or 'items'}/{item.id}")


def asset_key(uri: str) -> str:
    """Return an asset key that Prefect accepts for a URI.

    Args:
        uri: The URI. Only the end of a URI longer than 512 characters is kept.
    """
    scheme, _, rest = uri.partition("://")
    rest = _UNSUPPORTED.sub("_", rest)
    return f"{scheme.lower()}://{rest[-(_MAX_KEY_LENGTH - len(scheme) - 3) :]}"
