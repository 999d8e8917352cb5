"""Results of existence checks, and the error of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stac_asset.errors import DownloadError, NotFoundError, StacAssetError, accepts_text
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Stat
from stac_asset.types import Candidate, Failed, Transfer


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of the existence check of an asset."""

    owner: str
    """The item or collection of the asset, such as `item 'a'`."""

    key: str
    """The asset's key."""

    href: str | None
    """The checked href, without query. `None` if the asset could not be planned."""

    exists: bool | None
    """Whether the asset exists. `None` if the check failed."""

    size: int | None = None
    """Size in bytes, as reported by the source or declared by `file:size`."""

    media_type: str | None = None
    """The media type that the asset declares, or the content type that the source reports."""

    error: StacAssetError | None = None
    """The error, if the asset does not exist or the check failed."""

    def row(self) -> dict[str, Any]:
        """Return the result as a row of the report: flat, JSON-serializable values."""
        return {
            "owner": self.owner,
            "key": self.key,
            "href": self.href,
            "exists": self.exists,
            "bytes": self.size,
            "media_type": self.media_type,
            "error": str(self.error) if self.error is not None else None,
        }


def existing_asset(transfer: Transfer, candidate: Candidate, stat: Stat) -> Checked:
    """Return the result for an asset that exists.

    Args:
        transfer: The planned asset.
        candidate: The href where the asset exists.
        stat: The size and content type that the source reports.
    """
    return Checked(
        owner=transfer.owner,
        key=transfer.key,
        href=redact_href(candidate.href),
        exists=True,
        size=stat.size if stat.size is not None else transfer.size,
        media_type=transfer.content_type or stat.content_type,
    )


def failed_check(asset: Transfer | Failed, error: StacAssetError) -> Checked:
    """Return the result for an asset that is missing, or for a failed check.

    Args:
        asset: The asset. `Failed` if it could not be planned.
        error: The error. Its `owner` and `key` are set to those of a planned asset.
    """
    if isinstance(asset, Transfer):  # Otherwise the planner has set them.
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
    """Raised by a task in which assets of a batch do not exist or cannot be checked.

    Args:
        found: The results for all assets of the batch.
    """

    found: list[Checked]
    """The results for all assets. Empty in an error that was created from text."""

    @accepts_text
    def __init__(self, found: Sequence[Checked]) -> None:
        errors = [checked.error for checked in found if checked.error is not None]
        super().__init__(errors, total=len(found))
        self.args = (found,)
        self.found = list(found)

    def _restore(self, text: str) -> None:
        super()._restore(text)
        self.found = []
