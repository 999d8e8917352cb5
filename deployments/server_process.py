"""Internal: run `prefect server start`, check saved blocks, and rotate the logs of the local stack.

SQLite transactions of this server wait for each other.

Prefect's server begins most transactions with `BEGIN DEFERRED`. Such a transaction reads first, and
requests the write lock of the database with its first change. If another connection commits in
between, SQLite reports `SQLITE_BUSY_SNAPSHOT` without waiting, and the server responds with status
503. Active flow runs cause continuous commits, so that most requests for a new run or schedule
failed.

A transaction that begins with `BEGIN IMMEDIATE` requests the write lock before it reads, and waits
until other transactions have ended. Source: https://www.sqlite.org/lang_transaction.html
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from prefect.cli import app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from prefect_stac_asset.deployments.block_checks import install_block_checks
from prefect_stac_asset.deployments.log_rotation import rotate_logs_in_thread


class WaitingSqlite(AioSqliteConfiguration):
    """A SQLite database with transactions that wait for the write lock at the start."""

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Run a transaction until the context ends.

        Args:
            session: The session of the transaction.
            with_for_update: Not used, because every transaction requests the write lock.
        """
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def main() -> None:
    """Run Prefect's command line with the arguments of this process.

    The working directory is the folder of the local stack, whose logs are rotated.
    """
    rotate_logs_in_thread(Path.cwd())
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url is not None and url.startswith("sqlite"):
        set_database_config(WaitingSqlite(url))
    install_block_checks()
    app()


if __name__ == "__main__":
    main()
