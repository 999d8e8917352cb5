"""Work without downloads: reruns, planning, imports and `--help`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bench.contest import Contestant, Row
from bench.goals import OURS, PEER, memory, ratio, seconds
from bench.lab import lab
from bench.measure import measure
from bench.peer import peer_python
from bench.programs import program_path
from bench.rows.http import KIB
from bench.servers import free_port
from bench.work import item_collection


@contextmanager
def _rerun() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(10_000, 4 * KIB)
        port = free_port()  # No server listens on this port, so any request fails the run.
        document = work.document(f"http://127.0.0.1:{port}/bucket", here.folder / "items.json")
        found = []
        for contestant in (*here.both(document, None), here.peer(document, work)):
            assert contestant.directory is not None
            shutil.copytree(work.folder, contestant.directory)
            found.append(replace(contestant, directory=None, work=None, objects=1))
        yield found


@contextmanager
def _plan() -> Iterator[list[Contestant]]:
    with lab() as here:
        document = here.folder / "items.json"
        assets = (
            (f"item-{n:05}", _described(f"https://example.com/item-{n:05}/band-{band}.tif"))
            for n in range(10_000)
            for band in range(10)
        )
        document.write_text(json.dumps(item_collection(assets)))
        contestant = here.ours(document, None)
        yield [replace(contestant, command=(*contestant.command, "--plan"))]


def _described(href: str) -> dict[str, Any]:
    checksum = "1220" + "ab" * 32
    return {"href": href, "type": "image/tiff", "file:size": 1_000, "file:checksum": checksum}


@contextmanager
def _import() -> Iterator[list[Contestant]]:
    arguments = ("-P", "-c", "import stac_asset")
    yield _warm([
        Contestant(OURS, (sys.executable, *arguments)),
        Contestant(PEER, (str(peer_python()), *arguments)),
    ])  # fmt: skip


@contextmanager
def _help() -> Iterator[list[Contestant]]:
    peer = str(peer_python().with_name("stac-asset"))
    yield _warm([
        Contestant(OURS, (program_path("stac-asset"), "--help")),
        Contestant(PEER, (peer, "--help")),
    ])  # fmt: skip


def _warm(contestants: list[Contestant]) -> list[Contestant]:
    """Run each contestant once, so that all modules are compiled, and return the contestants."""
    cached = [replace(each, environment={"PYTHONDONTWRITEBYTECODE": ""}) for each in contestants]
    for contestant in cached:
        measure(contestant.command, contestant.environment)
    return cached


ROWS = (
    Row("rerun", "rerun over 10,000 existing files", _rerun, (seconds(2.0),)),
    Row("plan", "planning 100,000 assets", _plan, (seconds(10.0), memory(300))),
    Row("import", "import stac_asset", _import, (ratio(PEER, 1.0),), pairs=15),
    Row("help", "stac-asset --help", _help, (ratio(PEER, 1.0),), pairs=15),
)
