"""Values that the stages plan, transfer and rewrite pass to each other.

All values are frozen, can be pickled, and contain no pystac objects or sessions. The dry run, the
Prefect tasks and the report use these values too. Hrefs may be signed, so reprs and report rows do
not show the query.
"""

from __future__ import annotations

import copy
import dataclasses
from asyncio import Queue
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, TypeAlias

from stac_asset.errors import StacAssetError
from stac_asset.messages import Message
from stac_asset.redact import redact_href

PathLikeObject: TypeAlias = PathLike[Any] | str
"""A path-like object or a string."""

MessageQueue: TypeAlias = Queue[Message]
"""A queue that receives progress messages."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The object store of an asset, as declared by the item (storage extension)."""

    region: str | None = None
    """The region of the bucket."""

    endpoint: str | None = None
    """The URL of an S3-compatible service.

    Requests to this service are not signed, because only the item declares the URL.
    """

    requester_pays: bool = False
    """Whether the requester pays for the download."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A source href of an asset, with the destination file."""

    href: str = field(repr=False)
    """The absolute href. Not part of the repr, because hrefs may be signed."""

    path: str
    """The absolute path of the destination file."""

    storage: Storage | None = None
    """The object store of the href, if declared by the item."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """An asset to download: the unit of work."""

    owner: str
    """The item or collection that owns the asset, e.g. `item 'S2B_31UFU'`."""

    key: str
    """The asset key."""

    candidates: tuple[Candidate, ...]
    """The source hrefs in order of preference. Never empty."""

    directory: str
    """The destination directory. All files are inside."""

    owner_id: str | None = None
    """The id of the item or collection."""

    content_type: str | None = None
    """The media type that the asset declares."""

    size: int | None = None
    """Size in bytes, as declared by `file:size`."""

    checksum: str | None = None
    """The value of `file:checksum`, unchanged."""

    overwrite: bool = False
    """Replace an existing file, which is known to be of another version."""

    shared_with: tuple[str, ...] = ()
    """Keys of other assets of the owner that have the same source, and share the file."""

    roles: tuple[str, ...] = ()
    """The roles of the asset, such as `data` or `metadata`."""

    verify: bool = False
    """Verify the size and checksum of an existing file, whatever `verify_existing` is."""

    @property
    def href(self) -> str:
        """The preferred href."""
        return self.candidates[0].href

    @property
    def path(self) -> str:
        """The destination file of the preferred href."""
        return self.candidates[0].path


@dataclass(frozen=True, slots=True)
class Downloaded:
    """An asset that was downloaded and verified."""

    transfer: Transfer
    candidate: Candidate
    """The candidate that was downloaded."""

    size: int
    """Size of the file, in bytes."""

    received: int
    """Bytes received over the network. Less than `size` if a part file was resumed."""

    seconds: float
    """Wall time in seconds, including retries."""

    attempts: int = 1
    """Number of attempts."""

    checksum: str | None = None
    """Multihash of the file, if computed."""

    state = "downloaded"


@dataclass(frozen=True, slots=True)
class Skipped:
    """An asset that was skipped, because a valid file already exists."""

    transfer: Transfer
    candidate: Candidate
    """The candidate that the existing file belongs to."""

    size: int
    """Size of the file, in bytes."""

    checksum: str | None = None
    """Multihash of the file, if computed."""

    shares_file: bool = False
    """Whether the file belongs to another asset of the item, which has the same source."""

    state = "skipped"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A complete file of an earlier run, which the document of a failed asset still references."""

    path: str
    """The absolute path of the file."""

    size: int
    """Size of the file, in bytes."""

    asset: Mapping[str, Any] | None = field(default=None, repr=False)
    """The asset in the document of the earlier run, which describes the file, if any."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An asset that could not be downloaded."""

    owner: str
    """The item or collection that owns the asset."""

    key: str
    """The asset key."""

    error: Exception
    """The reason. The text contains the owner, the key and usually the href."""

    transfer: Transfer | None = None
    """The planned transfer, if the download could be planned."""

    attempts: int = 0
    """Number of attempts."""

    received: int = 0
    """Bytes received over the network before the failure."""

    seconds: float = 0.0
    """Wall time in seconds, including retries."""

    kept: KeptFile | None = None
    """The file of an earlier run that the document still references, if any."""

    state = "failed"


Outcome: TypeAlias = Downloaded | Skipped | Failed
"""The result of the download of an asset."""


def outcomes_per_asset(outcome: Outcome) -> list[Outcome]:
    """Return the outcomes of all assets that share the file of a transfer.

    Args:
        outcome: The outcome of a transfer.
    """
    transfer = outcome.transfer
    if transfer is None or not transfer.shared_with:
        return [outcome]
    own = dataclasses.replace(transfer, shared_with=())
    outcomes: list[Outcome] = [dataclasses.replace(outcome, transfer=own)]
    for key in transfer.shared_with:
        other = dataclasses.replace(own, key=key)
        if isinstance(outcome, Failed):
            error = copy.copy(outcome.error)
            if isinstance(error, StacAssetError):
                error.key = key
            outcomes.append(Failed(outcome.owner, key, error, other))
        else:
            outcomes.append(
                Skipped(other, outcome.candidate, outcome.size, outcome.checksum, shares_file=True)
            )
    return outcomes


def asset_key(outcome: Outcome) -> str:
    """Return the key of the asset of an outcome.

    Args:
        outcome: The outcome of one asset.
    """
    return outcome.key if isinstance(outcome, Failed) else outcome.transfer.key


def outcome_row(outcome: Outcome) -> dict[str, str | int | float | None]:
    """Return an outcome as a flat, JSON-serializable row of the report. Hrefs are redacted.

    Args:
        outcome: The outcome of one asset.
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
            if outcome.kept is not None:
                row["kept"] = outcome.kept.path
    return row
