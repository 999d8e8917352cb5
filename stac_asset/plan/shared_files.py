"""Internal: assign a file to each asset of an item or collection.

Assets with the same source share one file. Assets with different sources have different files, also
if their hrefs have the same file name, such as `data.tif?band=1` and `data.tif?band=2`: the key of
the asset is then added to the name. Names depend on all assets of the item, so they do not change
with the selected assets or the order of the assets.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from stac_asset.hrefs import source_identity
from stac_asset.plan.file_names import safe_name
from stac_asset.plan.reservations import folded
from stac_asset.strategy import FileNameStrategy
from stac_asset.types import Transfer


def assign_files(
    transfers: Mapping[str, Transfer],
    wants: Callable[[str], bool],
    is_taken: Callable[[str], bool],
    strategy: FileNameStrategy,
) -> Iterator[Transfer]:
    """Yield the transfers of the selected assets, with distinct files.

    Args:
        transfers: The transfers of all assets of an item or collection, by asset key.
        wants: Returns whether an asset is selected.
        is_taken: Returns whether a document of the run uses the path of a file.
        strategy: How files are named.
    """
    leaders = _without_shared(transfers, wants)
    by_key = strategy is FileNameStrategy.KEY
    for is_last in (True,) if by_key else (False, True):
        crowded = _crowded(leaders, is_taken)
        if not crowded:
            break
        leaders = [_renamed(leader, crowded, by_key, is_last) for leader in leaders]
    return (leader for leader in leaders if wants(leader.key))


def source_digest(transfer: Transfer) -> int:
    """Return a digest of the sources, the declared size and the declared checksum of an asset.

    Args:
        transfer: The planned transfer.
    """
    return hash((_sources(transfer), transfer.size, transfer.checksum))


def _without_shared(
    transfers: Mapping[str, Transfer], wants: Callable[[str], bool]
) -> list[Transfer]:
    """Return a transfer for each distinct source, with the keys of all assets of this source."""
    leaders: list[Transfer] = []
    by_source: dict[tuple[str, ...], list[int]] = {}
    for transfer in transfers.values():
        numbers = by_source.setdefault(_sources(transfer), [])
        for number in numbers:
            leader = leaders[number]
            if _agree(leader.size, transfer.size) and _agree(leader.checksum, transfer.checksum):
                if wants(transfer.key):
                    is_selected = wants(leader.key)
                    leaders[number] = _shared(leader, transfer) if is_selected else transfer
                break
        else:
            numbers.append(len(leaders))
            leaders.append(transfer)
    return leaders


def _shared(leader: Transfer, other: Transfer) -> Transfer:
    return dataclasses.replace(
        leader,
        shared_with=(*leader.shared_with, other.key),
        size=other.size if leader.size is None else leader.size,
        checksum=other.checksum if leader.checksum is None else leader.checksum,
        content_type=leader.content_type or other.content_type,
    )


def _agree(value: object, other: object) -> bool:
    return value is None or other is None or value == other


def _sources(transfer: Transfer) -> tuple[str, ...]:
    if len(transfer.candidates) == 1:
        return (source_identity(transfer.candidates[0].href),)
    return tuple(source_identity(candidate.href) for candidate in transfer.candidates)


def _crowded(leaders: Iterable[Transfer], is_taken: Callable[[str], bool]) -> set[str]:
    """Return the folded paths that several assets, or an asset and a document, would share."""
    paths: list[str] = []
    crowded: set[str] = set()
    for leader in leaders:
        files = {candidate.path: folded(candidate.path) for candidate in leader.candidates}
        crowded.update(place for path, place in files.items() if is_taken(path))
        paths += files.values() if len(files) == 1 else set(files.values())
    if len(set(paths)) < len(paths):
        crowded.update(path for path, count in Counter(paths).items() if count > 1)
    return crowded


def _renamed(leader: Transfer, crowded: set[str], by_key: bool, is_last: bool) -> Transfer:
    candidates = tuple(
        dataclasses.replace(candidate, path=_with_key(candidate.path, leader.key, by_key, is_last))
        if folded(candidate.path) in crowded
        else candidate
        for candidate in leader.candidates
    )
    return dataclasses.replace(leader, candidates=candidates)


def _with_key(path: str, key: str, by_key: bool, is_last: bool) -> str:
    """Return a path with the key of the asset in the name, and with a digest of the key if last.

    Names by key contain the key already.
    """
    folder, name = os.path.split(path)
    suffix = PurePosixPath(name).suffix
    parts = [name[: len(name) - len(suffix)]]
    if not by_key and not is_last:
        parts.append(key)
    if is_last:
        parts.append(hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:8])
    return os.path.join(folder, safe_name("_".join(parts) + suffix))
