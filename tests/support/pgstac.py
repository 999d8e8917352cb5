"""A STAC API with transactions: stac-fastapi-pgstac on PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.http_client import CLIENT
from tests.support.paths import ROOT
from tests.support.postgres import PASSWORD, find_postgres_programs, running_postgres
from tests.support.servers import free_port

PROGRAMS = ROOT / ".venv-pgstac" / "bin"
"""Programs of the environment that `make test` creates for pgstac."""

_CHECK = ROOT / "tests" / "pgstac" / "check_mirror.py"


@dataclass(frozen=True, slots=True)
class PgstacServer:
    """A running API."""

    href: str
    """Root URL of the API."""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request, and return the JSON of the response.

        Args:
            method: The HTTP method.
            path: Path of the endpoint.
            body: The JSON body.
        """
        response = CLIENT.request(method, f"{self.href}{path}", json=body)
        assert response.is_success, f"{method} {path}: {response.text}"
        return response.json() if response.content else None

    def check(
        self, collection: str, directory: Path, failing: Sequence[str] = (), running: bool = False
    ) -> list[str]:
        """Return the differences between a mirror and the API. The check is a separate program.

        Args:
            collection: The mirrored collection.
            directory: The mirror directory.
            failing: Assets that the source cannot deliver, as `item/key`.
            running: Whether the last run was killed.
        """
        command = [PROGRAMS / "python", "-I", _CHECK, self.href, collection, directory]
        command += ["--running"] if running else []
        command += ["--failing", *failing] if failing else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        problems: list[str] = json.loads(done.stdout)
        return problems


@contextmanager
def pgstac_server(folder: Path) -> Iterator[PgstacServer]:
    """Start PostgreSQL and the API, and yield the API.

    The database remembers the number of matched items of each search for a day, as deployments with
    large tables do. After a change, `numberMatched` is therefore wrong.

    Args:
        folder: A folder for the log of the API.
    """
    assert (PROGRAMS / "pypgstac").exists(), "pgstac is not installed. Run `make test`."
    with running_postgres(find_postgres_programs()) as url:
        host, _, port = url.rpartition("@")[2].partition("/")[0].partition(":")
        login = {"PGHOST": host, "PGPORT": port, "PGUSER": "postgres", "PGPASSWORD": PASSWORD}
        environment = {**os.environ, **login, "PGDATABASE": "postgres"}
        environment["ENABLE_TRANSACTIONS_EXTENSIONS"] = "true"
        subprocess.run(
            [PROGRAMS / "pypgstac", "migrate"], check=True, capture_output=True, env=environment
        )
        setting = (
            "INSERT INTO pgstac.pgstac_settings (name, value) VALUES ('context', 'on') "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        subprocess.run(
            [find_postgres_programs() / "psql", "-qc", setting], check=True, env=environment
        )
        href = f"http://127.0.0.1:{free_port()}"
        command = [PROGRAMS / "python", "-m", "uvicorn", "stac_fastapi.pgstac.app:create_app"]
        command += ["--factory", "--port", href.rpartition(":")[2], "--log-level", "warning"]
        with (folder / "api.log").open("wb") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(1200):
                assert server.poll() is None, (folder / "api.log").read_text()
                try:
                    CLIENT.get(f"{href}/conformance").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.05)
            yield PgstacServer(href)
        finally:
            server.terminate()
            server.wait(60)
