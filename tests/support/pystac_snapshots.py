"""Snapshots of pystac objects, to detect changes."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

import pystac

Owner: TypeAlias = pystac.Item | pystac.Collection | pystac.Catalog

_SEPARATE_FIELDS = {"links", "assets", "collection", "_stac_io"}
"""Fields that are omitted, or compared in another form."""


def snapshot(owner: Owner) -> dict[str, Any]:
    """Return the complete state of a pystac object, without `to_dict`, which changes items."""
    state: dict[str, Any] = {"links": [_link_snapshot(link) for link in owner.links]}
    if not isinstance(owner, pystac.Item):
        state["fields"] = copy.deepcopy((owner.id, owner.title, owner.extra_fields))
    if isinstance(owner, pystac.Item):
        own_fields = {
            name: value for name, value in vars(owner).items() if name not in _SEPARATE_FIELDS
        }
        state["fields"] = copy.deepcopy(own_fields)
    if isinstance(owner, pystac.Collection):
        state["extent"] = owner.extent.to_dict()
        state["more"] = copy.deepcopy((owner.license, owner.keywords, owner.stac_extensions))
    if not isinstance(owner, pystac.Catalog) or isinstance(owner, pystac.Collection):
        state["assets"] = [(key, _asset_snapshot(asset)) for key, asset in owner.assets.items()]
    return state


def _asset_snapshot(asset: pystac.Asset) -> dict[str, Any]:
    own_fields = {name: value for name, value in vars(asset).items() if name != "owner"}
    return {"identity": id(asset), "owner": id(asset.owner), **copy.deepcopy(own_fields)}


def _link_snapshot(link: pystac.Link) -> dict[str, Any]:
    own_fields = {
        name: value for name, value in vars(link).items() if name not in ("owner", "_target_object")
    }
    target = id(link._target_object)
    return {
        "identity": id(link),
        "owner": id(link.owner),
        "target": target,
        **copy.deepcopy(own_fields),
    }
