"""Convert JSON documents to pystac objects.

The self link of each object becomes the href that the document was read from, if known. Malformed
assets and links do not prevent the use of the rest of a document.
"""

from __future__ import annotations

import marshal
import re
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pystac
from pystac.utils import str_to_datetime

from stac_asset.errors import HrefError, SourceError
from stac_asset.hrefs import absolute_href, is_local
from stac_asset.notices import notice
from stac_asset.stac.compression import decompressed
from stac_asset.stac.item_collections import REPEATED, InvalidItem, ReadItems
from stac_asset.stac.item_files import UnreadableItem
from stac_asset.stac.json_text import loads
from stac_asset.stac.local_facts import ReadFrom
from stac_asset.stac.next_page import without_paging

Stac: TypeAlias = pystac.Item | pystac.Collection | pystac.ItemCollection
"""The types of STAC objects that can be downloaded."""

_WITHOUT_TYPE = re.compile(r"0\.|1\.0\.0-beta")
"""Versions of STAC in which catalogs and collections have no `type`."""

_CONTAINERS = frozenset({dict, list})
_MAX_DEPTH = 200
"""Maximum number of nested objects and lists in an item, so that the item can be copied."""

_KINDS = frozenset({"Catalog", "Collection", "Feature", "FeatureCollection"})


def load_stac(path: Path, base: str | None = None) -> Stac:
    """Return the STAC object of a local document, such as the output of a download.

    Args:
        path: The path of the document.
        base: The href of the document, if the path is a temporary copy.

    Raises:
        OSError: The document cannot be read.
        SourceError: The document is not valid JSON or not valid STAC.
    """
    name = base or str(path)
    try:
        document = loads(decompressed(path.read_bytes()), name)
    except ValueError as error:
        raise SourceError(f"'{name}' is not valid JSON: {error}") from None
    return stac_of(document, base or str(path.absolute()), name)


def stac_of(document: Any, base: str | None, name: str) -> Stac:
    """Return the STAC object for a parsed JSON document.

    Args:
        document: The parsed document, of any type. The document is not modified.
        base: The href that the document was read from. If None, the self link of the document is
            used, unless it is a local path.
        name: Name of the document in errors.

    Raises:
        SourceError: The document is not a valid STAC item, collection or item collection.
    """
    kind = kind_of(document)
    try:
        if kind == "Feature" and isinstance(document.get("assets"), dict):
            item = _item(document)
            _set_self_href(item, base or _own_href(document, base))
            return item
        if kind == "Collection":
            repaired, is_old = _repaired(document), _needs_migration(document)
            collection = pystac.Collection.from_dict(repaired, migrate=is_old)
            _restore_malformed_hrefs(collection, document)
            _set_self_href(collection, base or _own_href(document, base))
            # pystac reads some collections that it cannot copy or write. Raise that error now. The
            # links are removed, because pystac fetches the parent for a copy.
            trial = pystac.Collection.from_dict({**repaired, "links": []}, migrate=is_old)
            trial.clone().to_dict(include_self_link=False, transform_hrefs=False)
            return collection
        if kind == "FeatureCollection":
            features = document.get("features")
            if not isinstance(features, list):
                raise ValueError("`features` is not a list")
            return item_collection_of([(document, base)], name)
    except SourceError:
        raise
    except Exception as error:  # pystac does not document the errors for malformed documents.
        reason = (_item_error(document) if kind == "Feature" else None) or _text(error)
        raise SourceError(f"'{name}' is not a valid STAC {kind}: {reason}") from None
    raise SourceError(
        f"'{name}' is not a STAC item, collection or item collection: {_unusable(document, kind)}"
    )


def _unusable(document: Any, kind: str | None) -> str:
    """Return the reason why a document has none of the types of STAC objects with assets."""
    if kind == "Feature":
        return "`assets` is missing or not a JSON object"
    if kind == "Catalog":
        return (
            "it is a catalog or the start page of an API, which has no assets. Give an item or "
            "the result of a search, or mirror the catalog with `sync`."
        )
    if not isinstance(document, dict):
        return "the document is not a JSON object"
    return (
        f"`type` is {reprlib.repr(document.get('type'))}, expected 'Feature', 'Collection' or "
        "'FeatureCollection'"
    )


