"""Finds out what a source is: a STAC API, a static catalog, or a file of items."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.errors import ConfigError, SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path, parse_href
from stac_asset.mirror.sources.interface import Source
from stac_asset.mirror.sources.item_file import ItemFile
from stac_asset.mirror.sources.stac_api import Api, is_api
from stac_asset.mirror.sources.static_catalog import StaticCatalog
from stac_asset.redact import redact_href
from stac_asset.stac.item_files import is_item_stream
from stac_asset.stac.read import read_bytes

_SHOWN = 200
"""Characters of an href that an error shows."""


async def open_source(href: str, clients: Clients, config: Config, scratch: Path) -> Source:
    """Returns the source that an href names.

    Args:
        href: The root of a STAC API, a static catalog or collection, or a file of items.
        clients: The clients of the run.
        config: How often to try.
        scratch: An empty directory, for a file of items that is elsewhere.

    Raises:
        SourceError: It cannot be read, or is none of these; the text names the parameter.
    """
    shown = redact_href(href)[:_SHOWN]
    if is_local(href):
        href = str(local_path(href).absolute())
    try:
        suffix = PurePosixPath(parse_href(href).path).suffix
        if is_local(href) and is_item_stream(suffix):
            if not Path(href).is_file():
                raise SourceError(f"source '{shown}' cannot be read: there is no such file")
            return ItemFile(href, Path(href))
        data = await read_bytes(href, clients, config)
    except ConfigError:
        raise
    except SourceError:
        raise
    except StacAssetError as error:
        raise SourceError(f"source '{shown}' cannot be read: {error}") from error
    if is_item_stream(suffix):
        return ItemFile(href, _kept(data, scratch, suffix))
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise SourceError(
            f"source '{shown}' is no STAC API and no STAC document: it is no JSON"
        ) from None
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection":
        return ItemFile(href, Path(href) if is_local(href) else _kept(data, scratch, ".json"))
    if kind in ("Catalog", "Collection"):
        return _linked(href, document, shown, clients, config)
    raise SourceError(
        f"source '{shown}' is no STAC API, static catalog or item collection: its type is {kind!r},"
        " which should be 'Catalog', 'Collection' or 'FeatureCollection'"
    )


def _linked(
    href: str, document: dict[str, Any], shown: str, clients: Clients, config: Config
) -> Source:
    """Returns the API or static catalog that a catalog is.

    Raises:
        SourceError: It is a part of an API.
    """
    if is_api(document):
        return Api(href, document, clients, config)
    links = document.get("links")
    rels = {link.get("rel") for link in links if isinstance(link, dict)} if links else set()
    if "conformsTo" in document:
        raise SourceError(
            f"source '{shown}' is no STAC API that can be searched: its root has no link 'search'"
        )
    if "items" in rels and not rels & {"item", "child"}:
        raise SourceError(
            f"source '{shown}' is one collection of a STAC API: give the root of the API, and the "
            "collection's id in search.collections"
        )
    return StaticCatalog(href, document, clients, config)


def _kept(data: bytes, scratch: Path, suffix: str) -> Path:
    path = scratch / f"items{suffix}"
    path.write_bytes(data)
    return path
