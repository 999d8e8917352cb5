"""Internal: the documents of shares and of results. All functions of this module are pure.

A share is a JSON object. A result is newline-delimited JSON with a row per asset, as in the report
of a run, with the positions of the item, the transfer and the candidate.

The documents are in the destination, where others may change them. So a document is validated: a
share cannot write outside of the destination, and cannot read local files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from prefect_stac_asset.flows.distribution.shares import Share, ShareItem
from prefect_stac_asset.flows.execution.budgets.errors import BudgetError
from prefect_stac_asset.flows.execution.runner import WorkerError
from stac_asset import errors
from stac_asset.destinations.location import StorePath, inside, is_store
from stac_asset.errors import SourceError, StacAssetError, UnexpectedError
from stac_asset.hrefs import is_local
from stac_asset.stac.json_text import loads
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, Transfer, outcome_row

_KIND = "stac-asset-share"
"""The value of `type` in the document of a share."""

_ITEM = TypeAdapter(ShareItem)
_ITEMS = TypeAdapter(tuple[ShareItem, ...])


@dataclass(frozen=True, slots=True)
class ShareOutcome:
    """The outcome of a transfer, with the positions in the share, from 0."""

    item: int
    """Position of the item in the share."""

    transfer: int
    """Position of the transfer in the item."""

    outcome: Outcome
    """The outcome."""


def item_bytes(item: ShareItem) -> bytes | None:
    """Return the JSON of an item, if all texts are valid Unicode.

    Args:
        item: The item.
    """
    try:
        return _ITEM.dump_json(item, exclude_defaults=True)
    except PydanticSerializationError:
        return None


def share_bytes(directory: str, items: Iterable[bytes]) -> bytes:
    """Return the document of a share.

    Args:
        directory: The destination.
        items: The items, as `item_bytes` returned them.
    """
    head = json.dumps({"type": _KIND, "directory": directory})[:-1].encode()
    return head + b', "items": [\n' + b",\n".join(items) + b"\n]}\n"


def parse_share(id: str, folder: StorePath, data: bytes) -> Share:
    """Return the share of a document.

    Args:
        id: The name of the share.
        folder: The location of the folder of the document, which is in the destination.
        data: The document.

    Raises:
        SourceError: The document is no share, or leads outside of the destination.
    """
    try:
        document = loads(data)
        if not isinstance(document, dict) or document.get("type") != _KIND:
            raise SourceError(f"The type is not '{_KIND}'")
        directory = document.get("directory")
        if not isinstance(directory, str) or not f"{folder}/".startswith(f"{directory}/"):
            raise SourceError("The directory does not contain the share")
        items = _ITEMS.validate_python(document.get("items"))
        if not items or not all(item.transfers for item in items):
            raise SourceError("The share or an item of the share is empty")
        for item in items:
            for transfer in item.transfers:
                _check(transfer, directory)
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, reason["loc"]))
        raise _invalid(folder, id, f"{place}: {reason['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise _invalid(folder, id, str(error)) from None
    return Share(id, directory, items)


def result_bytes(outcomes: Iterable[ShareOutcome]) -> bytes:
    """Return the document with the result of a share.

    Args:
        outcomes: The outcomes of the transfers. Hrefs are redacted.
    """
    lines = []
    for one in outcomes:
        row: dict[str, Any] = outcome_row(one.outcome)
        row |= {"item": one.item, "transfer": one.transfer}
        if isinstance(one.outcome, Failed):
            error = one.outcome.error
            row["reason"] = error.message if isinstance(error, StacAssetError) else str(error)
        else:
            candidates = one.outcome.transfer.candidates
            row["candidate"] = candidates.index(one.outcome.candidate)
        lines.append(json.dumps(row).encode() + b"\n")
    return b"".join(lines)


def parse_result(share: Share, data: bytes) -> list[list[Outcome]]:
    """Return the outcomes of each item of a share.

    An item whose download did not end has fewer outcomes than transfers.

    Args:
        share: The share.
        data: The result of the share.

    Raises:
        SourceError: The document is no result of this share.
    """
    found: list[dict[int, Outcome]] = [{} for _ in share.items]
    try:
        for line in data.splitlines():
            row = loads(line)
            item, number = row["item"], row["transfer"]
            if min(item, number) < 0:
                raise ValueError("A position is negative")
            found[item][number] = _outcome(share.items[item].transfers[number], row)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise SourceError(
            f"The result of share '{share.id}' is damaged ({type(error).__name__}). Remove the "
            "document."
        ) from None
    return [[outcomes[number] for number in sorted(outcomes)] for outcomes in found]


def failed_transfer(share: Share, error: Exception) -> ShareOutcome:
    """Return the outcome of the transfer that ended a share with `fail_fast`.

    Args:
        share: The share.
        error: The error. If it names no asset of the share, the first asset gets the error.
    """
    owner, key = getattr(error, "owner", None), getattr(error, "key", None)
    places = [
        (at, number, transfer)
        for at, item in enumerate(share.items)
        for number, transfer in enumerate(item.transfers)
    ]
    matching = (one for one in places if (one[2].owner, one[2].key) == (owner, key))
    at, number, transfer = next(matching, places[0])
    return ShareOutcome(at, number, Failed(transfer.owner, transfer.key, error, transfer))


def _check(transfer: Transfer, directory: str) -> None:
    """Check that a transfer stays in the destination, and reads no local file.

    Raises:
        SourceError: The transfer leads elsewhere.
    """
    if transfer.directory != directory or not is_store(directory) or not transfer.candidates:
        raise SourceError(f"The asset '{transfer.key}' has another directory, or no href")
    for candidate in transfer.candidates:
        name = candidate.path.removeprefix(f"{directory}/")
        place = inside(StorePath.parse(directory), name)
        if name == candidate.path or str(place) != candidate.path:
            raise SourceError(f"The file of asset '{transfer.key}' is outside of the directory")
        if is_local(candidate.href):
            raise SourceError(f"The asset '{transfer.key}' references a local file")


def _outcome(transfer: Transfer, row: Mapping[str, Any]) -> Outcome:
    if row["state"] == Failed.state:
        received, seconds = int(row["received"]), float(row["seconds"])
        error = _error(str(row["error"]), str(row["reason"]))
        error.owner, error.key = transfer.owner, transfer.key
        attempts = int(row["attempts"])
        return Failed(transfer.owner, transfer.key, error, transfer, attempts, received, seconds)
    number, size, checksum = row["candidate"], int(row["bytes"]), row["checksum"]
    if number < 0 or size < 0 or not isinstance(checksum, str | None):
        raise ValueError("A value is invalid")
    candidate = transfer.candidates[number]
    if row["state"] == Skipped.state:
        return Skipped(transfer, candidate, size, checksum)
    if row["state"] != Downloaded.state:
        raise ValueError("The state is unknown")
    received, seconds = int(row["received"]), float(row["seconds"])
    return Downloaded(transfer, candidate, size, received, seconds, int(row["attempts"]), checksum)


def _error(kind: str, reason: str) -> StacAssetError:
    """Return an error of a class of this package, by name."""
    known: dict[str, Any] = {
        WorkerError.__name__: WorkerError,
        BudgetError.__name__: BudgetError,
        **vars(errors),
    }
    found = known.get(kind)
    if isinstance(found, type) and issubclass(found, StacAssetError):
        return found(reason)
    return UnexpectedError(reason)


def _invalid(folder: StorePath, id: str, reason: str) -> SourceError:
    return SourceError(
        f"'{folder}/{id}.json' is no valid share: {reason}. Start the flow that wrote the share "
        "again."
    )


def complete(share: Share, outcomes: Sequence[Sequence[Outcome]]) -> dict[str, list[Outcome]]:
    """Return the outcomes of the items that a share completed, by digest.

    Args:
        share: The share.
        outcomes: The outcomes of each item, as `parse_result` returned them.
    """
    return {
        item.digest: list(ended)
        for item, ended in zip(share.items, outcomes, strict=True)
        if len(ended) == len(item.transfers)
    }
