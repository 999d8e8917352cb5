"""Verification of a directory, with repairs by the caller's downloads."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.testing import Origin
from stac_asset.transfer.engine import Engine
from stac_asset.types import Outcome
from stac_asset.verify.repair import Repair, Unrepairable, repair_config
from stac_asset.verify.results import Bad
from stac_asset.verify.run import Repairs, verify_files
from tests.support.verification import download_from_origin, inventory_of, write_item


async def test_verify_files_repairs_with_downloads_of_caller(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await download_from_origin(origin, tmp_path, config, "a", "b", "c")
    for key in ("a", "b"):
        (tmp_path / f"{key}.tif").unlink()
    write_item(tmp_path / "other.json", {"lost": {"href": "./lost.tif"}})
    origin.remove("/b.tif")
    unrepairable: list[Unrepairable] = []
    bad_files: list[Sequence[Bad]] = []

    @asynccontextmanager
    async def open_repairs(bad: Sequence[Bad]) -> AsyncIterator[Repairs]:
        bad_files.append(bad)
        changed = repair_config(config)
        async with Clients(changed) as clients:

            async def download(repairs: Sequence[Repair]) -> AsyncGenerator[Outcome, None]:
                for planned in repairs:
                    yield await Engine(clients, changed, LocalDestinations()).download(
                        planned.transfer
                    )

            yield Repairs(clients, changed, download, unrepairable.append)

    rows: list[dict[str, Any]] = []
    inventory = await inventory_of(tmp_path)
    summary = await verify_files(inventory, on_row=rows.append)
    assert (summary.good, summary.bad, summary.repaired) == (1, 3, 0)
    rows.clear()
    summary = await verify_files(inventory, open_repairs, rows.append)
    assert (summary.good, summary.bad, summary.repaired) == (2, 2, 1)
    states = {row["key"]: (row["state"], row["repaired"]) for row in rows}
    assert states == {
        "a": ("verified", True),
        "b": ("missing", False),
        "c": ("verified", False),
        "lost": ("missing", False),
    }
    assert [Path(entry.path).name for entry in unrepairable] == ["lost.tif"]
    assert [len(bad) for bad in bad_files] == [3]
