"""Internal: read the STAC object that a caller passed: an href, a path, JSON text, or a document.

The public functions and the command line use this module. Files of items, which are
newline-delimited JSON or stac-geoparquet, become an item collection in memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pystac

from stac_asset.config import Config
from stac_asset.errors import ConfigError, SourceError, StacAssetError
from stac_asset.hrefs import expand_home, parse_href
from stac_asset.redact import redact_href
from stac_asset.stac.item_collections import InvalidItem, ReadItems
from stac_asset.stac.item_files import is_item_stream
from stac_asset.stac.item_pages import open_item_pages
from stac_asset.stac.json_text import loads
from stac_asset.stac.parse import Stac, item_of, stac_of
from stac_asset.stac.read import read_pages, read_stac
from stac_asset.stac.unreadable import unreadable_text
from stac_asset.transfer.interface import Sources
from stac_asset.types import PathLikeObject

_T = TypeVar("_T", pystac.Item, pystac.Collection, pystac.ItemCollection)

Document: TypeAlias = Mapping[str, Any]
"""A parsed STAC document."""

ItemLike: TypeAlias = pystac.Item | PathLikeObject | Document
"""An item, or the href, path, JSON text or document of an item."""

CollectionLike: TypeAlias = pystac.Collection | PathLikeObject | Document
"""A collection, or the href, path, JSON text or document of a collection."""

ItemCollectionLike: TypeAlias = (
    pystac.ItemCollection | Iterable[pystac.Item | Document] | PathLikeObject | Document
)
"""An item collection, a list of items, or the href, path, JSON text or document of items."""

_INSTRUCTIONS: dict[type, str] = {
    pystac.Item: "Use `{verb}_item`.",
    pystac.Collection: "Use `{verb}_collection`, or `{verb}_item_collection` for its items.",
    pystac.ItemCollection: "Use `{verb}_item_collection`.",
    pystac.Catalog: "Catalogs have no assets: use `{verb}_item_collection` for their items.",
    pystac.Asset: "Use `download_asset`.",
}
"""Instructions for types that another function expects, by type."""


async def read_source(source: str, clients: Sources, config: Config) -> Stac:
    """Read an item, a collection, an item collection, or a file of items.

    Args:
        source: A URL or a local path. `~` at the start of a path is the home directory. The suffix
            selects newline-delimited JSON or stac-geoparquet.
        clients: The clients of the run.
        config: Retries and timeouts.

    Raises:
        SourceError: The document cannot be read, or is not valid STAC.
        ConfigError: The file is stac-geoparquet, and the `geoparquet` extra is not installed.
    """
    source = expand_home(source.strip())
    name = redact_href(source)
    try:
        if not is_item_stream(parse_href(source).path):
            return await read_stac(source, clients, config)
        with tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch:
            pages = await open_item_pages(source, clients, config, Path(scratch))
            document = {"features": [feature for feature, _ in pages.documents()]}
            return stac_of(document, pages.pages[0].base, name)
    except (ConfigError, SourceError):
        raise
    except StacAssetError as error:
        raise SourceError(unreadable_text(name, error)) from error


async def read_given(
    given: object, kind: type[_T], parameter: str, verb: str, clients: Sources, config: Config
) -> tuple[_T, str | None]:
    """Return the object that a caller passed, as an object of a type.

    Args:
        given: The object, or an href, a path, JSON text or a document of such an object. For item
            collections, also an iterable of items or documents.
        kind: The type that the function accepts.
        parameter: The name of the parameter, for errors.
        verb: The start of the names of functions that accept other types, such as "download".
        clients: The clients of the run.
        config: Retries and timeouts.

    Returns:
        The object, and the href that the object was read from, if any.

    Raises:
        SourceError: The object cannot be read, or is of another type. The message names the
            function for this type.
    """
    if isinstance(given, kind):
        return given, None
    found: object = given
    href: str | None = None
    if isinstance(given, Mapping):
        found = await read_pages(dict(given), None, parameter, clients, config)
    elif isinstance(given, str) and given.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        document = _parsed(given, parameter)
        if isinstance(document, list) and kind is pystac.ItemCollection:
            found = _item_collection(document, parameter)
        else:
            found = await read_pages(document, None, parameter, clients, config)
    elif isinstance(given, str | os.PathLike):
        href = expand_home(os.fsdecode(given).strip())
        found = await read_source(href, clients, config)
    elif kind is pystac.ItemCollection and _is_list(given):
        found = _item_collection(given, parameter)
    if isinstance(found, kind):
        return found, href
    shown = f"'{redact_href(href)}'" if href is not None else f"`{parameter}`"
    raise wrong_type(found, kind, shown, verb)


def wrong_type(found: object, kind: type[object], shown: str, verb: str) -> SourceError:
    """Return the error about an object of another type. The message names the right function.

    Args:
        found: The object.
        kind: The expected type.
        shown: The name of the object in the message.
        verb: The start of the names of the functions, such as 'download'.
    """
    hint = next(
        (
            text.format(verb=verb)
            for type_, text in _INSTRUCTIONS.items()
            if isinstance(found, type_)
        ),
        f"Pass a pystac {kind.__name__}, an href, a path, or the document as a dictionary.",
    )
    return SourceError(
        f"{shown} is of type {_name(found)}, but must be of type {kind.__name__}. {hint}"
    )


def given_href(given: object, parameter: str = "href") -> str:
    """Return the href that a caller passed to a function for a single file.

    Args:
        given: An href or a path. `~` at the start of a path is the home directory.
        parameter: The name of the parameter, for errors.

    Raises:
        SourceError: The value is neither an href nor a path.
    """
    if isinstance(given, str | os.PathLike):
        return expand_home(os.fsdecode(given))
    hint = "Pass `asset.href`." if isinstance(given, pystac.Asset) else "Pass a string or a `Path`."
    raise SourceError(f"`{parameter}` is of type {_name(given)}, but must be an href. {hint}")


def given_asset(given: object) -> pystac.Asset:
    """Return the asset that a caller passed.

    Args:
        given: An asset.

    Raises:
        SourceError: The value is not an asset.
    """
    if isinstance(given, pystac.Asset):
        return given
    raise SourceError(
        f"`asset` is of type {_name(given)}, but must be an Asset. Pass `pystac.Asset(href)`."
    )


def _parsed(text: str, parameter: str) -> Any:
    try:
        return loads(text, parameter)
    except ValueError as error:
        raise SourceError(f"`{parameter}` is not valid JSON: {error}") from None


def _is_list(given: object) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, pystac.STACObject | bytes)


def _item_collection(given: Any, parameter: str) -> pystac.ItemCollection:
    """Return the item collection of an iterable of items or documents."""
    items = []
    invalid = []
    for number, one in enumerate(given):
        if isinstance(one, Mapping):
            try:
                one = item_of(dict(one), None, number + 1)
            except SourceError as error:
                name = f"`{parameter}[{number}]`"
                invalid.append(InvalidItem(number + 1, name, error, dict(one)))
                continue
        if not isinstance(one, pystac.Item):
            raise SourceError(
                f"`{parameter}[{number}]` is of type {_name(one)}, but must be an Item. Pass items "
                "or documents of items, or the href of an item collection."
            )
        items.append(one)
    if invalid and not items:
        raise invalid[0].error
    read = ReadItems(items, clone_items=False)
    read.invalid = tuple(invalid)
    return read


def _name(found: object) -> str:
    if isinstance(found, pystac.ItemCollection):
        return pystac.ItemCollection.__name__
    return "None" if found is None else type(found).__name__
