"""Internal: finds stored files that cannot be the asset, such as login pages.

The index records which items were examined, so that later runs need not read the files again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stac_asset.config import Config
from stac_asset.mirror.storage.interface import MirrorStorage


def unusable_files(
    assets: Any,
    storage: MirrorStorage,
    folder: str,
    files: Mapping[str, tuple[str, int | None]],
    config: Config,
) -> tuple[str, ...]:
    """Return the keys of assets with an empty file, or with a web page in place of the file.

    Args:
        assets: The assets of the item's document, of any shape.
        storage: The files of the mirror.
        folder: The path of the folder of the document.
        files: Name and size of each asset's file, by asset key.
        config: Which content is accepted.
    """
    return tuple(
        key
        for key, (name, _) in files.items()
        if storage.stored_error(
            f"{folder}/{name}", assets[key].get("type"), assets[key].get("roles"), config
        )
    )
