"""The servers of the measurements: nginx for HTTP, rclone for S3, each a context manager."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bench.measure import ROOT, BenchError

KEY, SECRET = "bench", "benchmark-secret"
"""What the S3 server's requests are signed with."""

_NGINX = """
worker_processes 1;
daemon off;
pid {scratch}/nginx.pid;
error_log stderr crit;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000;
    default_type image/tiff;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {folder};
    }}
}}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Serves a folder over HTTP; gives the URL of its root.

    Args:
        folder: What is served.
    """
    program = program_path("nginx")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nginx-") as scratch:
        conf = Path(scratch, "nginx.conf")
        user = "user root;" if os.geteuid() == 0 else ""
        conf.write_text(_NGINX.format(scratch=scratch, folder=folder, port=port, user=user))
        with _running([program, "-c", str(conf), "-p", scratch], port):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def rclone_s3(
    folder: Path, key: str = KEY, secret: str = SECRET, changes: bool = False
) -> Iterator[str]:
    """Serves the folders of a folder as buckets, to signed requests only; gives the endpoint.

    Args:
        folder: What is served.
        key: The access key of the only user.
        secret: The secret key.
        changes: Whether files come and go meanwhile: then each request reads their folder.
    """
    port = free_port()
    command = [program_path("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{key},{secret}", "--config", os.devnull]
    command += ["--dir-cache-time", "0s"] if changes else []
    command.append(str(folder))
    with _running(command, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def far_away(origin: str, milliseconds: float, rate: float = 0.0) -> Iterator[str]:
    """Puts a distance before an HTTP origin; gives the URL at which it is then.

    Args:
        origin: The URL of its root.
        milliseconds: The time of a round trip.
        rate: Bytes per second that a connection gives, at most; 0 is no limit.
    """
    port, target = free_port(), origin.rpartition(":")[2]
    command = [sys.executable, "-m", "bench.distance", str(port), target, str(milliseconds)]
    command.append(str(rate))
    with _running(command, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def prefect_server(home: Path) -> Iterator[dict[str, str]]:
    """Runs a Prefect server; gives the environment in which flows use it.

    Args:
        home: Where it keeps its database.
    """
    port = free_port()
    environment = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)]
    with _running(command, port, environment):
        api = f"http://127.0.0.1:{port}/api"
        yield {**environment, "PREFECT_API_URL": api, "PREFECT_LOGGING_LEVEL": "WARNING"}


def program_path(name: str) -> str:
    """Returns the path of a program, from our environment or the system.

    Raises:
        BenchError: It is not installed.
    """
    beside = Path(sys.executable).with_name(name)
    path = (
        str(beside) if beside.exists() else shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    )
    if path is None:
        raise BenchError(f"{name} is not installed: run scripts/install-bench-packages")
    return path


def free_port() -> int:
    """Returns a port of this machine that nobody listens on now.

    The server that is to have it may need many seconds to start, or start again later. So it is
    none of those that the system gives to connections and to who asks for any port.

    Raises:
        BenchError: There is none.
    """
    for port in random.sample(range(20_000, 30_000), 100):
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise BenchError("there is no free port")


@contextmanager
def _running(
    command: Sequence[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[None]:
    variables = {**os.environ, **(environment or {})}
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_for(port, process)
            yield
        except BenchError:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-2000:])
            raise
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(2400):
        if process.poll() is not None:
            break
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchError(f"{process.args!r} does not listen")
