"""Internal: the files of a mirror's index: one file, or shards in a folder.

A mirror with few items has one file. With more items, each shard has the rows of some items, so
that a run rewrites only the shards with changed rows. Each shard is replaced as a whole. A row is
valid only together with the item's document, so shards of different runs can be used together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stac_asset.mirror.layout import INDEX, SHARDS, shard_path
from stac_asset.mirror.state.lines import blocks_of_lines
from stac_asset.mirror.state.placement import depth_for, shard_names
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.summaries import write_summary
from stac_asset.mirror.storage.interface import MirrorStorage

_SHARD = re.compile(r"([0-9a-f]{1,4})\.ndjson")


def index_files(storage: MirrorStorage) -> list[str]:
    """Return the paths of the existing files of the index, in the order of their items.

    Args:
        storage: The files of the mirror.
    """
    shards = sorted(name for name in storage.file_names(SHARDS) if _SHARD.fullmatch(name))
    whole = [INDEX] if storage.stamp(INDEX) is not None else []
    return whole + [f"{SHARDS}/{name}" for name in shards]


def is_index_file(path: str) -> bool:
    """Return whether a path can be that of a file of the index.

    Args:
        path: Path of a file, relative to the mirror.
    """
    folder, _, name = path.rpartition("/")
    return path == INDEX or (folder == SHARDS and _SHARD.fullmatch(name) is not None)


def depth_of(files: Iterable[str]) -> int | None:
    """Return the depth of the shards, or None if the files are not a whole set of one depth.

    Args:
        files: Result of `index_files`.
    """
    names = [_name(path) for path in files]
    depths = {len(name) for name in names}
    return depths.pop() if len(depths) == 1 else None


def index_lines(storage: MirrorStorage, files: Iterable[str]) -> Iterator[bytes]:
    """Yield the lines of the index, without line breaks.

    Args:
        storage: The files of the mirror.
        files: Result of `index_files`.

    Raises:
        DestinationError: A request to an object store failed.
    """
    shards = []
    for path in files:
        if path == INDEX:
            yield from storage.lines(INDEX)
        else:
            shards.append(path)
    for _, data in storage.read_all(shards):
        yield from (data or b"").splitlines()


def shard_lines(storage: MirrorStorage, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the names of shards with each line, without line breaks.

    Args:
        storage: The files of the mirror.
        names: Names of the shards, which need not exist.

    Raises:
        DestinationError: A request to an object store failed.
    """
    paths = [path for name in names if storage.stamp(path := shard_path(name)) is not None]
    for path, data in storage.read_all(paths):
        name = _name(path)
        yield from ((name, line) for line in (data or b"").splitlines())


def write_index(storage: MirrorStorage, rows: Rows) -> None:
    """Write the outdated files of the index of a mirror, and the summaries of the shards.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror.

    Raises:
        DestinationError: The index cannot be written.
    """
    depth = rows.depth or 0
    if rows.is_outdated:
        depth = depth_for(len(rows), depth)
        _write_files(storage, rows, depth)
    write_summary(storage, rows, depth)


def _write_files(storage: MirrorStorage, rows: Rows, depth: int) -> None:
    """Write the outdated files of the index."""
    if depth == 0:
        for _, lines in rows.shards([""]):
            storage.write_blocks(INDEX, blocks_of_lines(lines))
    else:
        names: Iterable[str] = rows.outdated.shards(depth)
        if depth != rows.depth:
            rows.unread.require_all()
            names = shard_names(depth)
        for _ in storage.map(lambda shard: _write_shard(storage, *shard), rows.shards(names)):
            pass
    if depth != rows.depth:
        # The new files are complete, so the rows of earlier files are not needed any more.
        current = {INDEX} if depth == 0 else {shard_path(name) for name in shard_names(depth)}
        for path in index_files(storage):
            if path not in current:
                storage.remove_document(path)


def _write_shard(storage: MirrorStorage, name: str, lines: Iterable[bytes]) -> None:
    data = b"".join(b"%b\n" % line for line in lines)
    if data:
        storage.write(shard_path(name), data)
    else:
        storage.remove_document(shard_path(name))


def _name(path: str) -> str:
    match = _SHARD.fullmatch(path.rpartition("/")[2])
    return match[1] if match is not None and path != INDEX else ""
