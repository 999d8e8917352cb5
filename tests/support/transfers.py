"""Transfers of single files, for tests that run the engine directly."""

from __future__ import annotations

from pathlib import Path

from stac_asset.types import Candidate, Transfer


def file_transfer(href: str, path: Path) -> Transfer:
    """Return the transfer of an asset whose key is the file name without the extension.

    Args:
        href: The href of the file.
        path: The path of the downloaded file.
    """
    return Transfer("item 'a'", path.stem, (Candidate(href, str(path)),), str(path.parent))
