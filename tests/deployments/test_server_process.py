"""The process of the local Prefect server."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import text

from prefect_stac_asset.deployments.server_process import WaitingSqlite


async def test_transaction_that_reads_first_waits_for_another_transaction(tmp_path: Path) -> None:
    """With Prefect's own class, the second change fails: the database is locked."""
    database = WaitingSqlite(f"sqlite+aiosqlite:///{tmp_path}/prefect.db")
    engine = await database.engine()
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE runs (number INTEGER)"))

    async def add(number: int) -> None:
        async with (
            await database.session(engine) as session,
            database.begin_transaction(session),
        ):
            await session.execute(text("SELECT count(*) FROM runs"))
            await session.execute(text("INSERT INTO runs VALUES (:number)"), {"number": number})

    await asyncio.gather(*(add(number) for number in range(8)))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM runs"))).scalar() == 8
    await engine.dispose()