def item_collection_of(pages: Sequence[tuple[dict[str, Any], str | None]], name: str) -> ReadItems:
    """Return the items of all pages of an item collection.

    Args:
        pages: The document and the href of each page, if known. The documents are not modified.
        name: Name of the item collection in errors.

    Raises:
        SourceError: There are items, and none of them is valid.
    """
    documents = ((feature, base) for page, base in pages for feature in page["features"])
    entries = list(items_of(documents, name))
    items = [entry for entry in entries if isinstance(entry, pystac.Item)]
    first, _ = pages[0]
    fields = {k: v for k, v in first.items() if k not in ("features", "type")}
    fields = without_paging(fields) if len(pages) > 1 else fields
    read = ReadItems(items, extra_fields=fields, clone_items=False)
    read.invalid = tuple(entry for entry in entries if isinstance(entry, InvalidItem))
    return read


def items_of(
    documents: Iterable[tuple[Any, str | None]], name: str
) -> Iterator[pystac.Item | InvalidItem]:
    """Yield the items of an item collection, and the documents that are not valid items.

    Of several identical documents, only the first is yielded.

    Args:
        documents: The documents of the items, each with the href of its page, if known. They are
            not modified.
        name: Name of the item collection in errors.

    Raises:
        SourceError: There are documents, and no document is a valid item.
    """
    seen: set[int] = set()
    invalid: SourceError | None = None
    is_valid = False
    for number, (document, base) in enumerate(documents, 1):
        digest = _digest(document)
        if digest in seen:
            notice(REPEATED, _item_name(document, number))
            continue
        if digest is not None:
            seen.add(digest)
        try:
            item = item_of(document, base, number)
        except SourceError as error:
            invalid = invalid or error
            yield InvalidItem(number, _item_name(document, number), error, document)
        else:
            is_valid = True
            yield item
    if invalid is not None and not is_valid:
        raise SourceError(f"'{name}' is not a valid item collection: {invalid}")


def _digest(document: Any) -> int | None:
    """Return a digest that is the same for identical documents."""
    try:
        # `marshal` is five times as fast as `json`. Its version 2 writes equal values equally.
        return hash(marshal.dumps(document, 2))
    except ValueError:  # Nested too deeply, or a type that JSON does not have.
        return None


def _item_name(document: Any, number: int | None) -> str:
    """Return the position and id of an item, such as `item 3 ('S2B_31UFU')`."""
    name = "item" if number is None else f"item {number}"
    if isinstance(document, dict) and "id" in document:
        name += f" ({reprlib.repr(document['id'])})"
    return name


def kind_of(document: Any) -> str | None:
    """Return the type of a STAC or GeoJSON document, or None for other documents.

    STAC 0.9 and older have catalogs and collections without `type`. The type of a document without
    `type` follows from its other fields.

    Args:
        document: The parsed document, of any type.

    Returns:
        `Catalog`, `Collection`, `Feature`, `FeatureCollection`, or None.
    """
    if not isinstance(document, dict):
        return None
    declared = document.get("type")
    if declared:
        return declared if isinstance(declared, str) and declared in _KINDS else None
    if isinstance(document.get("features"), list):
        return "FeatureCollection"
    if not isinstance(document.get("id"), str):
        return None
    if isinstance(document.get("properties"), dict) and document.keys() & {"geometry", "assets"}:
        return "Feature"
    if not isinstance(document.get("links"), list):
        return None
    return "Collection" if document.keys() & {"extent", "license"} else "Catalog"


def item_of(feature: Any, base: str | None, number: int | None = None) -> pystac.Item:
    """Return an item of an item collection.

    Args:
        feature: The document of the item. The document is not modified.
        base: The href that the item collection was read from, if known.
        number: Position of the item in the collection, from 1, for errors.

    Raises:
        SourceError: The document is not a valid STAC item.
    """
    try:
        _check_depth(feature)
        item = _item(feature)
    except Exception as error:  # As in `stac_of`.
        reason = _item_error(feature) or _text(error)
        name = _item_name(feature, number)
        raise SourceError(f"{name} is not valid STAC: {reason}") from None
    _set_self_href(item, _own_href(feature, base))
    return item


def _item(document: Any) -> pystac.Item:
    if isinstance(document, UnreadableItem):
        raise ValueError(document.reason)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    if "id" not in document:
        raise ValueError("`id` is missing")
    if type(document["id"]) not in (str, int):
        raise ValueError("`id` is not a text")
    for name in ("properties", "assets"):
        if not isinstance(document.get(name), dict):
            raise ValueError(f"`{name}` is not a JSON object")
    is_old = _needs_migration(document)
    # Only a migration modifies the document. Copying is slow, so copy only for a migration.
    item = pystac.Item.from_dict(_repaired(document), migrate=is_old, preserve_dict=is_old)
    _restore_malformed_hrefs(item, document)
    return item


