"""What a check of assets finds: of one, of a batch, and of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stac_asset.errors import DownloadError, NotFoundError, StacAssetError
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Stat
from stac_asset.types import Candidate, Failed, Transfer


@dataclass(frozen=True, slots=True)
class Checked:
    """What the sources of one asset say of it."""

    owner: str
    """Whose asset it is."""

    key: str
    """The asset's key."""

    href: str | None
    """The href that was asked, without its query; None where there is none to ask."""

    exists: bool | None
    """Whether it exists; None where its source does not tell."""

    size: int | None = None
    """Bytes, where the source or `file:size` tells."""

    media_type: str | None = None
    """The media type that the asset says, or else the source."""

    error: StacAssetError | None = None
    """Why it does not exist, or why nobody can tell."""

    def row(self) -> dict[str, Any]:
        """Returns it as flat, JSON-able values: the row of the report."""
        return {
            "owner": self.owner,
            "key": self.key,
            "href": self.href,
            "exists": self.exists,
            "bytes": self.size,
            "media_type": self.media_type,
            "error": str(self.error) if self.error is not None else None,
        }


def answered(transfer: Transfer, candidate: Candidate, stat: Stat) -> Checked:
    """Returns what is known of an asset that exists.

    Args:
        transfer: The planned asset.
        candidate: Where it can be had from.
        stat: What the source says.
    """
    return Checked(
        owner=transfer.owner,
        key=transfer.key,
        href=redact_href(candidate.href),
        exists=True,
        size=stat.size if stat.size is not None else transfer.size,
        media_type=transfer.content_type or stat.content_type,
    )


def unanswered(asset: Transfer | Failed, error: StacAssetError) -> Checked:
    """Returns what is known of an asset that does not exist, or cannot be asked for.

    Args:
        asset: The asset, planned or not.
        error: Why; it is told whose it is.
    """
    error.owner, error.key = asset.owner, asset.key
    exists = False if isinstance(error, NotFoundError) else None
    if isinstance(asset, Failed):
        return Checked(asset.owner, asset.key, None, exists, error=error)
    return Checked(
        owner=asset.owner,
        key=asset.key,
        href=redact_href(asset.href),
        exists=exists,
        size=asset.size,
        media_type=asset.content_type,
        error=error,
    )


class CheckError(DownloadError):
    """Raised by a batch some of whose assets do not exist; it knows what was found of the others.

    Args:
        found: What was found of the batch's assets. Or the text of such an error, which has no
            findings.
    """

    def __init__(self, found: Sequence[Checked] | str) -> None:
        self.found: list[Checked] = []
        if isinstance(found, str):
            super().__init__(found)
            return
        super().__init__([one.error for one in found if one.error is not None], total=len(found))
        self.args = (found,)
        self.found = list(found)
