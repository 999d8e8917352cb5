"""Internal: the number of runs in a row in which each item of a mirror failed.

The numbers are in a file of their own. A run changes only the numbers of items that this run tried
to download. The file is removed when no item fails.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stac_asset.mirror.layout import FAILURES
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads

_MAX_ITEMS = 10_000
"""Maximum number of items to record. Items that failed more often are kept first."""


def failed_runs(
    before: Mapping[Key, int], failed: Collection[Key], completed: Collection[Key]
) -> dict[Key, int]:
    """Return the number of runs in a row in which each item failed.

    Args:
        before: The numbers before the run.
        failed: Items that failed in the run.
        completed: Items that the run completed, or that left the source.
    """
    runs = {key: number for key, number in before.items() if key not in completed}
    runs |= {key: before.get(key, 0) + 1 for key in failed}
    if len(runs) > _MAX_ITEMS:
        kept = sorted(runs, key=lambda key: runs[key], reverse=True)[:_MAX_ITEMS]
        runs = {key: runs[key] for key in kept}
    return runs


def read_failures(storage: MirrorStorage) -> dict[Key, int]:
    """Return the number of runs in a row in which each item failed, as stored by earlier runs.

    Args:
        storage: The files of the mirror. An invalid file counts as missing.

    Raises:
        DestinationError: A request to an object store failed.
    """
    data = storage.read(FAILURES)
    try:
        document = loads(data) if data is not None else {}
    except ValueError:
        return {}
    rows = document.get("items") if isinstance(document, dict) else None
    found = {}
    for row in rows if isinstance(rows, list) else ():
        match row:
            case [str() | None as collection, str() as item, int() as number] if number > 0:
                found[Key(collection, item)] = number
    return found


def write_failures(storage: MirrorStorage, runs: Mapping[Key, int]) -> None:
    """Write the number of runs in a row in which each item failed, or remove the empty file.

    Args:
        storage: The files of the mirror.
        runs: The numbers.

    Raises:
        DestinationError: The file cannot be written.
    """
    if runs:
        rows = [[key.collection, key.id, number] for key, number in runs.items()]
        storage.write(FAILURES, json_bytes({"items": rows}, indent=None))
    else:
        storage.remove_document(FAILURES)
