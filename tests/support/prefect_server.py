"""Prefect servers for tests.

Test runs, workers and served flows share a server with PostgreSQL. SQLite allows a single writer at
a time, so that requests of several workers fail on a busy machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
from prefect.context import get_settings_context
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)

from tests.support.http_client import CLIENT
from tests.support.prefect_databases import QUICK_SERVER, running_prefect_postgres
from tests.support.prefect_environment import certificates, global_settings, import_path
from tests.support.processes import block_until
from tests.support.server_logs import ServerLog, checked_log
from tests.support.servers import free_port


@contextmanager
def prefect_server(log: ServerLog) -> Iterator[None]:
    """Start a server, and use it as the Prefect API of this process and of child processes.

    Args:
        log: The log of the server.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    with (
        running_prefect_postgres() as database,
        checked_log(log),
        server_process(port, log.path, "--no-ui", environment=_environment(database)),
    ):
        settings = {
            PREFECT_API_URL: url,
            PREFECT_SERVER_DATABASE_CONNECTION_URL: database,
            PREFECT_API_SSL_CERT_FILE: certificates(),
        }
        with (
            temporary_settings(settings),
            # Threads of Prefect, such as those of a process pool, read the global context.
            global_settings(get_settings_context()),
        ):
            yield
            # Without the drain, Prefect would send logs and events after the end of the server.
            APILogWorker.instance().drain()
            EventsWorker.drain_all()


async def stored_rows() -> list[tuple[str, str]]:
    """Return the rows of all tables of the server's database: name of the table, row as text."""
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


def _environment(database: str) -> dict[str, str]:
    return {
        **os.environ,
        **QUICK_SERVER,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Tests of automations that run deployments use the server of `up`.
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    }


@contextmanager
def server_process(
    port: int,
    log: Path,
    *options: str,
    environment: Mapping[str, str],
    command: Sequence[str] = ("prefect", "server", "start"),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a Prefect server on the loopback interface, and yield the healthy process.

    Args:
        port: The port of the API. The URL is `http://127.0.0.1:<port>/api`.
        log: File for the output of the server.
        options: Options of `prefect server start`.
        environment: All environment variables of the process except the import path.
        command: The module that starts the server, and its arguments.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *options, "--host", "127.0.0.1", "--port", str(port)],
            env={**environment, "PYTHONPATH": import_path()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        block_until(lambda: _is_healthy(process, port), seconds=600, interval=0.2)
        yield process
    finally:
        process.terminate()
        process.wait(120)


def _is_healthy(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "the server process has ended"
    try:
        return CLIENT.get(f"http://127.0.0.1:{port}/api/health").is_success
    except httpx.TransportError:
        return False
