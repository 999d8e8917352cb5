"""Detects runs of a mirror that change files during an audit.

An audit takes no lock, so that mirrors are updated on time. A comparison with differences is
repeated if a run of the mirror was in progress, and only differences of both comparisons count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from stac_asset.audit.differences import Difference, Kind
from stac_asset.mirror.layout import CATALOG, REPORT, STATE_FILES
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import MirrorState
from stac_asset.mirror.storage.interface import MirrorStorage, Stamp

StateStamps = tuple[Stamp | None, ...]
"""The stamps of the files that each run of a mirror writes."""


def state_stamps(storage: MirrorStorage) -> StateStamps:
    """Return the stamps of the files that each run of a mirror writes. Blocks.

    Args:
        storage: The files of the mirror.
    """
    return tuple(storage.stamp(path) for path in (*STATE_FILES, CATALOG, REPORT))


def has_unfinished(differences: Iterable[Difference], state: MirrorState) -> bool:
    """Return whether a run that is in progress, or was killed, started an item with a difference.

    Args:
        differences: The differences of a comparison.
        state: State of the mirror.
    """
    return any(_is_unfinished(difference.key, state) for difference in differences)


def as_unfinished(difference: Difference, state: MirrorState, storage: MirrorStorage) -> Difference:
    """Return a corrupt file that an unfinished download wrote as outdated. May block.

    The document of the item still describes the file of the earlier version.

    Args:
        difference: A difference.
        state: State of the mirror.
        storage: The files of the mirror.
    """
    if difference.kind is not Kind.CORRUPT or difference.asset is None or difference.path is None:
        return difference
    if difference.key is None or not _is_unfinished(difference.key, state):
        return difference
    started = state.started[difference.key]
    if not storage.is_written_since(difference.path, started.since, started.versions):
        return difference
    reason = "a download of the item replaced the file, and did not end or is in progress"
    return dataclasses.replace(difference, kind=Kind.OUTDATED, reason=reason)


def _is_unfinished(key: Key | None, state: MirrorState) -> bool:
    started = state.started.get(key) if key is not None else None
    return started is not None and not started.failed
