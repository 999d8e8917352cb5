"""Reads the document of a command, and plans the assets."""

from __future__ import annotations

import pystac

from stac_asset.api.run import Run
from stac_asset.clients import Clients
from stac_asset.config import Config
from stac_asset.errors import ConfigError, NoAssetsError, SourceError
from stac_asset.plan.work import PlannedRun
from stac_asset.redact import redact_href
from stac_asset.stac.compression import decompressed
from stac_asset.stac.given import read_source
from stac_asset.stac.json_text import loads
from stac_asset.stac.parse import Stac
from stac_asset.stac.read import read_pages

_STDIN = "standard input"


async def read_document(source: str | bytes, clients: Clients, config: Config) -> Stac:
    """Read the document of a command.

    Args:
        source: The href of the document as a string, or the document as bytes.
        clients: The clients of the run.
        config: Retries and timeouts.

    Raises:
        SourceError: The document cannot be read, or is not valid STAC.
    """
    if isinstance(source, str):
        return await read_source(source, clients, config)
    try:
        document = loads(decompressed(source), _STDIN)
    except ValueError as error:
        raise SourceError(f"{_STDIN} is not valid JSON: {error}") from None
    return await read_pages(document, None, _STDIN, clients, config)


def plan_document(
    run: Run,
    stac: Stac,
    source: str | bytes,
    file_name: str | None,
    path_template: str | None,
) -> PlannedRun:
    """Plan the assets of a document.

    Args:
        run: The run.
        stac: The document.
        source: The href of the document as a string, or the document as bytes.
        file_name: Name of the new document, if given.
        path_template: Template for the folder of each item of an item collection, if given.

    Raises:
        NoAssetsError: The document has no assets, or no asset is selected.
        ConfigError: The template is invalid, or the document is no item collection.
        DestinationError: The new document would replace the source.
    """
    try:
        planned = _planned(run, stac, source, file_name, path_template)
    except NoAssetsError as error:
        raise NoAssetsError(f"'{source_name(source)}': {error}") from None
    if next(iter(planned), None) is None:
        raise no_assets(stac, source)
    return planned


def no_assets(stac: Stac, source: str | bytes) -> NoAssetsError:
    """Return the error about a document without selected assets.

    Args:
        stac: The document.
        source: The href of the document as a string, or the document as bytes.
    """
    name = source_name(source)
    if isinstance(stac, pystac.ItemCollection) and not stac.items:
        return NoAssetsError(f"'{name}' has no items. Check the search that wrote the document.")
    owners = stac.items if isinstance(stac, pystac.ItemCollection) else [stac]
    if not any(asset.href for owner in owners for asset in owner.assets.values()):
        return NoAssetsError(f"'{name}' has no assets to download")
    return NoAssetsError(
        f"'{name}' has no assets that `include` and `exclude` select. Check both options and the "
        "asset keys."
    )


def source_name(source: str | bytes) -> str:
    """Return the name of a document for messages.

    Args:
        source: The href of the document as a string, or the document as bytes.
    """
    return redact_href(source) if isinstance(source, str) else _STDIN


def _planned(
    run: Run,
    stac: Stac,
    source: str | bytes,
    file_name: str | None,
    path_template: str | None,
) -> PlannedRun:
    if isinstance(stac, pystac.ItemCollection):
        href = source if isinstance(source, str) else None
        name = file_name or "item-collection.json"
        return run.planner.plan_item_collection(stac, name, path_template, href)
    if path_template is not None:
        raise ConfigError(
            f"`path_template` is only for item collections, and '{source_name(source)}' is not an "
            "item collection. Remove `--path-template`."
        )
    if isinstance(stac, pystac.Collection):
        return run.planner.plan_collection(stac, file_name or "collection.json")
    return run.planner.plan_item(stac, file_name)
