"""Reads the rows of the items that a source returns, before the items are compared.

Many runs find few items in a large mirror. Such a run reads the shards of these items only. If the
answer has items of most shards, the run reads the whole index, which is faster than each shard.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator

from stac_asset.concurrency import in_executor
from stac_asset.mirror.source_item import SourceDocument
from stac_asset.mirror.state.index import MirrorState
from stac_asset.mirror.state.placement import place_of
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.stac.json_text import loads

_MAX_MEMORY = 4 * 1024 * 1024
"""Maximum number of bytes of documents in memory. Further documents are in a temporary file."""


async def with_rows(
    items: AsyncIterator[SourceDocument], state: MirrorState, storage: MirrorStorage
) -> AsyncIterator[SourceDocument]:
    """Yield items after their rows have been read.

    Args:
        items: The items of an answer.
        state: The state of the mirror.
        storage: The files of the mirror.

    Raises:
        DestinationError: A request to an object store failed.
        SourceError: The search did not reach its end.
    """
    unread = state.rows.unread
    most = len(unread.counts) // 2
    if unread:
        names, keys = set[str](), []
        with tempfile.SpooledTemporaryFile(_MAX_MEMORY) as waiting:
            async for item in items:
                fields = [item.base, item.etag, item.document]
                waiting.write(json.dumps(fields).encode() + b"\n")
                if item.key is not None:
                    keys.append(item.key)
                    names |= unread.names([place_of(item.key)])
                if len(names) > most:
                    await in_executor(storage.executor, unread.require_all)
                    break
            await in_executor(storage.executor, state.read_items, keys)
            waiting.seek(0)
            for line in waiting:
                base, etag, document = loads(line)
                yield SourceDocument(document, base, etag)
    async for item in items:
        yield item
