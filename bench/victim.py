"""The run that `bench.crash` kills: `download_item_collection` in a separate process.

The process prints a line when the first response arrives.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pystac

from stac_asset import Config, Message, OpenUrl, download_item_collection
from stac_asset.concurrency import new_runner

RUN_HEADER = "x-run"
"""The request header with the number of the run."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Download an item collection.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.victim", description=__doc__)
    parser.add_argument("document", type=Path)
    parser.add_argument("directory", help="path or URL of the destination")
    parser.add_argument("--run", default="0", help="number of the run, sent in a request header")
    parser.add_argument("--concurrency", type=int, default=24)
    parser.add_argument("--config", type=json.loads, default={}, help="fields of Config, as JSON")
    parser.add_argument(
        "--die-at",
        nargs="+",
        default=[],
        metavar="EVENT",
        help="audit events in order; the process kills itself before the last event",
    )
    options = parser.parse_args(arguments)
    items = pystac.ItemCollection.from_file(str(options.document))
    config = Config(http_headers={RUN_HEADER: options.run}, retry_wait=0.05, **options.config)
    _die_at(options.die_at)
    with new_runner() as runner:
        runner.run(_download(items, options.directory, config, options.concurrency))


async def _download(
    items: pystac.ItemCollection, directory: str, config: Config, concurrency: int
) -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    reporting = asyncio.create_task(_report_start(messages))
    await download_item_collection(
        items, directory, config=config, messages=messages, max_concurrent_downloads=concurrency
    )
    reporting.cancel()


async def _report_start(messages: asyncio.Queue[Message]) -> None:
    begun = False
    while True:
        if isinstance(await messages.get(), OpenUrl) and not begun:
            begun = True
            print("begun", flush=True)


def _die_at(events: Sequence[str]) -> None:
    """Kill this process at a moment that random kills would rarely hit."""
    left = list(events)
    if not left:
        return
    sys.dont_write_bytecode = True  # The import system renames files too.

    def watch(event: str, _: tuple[Any, ...]) -> None:
        if left and event == left[0]:
            left.pop(0)
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    main()
