"""The run that is killed: `download_item_collection` in a process of its own.

It prints a line as soon as its first response has come.
"""

from __future__ import annotations

import argparse
import asyncio
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
"""The request header that says which run a request belongs to."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Downloads an item collection.

    Args:
        arguments: The command line; None is the process's own.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.victim", description=__doc__)
    parser.add_argument("document", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--run", default="0", help="what its requests say in their header")
    parser.add_argument("--concurrency", type=int, default=24)
    parser.add_argument(
        "--die-at",
        nargs="+",
        default=[],
        metavar="EVENT",
        help="audit events that have to come in this order; it is killed before the last of them",
    )
    options = parser.parse_args(arguments)
    items = pystac.ItemCollection.from_file(str(options.document))
    config = Config(http_headers={RUN_HEADER: options.run}, retry_wait=0.05)
    _die_at(options.die_at)
    with new_runner() as runner:
        runner.run(_download(items, options.directory, config, options.concurrency))


async def _download(
    items: pystac.ItemCollection, directory: Path, config: Config, concurrency: int
) -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    telling = asyncio.create_task(_tell(messages))
    await download_item_collection(
        items, directory, config=config, messages=messages, max_concurrent_downloads=concurrency
    )
    telling.cancel()


async def _tell(messages: asyncio.Queue[Message]) -> None:
    begun = False
    while True:
        if isinstance(await messages.get(), OpenUrl) and not begun:
            begun = True
            print("begun", flush=True)


def _die_at(events: Sequence[str]) -> None:
    """Kills this process at a moment that chance would hardly hit."""
    left = list(events)
    if not left:
        return
    sys.dont_write_bytecode = True  # the import system renames files too

    def watch(event: str, _: tuple[Any, ...]) -> None:
        if left and event == left[0]:
            left.pop(0)
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    main()
