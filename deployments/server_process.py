"""Internal: run `prefect server start` with checks of saved blocks, and rotate logs.

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

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from prefect.cli import app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from prefect_stac_asset.deployments.block_checks import install_block_checks
from prefect_stac_asset.deployments.log_rotation import rotate_logs_in_thread
from stac_asset.errors import ConfigError

_OTHER_PROCESSES = {"--background", "-b", "--workers"}
"""Options of `prefect server start` that start further processes."""


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


def start_server(arguments: Sequence[str], logs: Path | None = None) -> None:
    """Run `prefect server start` in this process, and exit with the status of the command.

    Args:
        arguments: The arguments of `prefect server start`.
        logs: The folder of log files to rotate.

    Raises:
        ConfigError: An argument starts other processes, to which the checks do not apply.
    """
    for argument in arguments:
        if argument.partition("=")[0] in _OTHER_PROCESSES:
            raise ConfigError(
                f"Option '{argument}' starts a server without the checks of this command. Leave "
                "out the option."
            )
    if logs is not None:
        rotate_logs_in_thread(logs)
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url is not None and url.startswith("sqlite"):
        set_database_config(WaitingSqlite(url))
    install_block_checks()
    # Prefect's command line reads the arguments of the process.
    sys.argv[1:] = ["server", "start", *arguments]
    app()


if __name__ == "__main__":
    # The working directory is the folder of the local stack.
    start_server(sys.argv[1:], logs=Path.cwd())