def _item_error(document: Any) -> str | None:
    """Return the reason why pystac cannot read an item, if pystac's own text is unclear."""
    if not isinstance(document, dict) or not isinstance(document.get("properties"), dict):
        return None
    if (kind := document.get("type", "Feature")) != "Feature":
        return f"`type` is {reprlib.repr(kind)}, expected 'Feature'"
    time = document["properties"].get("datetime")
    try:
        if time is not None:
            str_to_datetime(time)
    except (ValueError, TypeError, OverflowError):
        return f"`datetime` is {reprlib.repr(time)}, which is not a time"
    return None


def _text(error: Exception) -> str:
    """Return the text of an error of pystac."""
    if isinstance(error, KeyError) and error.args:  # The text of a KeyError is the key alone.
        return f"`{error.args[0]}` is missing"
    return str(error) or type(error).__name__


def _check_depth(document: Any) -> None:
    """Check that the values of a document are not nested too deeply to be copied.

    Raises:
        ValueError: The values are nested too deeply.
    """
    level, depth = [document] if type(document) in _CONTAINERS else [], 0
    while level:
        if depth > _MAX_DEPTH:
            raise ValueError(f"the values are nested more than {_MAX_DEPTH} levels deep")
        values = (one.values() if type(one) is dict else one for one in level)
        level = [value for some in values for value in some if type(value) in _CONTAINERS]
        depth += 1


def _repaired(document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a document without the malformed assets and links that pystac rejects.

    An asset without a valid href gets an empty href, so that only this asset fails. A link without
    a valid `rel` or `href` is removed, and so are a `collection` that is no id, and entries of
    `stac_extensions` that are no texts. A document without
    `stac_version` is read as STAC 1.0.
    """
    kind = kind_of(document)
    repaired = {**document, "type": kind, "stac_version": _version_of(document)}
    if kind == "Collection" and _WITHOUT_TYPE.match(_version_of(document)):
        del repaired["type"]  # pystac recognizes collections of these versions without the field.
    assets, links = document.get("assets"), document.get("links")
    if kind == "Feature" and type(document.get("collection")) not in (str, int):
        repaired.pop("collection", None)
    if isinstance(assets, dict):
        repaired["assets"] = {key: _with_href(asset) for key, asset in assets.items()}
    extensions = document.get("stac_extensions")
    if isinstance(extensions, list):
        repaired["stac_extensions"] = [uri for uri in extensions if isinstance(uri, str)]
    links = links if isinstance(links, list) else ()
    repaired["links"] = [link for link in links if _is_link(link)]
    return repaired


def _with_href(asset: object) -> dict[str, Any]:
    """Return the asset, or a copy with an empty href if the href is not a text."""
    fields = asset if isinstance(asset, dict) else {}
    return fields if isinstance(fields.get("href"), str) else {**fields, "href": ""}


def _restore_malformed_hrefs(
    owner: pystac.Item | pystac.Collection, document: dict[str, Any]
) -> None:
    """Set the hrefs that pystac rejects, so that the assets fail and not only lack an href."""
    assets = document.get("assets")
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        href = asset.get("href") if isinstance(asset, dict) else asset
        if href is None or (isinstance(href, str) and href is not asset):
            continue
        owner.assets[key].href = [href]  # type: ignore[assignment] # the planner checks the type


def _is_link(link: object) -> bool:
    return isinstance(link, dict) and all(
        isinstance(link.get(name), str) and link[name] for name in ("rel", "href")
    )


def _needs_migration(document: dict[str, Any]) -> bool:
    """Return whether a document is older than STAC 1.0."""
    return not _version_of(document).startswith("1")


def _version_of(document: dict[str, Any]) -> str:
    """Return the STAC version of a document. The default is 1.0.0."""
    version = document.get("stac_version")
    if isinstance(version, str) and version:
        return version
    is_number = isinstance(version, int | float) and not isinstance(version, bool)
    return f"{version:.1f}.0" if is_number else "1.0.0"


def _set_self_href(owner: pystac.Item | pystac.Collection, base: str | None) -> None:
    # `set_self_href` would rewrite relative asset hrefs.
    owner.remove_links(pystac.RelType.SELF)
    if base is not None:
        link = ReadFrom(pystac.RelType.SELF, base, pystac.MediaType.JSON)
        link.target = base  # The constructor converts paths. Keep the href unchanged.
        owner.add_link(link)


def _own_href(document: dict[str, Any], base: str | None) -> str | None:
    """Return the self href of a document. A remote document cannot declare a local self href."""
    links = document.get("links")
    claims = [link for link in links if _is_link(link)] if isinstance(links, list) else []
    claimed = next((link["href"] for link in claims if link["rel"] == "self"), None)
    try:
        own = absolute_href(claimed, base)
    except HrefError:
        return base
    return base if is_local(own) and (base is None or not is_local(base)) else own
