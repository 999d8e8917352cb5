"""Waits for what other processes do, and looks at what they left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stac_asset.testing import Origin
from stac_asset.types import Candidate, Transfer

_RUNNERS = Path(__file__).parents[2] / "docs" / "runners.md"


def documented(runner: str, said: str, meant: str) -> Any:
    """Returns the flow that docs/runners.md makes for a runner.

    Args:
        runner: The runner's class, by which the code is found.
        said: A piece of the code.
        meant: What stands in its place in a test.
    """
    (code,) = [
        block.partition("```")[0]
        for block in _RUNNERS.read_text().split("```python\n")[1:]
        if runner in block.partition("```")[0]
    ]
    assert said in code
    names: dict[str, Any] = {}
    exec(code.replace(said, meant), names)
    return names["download"]


async def until(condition: Callable[[], object], seconds: float = 240) -> None:
    """Waits for a condition; the time is for machines that have much else to do."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def files(directory: Path) -> list[Path]:
    """Returns the files below a directory, those whose names begin with a dot included."""
    return [path for path in directory.rglob("*") if path.is_file()]


def transfers(origin: Origin, directory: Path, count: int) -> list[Transfer]:
    """Returns plans of files, without any item."""
    return [
        Transfer(
            "item 'i'",
            f"k{number}",
            (Candidate(origin.href(f"/{number}.tif"), str(directory / f"{number}.tif")),),
            str(directory),
        )
        for number in range(count)
    ]
