"""Databases of new Prefect servers, copied from databases that already have Prefect's tables.

The migrations of an empty database take a server two to five seconds of a core. The templates stay
in pytest's cache, one for each version of Prefect, and all processes of a test run share them.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import prefect

from tests.support.paths import ROOT
from tests.support.postgres import find_postgres_programs, running_postgres

QUICK_SERVER = {
    # The import of all block types takes 1.5 s. Clients register the type of each saved block.
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    # The default of 5 s is too short for a busy machine. Services that failed to connect end, and
    # the server then logs an error when it stops.
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    # The default of 10 s is also too short. The server would respond with status 503.
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    # By default, the server stores each state of a task run on its own, and compiles the SQL
    # statements each time. Batches save half of the processor time of a server.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # Tests wait for events. The default is 5 s.
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
}
"""Environment variables of servers that start quickly and take little processor time."""

_FOLDER = ROOT / ".pytest_cache" / "d" / f"prefect-{prefect.__version__}"
"""Folder of the templates. `pytest --cache-clear` removes the folder."""


def make_prefect_home(home: Path) -> None:
    """Create a `PREFECT_HOME` with a migrated SQLite database.

    Args:
        home: A folder without a database.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _locked(), closing(sqlite3.connect(_sqlite_template())) as template:
        template.execute("VACUUM INTO ?", (str(home / "prefect.db"),))


@contextmanager
def running_prefect_postgres() -> Iterator[str]:
    """Start a PostgreSQL server with Prefect's tables, and yield the database URL for Prefect."""
    programs = find_postgres_programs()
    with _locked():
        template = _postgres_template(programs)
    with running_postgres(programs, template=template) as url:
        yield url


def _sqlite_template() -> Path:
    template = _FOLDER / "prefect.db"
    if not template.exists():
        with TemporaryDirectory(dir=_FOLDER) as home:
            _migrate(PREFECT_HOME=home)
            Path(home, template.name).rename(template)
    return template


def _postgres_template(programs: Path) -> Path:
    template = _FOLDER / str(programs).replace("/", "-").strip("-")
    if not template.exists():
        with TemporaryDirectory(dir=_FOLDER) as folder:
            copy = Path(folder, "data")
            with running_postgres(programs, saved=copy) as url:
                _migrate(PREFECT_HOME=folder, PREFECT_API_DATABASE_CONNECTION_URL=url)
            copy.rename(template)
    return template


def _migrate(**environment: str) -> None:
    """Create Prefect's tables in a database."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
    }
    upgrade = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    subprocess.run(upgrade, check=True, capture_output=True, env=inherited | environment)


@contextmanager
def _locked() -> Iterator[None]:
    """Wait until no other process creates or copies a template."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
