"""A PostgreSQL server on the loopback interface, from the package of the system."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.servers import free_port

PASSWORD = "pg-s3cret"
_UNPRIVILEGED_USER = "nobody"


def find_postgres_programs() -> Path:
    """Return the folder of the PostgreSQL programs: of Debian's package, or on the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = debian[-1] if debian else shutil.which("postgres")
    assert found, "PostgreSQL is not installed. Run scripts/install-system-packages."
    return Path(found).resolve().parent


@contextmanager
def running_postgres(
    programs: Path, template: Path | None = None, saved: Path | None = None
) -> Iterator[str]:
    """Start a server that requires a password, and yield the database URL for Prefect.

    Args:
        programs: The folder of the PostgreSQL programs.
        template: A data directory that the server gets a copy of. By default, the data directory is
            new.
        saved: Path of a copy of the data directory, which is made after the end of the server.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        options: dict[str, Any] = {"cwd": folder}
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root.
            options |= {"user": _UNPRIVILEGED_USER, "extra_groups": []}
            for path in (folder, folder / "password"):
                shutil.chown(path, _UNPRIVILEGED_USER)
        data = folder / "data"
        if template is None:
            _initialize(programs, data, folder / "password", options)
        else:
            _copy(template, data)
        port = free_port()
        start = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-F"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([*start, "-k", folder], stderr=log, **options)
        try:
            ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
            for _ in range(600):
                assert server.poll() is None, (folder / "log").read_text()
                if subprocess.run(ready, check=False, capture_output=True).returncode == 0:
                    break
                time.sleep(0.2)
            yield f"postgresql+asyncpg://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            # SIGTERM would wait for the clients to disconnect.
            server.send_signal(signal.SIGINT)
            server.wait(60)
        if saved is not None:
            _copy(data, saved)


def _initialize(programs: Path, data: Path, password: Path, options: dict[str, Any]) -> None:
    """Create a data directory without tables."""
    init = [programs / "initdb", "-D", data, "-U", "postgres", "--encoding=utf8", "--no-sync"]
    auth = ["--auth=scram-sha-256", f"--pwfile={password}"]
    subprocess.run([*init, *auth], check=True, capture_output=True, **options)


def _copy(source: Path, target: Path) -> None:
    """Copy a data directory. The owners and the permissions of the files stay the same."""
    subprocess.run(["cp", "-a", source, target], check=True)
