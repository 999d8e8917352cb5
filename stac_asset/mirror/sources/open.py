"""Opens the source of a mirror: detects a STAC API, a static catalog, or a file of items."""

from __future__ import annotations

import os
from pathlib import Path

from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.errors import ConfigError, SourceError, StacAssetError
from stac_asset.hrefs import expand_home, is_local, local_path, parse_href
from stac_asset.mirror.source_item import links_of
from stac_asset.mirror.sources.interface import ItemSource
from stac_asset.mirror.sources.item_file import ItemFile
from stac_asset.mirror.sources.stac_api import StacApi, is_stac_api
from stac_asset.mirror.sources.static_catalog import StaticCatalog
from stac_asset.redact import redact_href
from stac_asset.stac.item_files import is_item_stream
from stac_asset.stac.item_pages import ItemPage, follow_pages, open_item_pages
from stac_asset.stac.json_text import loads
from stac_asset.stac.parse import kind_of
from stac_asset.stac.read import JsonDocument, directory_text, read_document
from stac_asset.stac.unreadable import unreadable_text


async def open_source(href: str, clients: Clients, config: Config, scratch: Path) -> ItemSource:
    """Return the source at an href.

    Args:
        href: Root of a STAC API, a static catalog or collection, or a file of items.
        clients: The clients of the run.
        config: The configuration, for the number of attempts.
        scratch: An empty directory, for the copy of a remote file of items.

    Raises:
        SourceError: The source cannot be read, or is of an unknown kind.
        ConfigError: A required setting, such as a credential, is missing.
    """
    href = href.strip()
    shown = redact_href(href)
    href = expand_home(href)
    if is_local(href):
        href = str(local_path(href).absolute())
    try:
        if is_item_stream(parse_href(href).path):
            if is_local(href) and not os.path.isfile(href):
                raise SourceError(
                    f"`source` '{shown}' cannot be read: the file does not exist. Correct the path."
                )
            return ItemFile(href, await open_item_pages(href, clients, config, scratch))
        data, base = await read_document(href, clients, config)
    except (ConfigError, SourceError):
        raise
    except StacAssetError as error:
        if text := directory_text(href):
            raise SourceError(f"`source` {text}") from None
        raise SourceError(f"`source` {unreadable_text(redact_href(href), error)}") from error
    try:
        content = loads(data, shown)
    except ValueError as error:
        raise SourceError(
            f"`source` '{shown}' is not a STAC API or STAC document: the content is not JSON "
            f"({error}). Give the URL of a STAC API, static catalog or item collection."
        ) from None
    kind = kind_of(content)
    if kind == "FeatureCollection":
        path = Path(href) if is_local(href) else scratch / "source.json"
        if not is_local(href):
            path.write_bytes(data)
        first = ItemPage(path, base)
        return ItemFile(href, await follow_pages(first, shown, clients, config, scratch))
    if kind in ("Catalog", "Collection"):
        return _catalog_source(href, JsonDocument(content, base), shown, clients, config)
    declared = content.get("type") if isinstance(content, dict) else None
    raise SourceError(
        f"`source` '{shown}' is not a STAC API, static catalog or item collection: its type is "
        f"{declared!r}. Give a document of the type 'Catalog', 'Collection' or 'FeatureCollection'."
    )


def _catalog_source(
    href: str, root: JsonDocument, shown: str, clients: Clients, config: Config
) -> ItemSource:
    """Return a STAC API or a static catalog, depending on the root document.

    Raises:
        SourceError: The document belongs to an API, but is not the root of an API with search.
    """
    document = root.content
    if is_stac_api(document):
        return StacApi(href, document, clients, config, root.href)
    rels = {link["rel"] for link in links_of(document)}
    if "conformsTo" in document:
        raise SourceError(
            f"`source` '{shown}' is a STAC API without search: the root has no link 'search'. Use "
            "an API that supports item search."
        )
    if "items" in rels and not rels & {"item", "child"}:
        raise SourceError(
            f"`source` '{shown}' is one collection of a STAC API. Give the root of the API, and "
            "the collection's id in `search.collections`."
        )
    return StaticCatalog(href, root, clients, config)
