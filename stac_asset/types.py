"""The values that pass from plan to transfer to rewrite.

They are frozen and hold no pystac object, session or credential, so that they pickle and turn
into JSON: the dry run, what a Prefect task receives, and the rows of the report.
"""

from __future__ import annotations

from asyncio import Queue
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, TypeAlias

from stac_asset.messages import Message
from stac_asset.redact import redact_href

PathLikeObject: TypeAlias = PathLike[Any] | str
"""Anything that names a path."""

MessageQueue: TypeAlias = Queue[Message]
"""Where progress is reported."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What an item says of the object store that holds an asset (storage extension)."""

    region: str | None = None
    """The region of the bucket."""

    endpoint: str | None = None
    """The URL of an S3-compatible service; asked without credentials, as only the item names it."""

    requester_pays: bool = False
    """Whether who downloads pays."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One href from which an asset can be fetched, and the file that it would become."""

    href: str = field(repr=False)
    """The absolute href. It may be signed, so it is not shown."""

    path: str
    """The absolute path of the file."""

    storage: Storage | None = None
    """What the item says of the object store, if anything."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One asset to download: the unit of work."""

    owner: str
    """Whose asset it is, e.g. `item 'S2B_31UFU'`."""

    key: str
    """The asset's key."""

    candidates: tuple[Candidate, ...]
    """Where it can be had from, the preferred one first. Never empty."""

    directory: str
    """The directory that no file may leave."""

    owner_id: str | None = None
    """The id of the item or collection."""

    content_type: str | None = None
    """The media type that the asset says."""

    size: int | None = None
    """Bytes, where `file:size` tells."""

    checksum: str | None = None
    """The multihash that `file:checksum` tells, as it stands in the item."""

    overwrite: bool = False
    """Whether a file that is there already is known to be of another version."""

    @property
    def href(self) -> str:
        """The preferred href."""
        return self.candidates[0].href

    @property
    def path(self) -> str:
        """The file that the preferred href becomes."""
        return self.candidates[0].path


@dataclass(frozen=True, slots=True)
class Downloaded:
    """An asset whose whole, verified file is in its place."""

    transfer: Transfer
    candidate: Candidate
    """Which of the candidates was fetched."""

    size: int
    """Bytes of the file."""

    received: int
    """Bytes that came over the network; fewer than `size` where a part file was continued."""

    seconds: float
    """Wall time, retries included."""

    attempts: int = 1
    """How often it was tried."""

    checksum: str | None = None
    """The file's own multihash, where one was computed."""

    state = "downloaded"


@dataclass(frozen=True, slots=True)
class Skipped:
    """An asset whose file was there already, and nothing contradicted it."""

    transfer: Transfer
    candidate: Candidate
    """Which of the candidates the file belongs to."""

    size: int
    """Bytes of the file."""

    checksum: str | None = None
    """The file's own multihash, where one was computed."""

    state = "skipped"


@dataclass(frozen=True, slots=True)
class Failed:
    """An asset that could not be downloaded, with the error that says why."""

    owner: str
    """Whose asset it is."""

    key: str
    """The asset's key."""

    error: Exception
    """Why; its text names owner, key and href."""

    transfer: Transfer | None = None
    """What was to be done, if a plan could be made."""

    attempts: int = 0
    """How often it was tried."""

    received: int = 0
    """Bytes that came over the network, for nothing."""

    seconds: float = 0.0
    """Wall time, retries included."""

    state = "failed"


Outcome: TypeAlias = Downloaded | Skipped | Failed
"""What became of one asset."""


def outcome_row(outcome: Outcome) -> dict[str, str | int | float | None]:
    """Returns an outcome as a flat, JSON-able row, hrefs redacted: the row of the report.

    Args:
        outcome: What became of one asset.
    """
    row: dict[str, str | int | float | None] = {"state": outcome.state}
    if isinstance(outcome, Failed):
        transfer, candidate = outcome.transfer, None
        row |= {"owner": outcome.owner, "key": outcome.key}
    else:
        transfer, candidate = outcome.transfer, outcome.candidate
        row |= {"owner": transfer.owner, "key": transfer.key}
    if transfer is not None:
        candidate = candidate or transfer.candidates[0]
        row |= {"href": redact_href(candidate.href), "path": candidate.path}
    match outcome:
        case Downloaded():
            row |= {
                "bytes": outcome.size,
                "received": outcome.received,
                "seconds": round(outcome.seconds, 3),
                "attempts": outcome.attempts,
                "checksum": outcome.checksum,
            }
        case Skipped():
            row |= {"bytes": outcome.size, "checksum": outcome.checksum}
        case Failed():
            row |= {
                "received": outcome.received,
                "seconds": round(outcome.seconds, 3),
                "attempts": outcome.attempts,
                "error": type(outcome.error).__name__,
                "message": str(outcome.error),
            }
    return row
