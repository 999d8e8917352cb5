"""A real Prefect server with PostgreSQL, which test runs, workers and served flows share.

SQLite allows one writer at a time. On a busy machine, requests of several workers fail there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import httpx
from prefect.context import _temporary_global_settings_context, get_settings_context
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)

from tests.deployments.postgres import programs, running_postgres
from tests.server_logs import ServerLog, checked_log
from tests.servers import free_port


@contextmanager
def prefect_server(log: ServerLog) -> Iterator[None]:
    """Runs a server, and makes it the Prefect API of this process and its child processes.

    Args:
        log: The log of the server.
    """
    with running_postgres(programs()) as database, checked_log(log), _running(log, database) as url:
        settings = {PREFECT_API_URL: url, PREFECT_SERVER_DATABASE_CONNECTION_URL: database}
        with (
            temporary_settings(settings),
            # Threads of Prefect, such as that of a process pool, have no context of their own.
            _temporary_global_settings_context(get_settings_context()),
        ):
            yield
            # Prefect would send the remaining logs and events after the server has ended.
            APILogWorker.instance().drain()
            EventsWorker.drain_all()


async def stored_rows() -> list[tuple[str, str]]:
    """Returns the rows of all tables of the server's database: the table, and the row as text."""
    connection = await asyncpg.connect(
        PREFECT_SERVER_DATABASE_CONNECTION_URL.value().replace("+asyncpg", "")
    )
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        return [
            (table, row)
            for (table,) in tables
            for (row,) in await connection.fetch(f'SELECT t::text FROM "{table}" t')
        ]
    finally:
        await connection.close()


@contextmanager
def _running(log: ServerLog, database: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
    own = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    with log.path.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        _wait_until_healthy(process, url)
        yield url
    finally:
        process.terminate()
        process.wait(120)


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(3000):
        assert process.poll() is None, "the server has ended"
        try:
            if httpx.get(f"{url}/health", timeout=300).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("the server does not answer")
