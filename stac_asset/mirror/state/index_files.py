"""Internal: the files of a mirror's index: one file, or shards in a folder.

A mirror with few items has one file. With more items, each shard has the rows of some items, so
that a run rewrites only the shards with changed rows. Each shard is replaced as a whole. A row is
valid only together with the item's document, so shards of different runs can be used together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stac_asset.mirror.layout import INDEX, SHARDS
from stac_asset.mirror.state.lines import blocks_of_lines
from stac_asset.mirror.state.placement import depth_for, shard_names
from stac_asset.mirror.state.rows import Rows
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


def write_index(storage: MirrorStorage, rows: Rows) -> None:
    """Write the outdated files of the index of a mirror.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror.

    Raises:
        DestinationError: The index cannot be written.
    """
    depth = depth_for(len(rows), rows.depth or 0)
    if depth == 0:
        for _, lines in rows.shards([""]):
            storage.write_blocks(INDEX, blocks_of_lines(lines))
    else:
        shards = rows.shards(rows.outdated_shards(depth))
        for _ in storage.map(lambda shard: _write_shard(storage, *shard), shards):
            pass
    if depth != rows.depth:
        # The new files are complete, so the rows of earlier files are not needed any more.
        current = {INDEX} if depth == 0 else {_path(name) for name in shard_names(depth)}
        for path in index_files(storage):
            if path not in current:
                storage.remove_document(path)


def _write_shard(storage: MirrorStorage, name: str, lines: Iterable[bytes]) -> None:
    data = b"".join(b"%b\n" % line for line in lines)
    if data:
        storage.write(_path(name), data)
    else:
        storage.remove_document(_path(name))


def _path(name: str) -> str:
    return f"{SHARDS}/{name}.ndjson"


def _name(path: str) -> str:
    match = _SHARD.fullmatch(path.rpartition("/")[2])
    return match[1] if match is not None and path != INDEX else ""
