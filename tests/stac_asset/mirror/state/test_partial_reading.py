"""Runs that read a part of the index have the same result as runs that read the whole index."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq

from stac_asset.mirror.layout import PARQUET, SHARDS, SUMMARIES
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.source_item import Key, key_of
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.testing import Origin, Status
from tests.support.killed_storage import KilledError, KilledStorage
from tests.support.large_mirrors import write_large_mirror
from tests.support.mirror_runs import MirrorRun, build_item, run_mirror, serve_items

COUNT = 520
STEPS = 36
Item = dict[str, Any]
_ORDER = [("collection", "ascending"), ("id", "ascending")]


class WholeStorage(KilledStorage):
    """Files of a mirror without summaries, so that each run reads the whole index."""

    def read(self, path: str) -> bytes | None:
        """Return a document other than the summaries."""
        return None if path == SUMMARIES else super().read(path)


def is_nth(count: int | None) -> Callable[[str], bool]:
    """Return a function that returns whether a number of changes is reached, if any.

    Args:
        count: The number of changes, without those of the summaries.
    """
    changes = 0

    def is_end(path: str) -> bool:
        nonlocal changes
        changes += path != SUMMARIES
        return changes == count

    return is_end


class Source:
    """The items of a source that changes at random."""

    def __init__(self, origin: Origin, items: list[Item], random: Random) -> None:
        self.origin, self.random = origin, random
        self.items = {key_of(item): item for item in items}
        self._number = 0

    def change(self) -> Item | None:
        """Change the source, and return the new or changed item, if any."""
        kind = self.random.choice(["new", "failing", "note", "moved", "collection", "removed"])
        if kind in ("new", "failing"):
            return self._add(kind == "failing")
        key = self.random.choice(list(self.items))
        item = self.items[key] = copy.deepcopy(self.items[key])
        if kind == "note":
            item["properties"]["note"] = self.random.random()
        elif kind == "moved":
            longitude = self.random.uniform(-50, 50)
            item["bbox"] = [longitude, 50.0, longitude, 50.0]
        else:
            del self.items[key]
            if kind == "removed":
                return None
            item["collection"] = self.random.choice(["things", "others"])
        self.items[key_of(item)] = item
        return item

    def _add(self, is_failing: bool) -> Item:
        self._number += 1
        name = f"new-{self._number}"
        collection = self.random.choice(["things", "others", None])
        item = build_item(self.origin, name, "data", "more", collection=collection)
        if is_failing:
            self.origin.fault(f"/{name}/more.tif", Status(404), times=0)
        self.items[key_of(item)] = item
        return item


def damage(directories: Iterable[Path], random: Random) -> bool:
    """Change files as another program does, and return whether runs need not notice the change."""
    first, *_ = directories
    rows = sorted(map(str, first.glob("*/item-*/*.json")))
    shards = sorted(path.name for path in (first / SHARDS).iterdir())
    kind, document, shard = (
        random.choice(["shard", "edit", "remove"]),
        *map(random.choice, (rows, shards)),
    )
    path = Path(document).relative_to(first)
    for directory in directories:
        if kind == "shard":
            (directory / SHARDS / shard).unlink()
        elif kind == "remove":
            shutil.rmtree((directory / path).parent)
        else:
            fields = json.loads((directory / path).read_bytes())
            fields["properties"]["edited"] = "by hand"
            (directory / path).write_text(json.dumps(fields))
    return kind != "shard"


def read_mirror(directory: Path) -> dict[str, Any]:
    """Return the content of a mirror that does not depend on times of files."""
    state = read_state(LocalStorage(directory))
    summary = json.loads((directory / SUMMARIES).read_bytes())
    table = pq.read_table(directory / PARQUET)
    return {
        "documents": {
            path: (directory / path).read_bytes()
            for folder, _, names in os.walk(directory)
            for path in (os.path.relpath(os.path.join(folder, name), directory) for name in names)
            if path != PARQUET and not path.startswith(".mirror/")
        },
        "rows": {
            key: dataclasses.replace(row, document_stamp=(0, 0)) for key, row in state.rows.items()
        },
        "documents read": state.documents_read,
        "started": state.started.keys(),
        "incomplete": state.rows.incomplete,
        "counts": {
            name: sorted((summary["collections"][number] or "", count) for number, count in counts)
            for name, (_, counts) in summary["shards"].items()
        },
        "incomplete shards": summary["incomplete"],
        # The order of the columns depends on the order of the runs that added them.
        "parquet": table.select(sorted(table.column_names)).sort_by(_ORDER),
    }


def facts_of(run: MirrorRun) -> tuple[Any, ...]:
    """Return what a run reports."""
    changes = run.mirror.changes
    return (
        *(run.reasons, run.failed_ids, run.metadata_ids, run.removed_ids),
        *(changes.found, changes.unchanged, len(changes.state.rows)),
    )


async def test_partial_and_whole_reading_have_the_same_result(
    origin: Origin, tmp_path: Path
) -> None:
    random = Random(0)
    part, whole = tmp_path / "part", tmp_path / "whole"
    source = Source(origin, write_large_mirror(part, origin, COUNT, with_index=True), random)
    href = origin.href("/items.json")
    await run_mirror(part, href)
    shutil.copytree(part, whole)
    pending: dict[Key | None, Item] = {}
    has_unnoticed = False
    for _ in range(STEPS):
        for _ in range(random.randrange(4)):
            changed = source.change()
            if changed is not None:
                pending[key_of(changed)] = changed
        if random.random() < 0.2:
            has_unnoticed |= damage((part, whole), random)
        is_whole = random.random() < 0.3
        pending = {key: source.items[key] for key in pending if key in source.items}
        answer = list(source.items.values()) if is_whole else list(pending.values())
        serve_items(origin, answer or [next(iter(source.items.values()))])
        on_removed: OnRemoved = random.choice(["keep", "mark", "delete"]) if is_whole else "keep"
        kill = random.randrange(1, 15) if random.random() < 0.4 else None
        runs = []
        for files in (KilledStorage(part, is_nth(kill)), WholeStorage(whole, is_nth(kill))):
            with suppress(KilledError):
                run = run_mirror(files.directory, href, on_removed=on_removed, files=files)
                runs.append(await run)
        if len(runs) < 2:
            if is_whole:
                pending.update(source.items)
            continue
        pending = {}
        has_unnoticed = has_unnoticed and not is_whole
        if not has_unnoticed:
            assert facts_of(runs[0]) == facts_of(runs[1])
            assert read_mirror(part) == read_mirror(whole)
