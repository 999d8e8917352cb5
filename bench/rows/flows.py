"""Flows over many assets, and a mirror without changes, with a running Prefect server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.contest import Contestant, Row
from bench.goals import ASYNC, OURS, Goal, Measured, cpu_seconds, memory
from bench.lab import lab
from bench.measure import measure
from bench.rows.http import KIB
from bench.servers import nginx, prefect_server
from bench.stac_api import ASSET, COLLECTION, write_api, write_mirror

_LIBRARY, _FLOW, _EMPTY = "library", "flow", "flow of one asset"
_FLOW_ASYNC = "flow, asyncio.run"
_UNCHANGED = 100_000


@contextmanager
def _flow(count: int, size: int, granularity: str) -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(count, size)
        one = replace(work, names=work.names[:1])
        with nginx(here.served) as origin, prefect_server(here.folder / "prefect") as environment:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            short = one.document(base, here.folder / "one.json")
            library = here.ours(document, work, _LIBRARY)
            found = [replace(library, command=(*library.command, "--reading"))]
            for name, source, wanted in (
                (_FLOW, document, work),
                (_EMPTY, short, one),
                (_FLOW_ASYNC, document, work),
            ):
                out = here.out(name)
                options = {"granularity": granularity}
                call = ["download_item_collection", str(source), str(out), options]
                loop = "asyncio" if name == _FLOW_ASYNC else "uvloop"
                found.append(Contestant(name, _command(call, loop), environment, 1, wanted, out))
            yield [replace(each, objects=1) for each in found]


@contextmanager
def _sync() -> Iterator[list[Contestant]]:
    with lab() as here:
        mirror = here.folder / "mirror"
        here.served.mkdir()
        with nginx(here.served) as origin, prefect_server(here.folder / "prefect") as environment:
            api = write_api(here.served, origin, _UNCHANGED)
            write_mirror(mirror, here.served, api)
            contestants = [
                Contestant(name, _command(_sync_call(api, mirror), loop), environment)
                for name, loop in ((OURS, "uvloop"), (ASYNC, "asyncio"))
            ]
            measure(contestants[0].command, environment)  # Writes the catalog and the index.
            yield contestants


def _sync_call(api: str, mirror: Path) -> list[Any]:
    more = {"search": {"collections": [COLLECTION]}, "options": {"include": [ASSET]}}
    return ["sync", api, str(mirror), more]


def _command(call: list[Any], loop: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "bench.contestants.flow", json.dumps(call), loop)


def _overhead(measured: Measured) -> list[float]:
    turns = (measured[name].figures for name in (_FLOW, _EMPTY, _LIBRARY))
    return [
        (flow.seconds - empty.seconds) / library.seconds
        for flow, empty, library in zip(*turns, strict=False)
    ]


_OVERHEAD = Goal("time without that of one asset, relative to the library", _overhead, 1.15)

ROWS = (
    Row("flow", "a flow over 5,000 assets", lambda: _flow(5_000, 64 * KIB, "auto"), (_OVERHEAD,)),
    Row(
        "flow-items",
        "a flow over 10,000 assets of 1,000 items, in batches",
        lambda: _flow(10_000, 16 * KIB, "batch"),
        (_OVERHEAD,),
    ),
    Row(
        "sync",
        "sync, 100,000 items without changes",
        _sync,
        (cpu_seconds(30.0), memory(300)),
        pairs=2,
    ),
)
