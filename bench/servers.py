"""The servers of the measurements as context managers: nginx, S3, Prefect, and a proxy."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bench.measure import ROOT, BenchError
from bench.object_store import CONFIGURATION
from bench.programs import program_path
from bench.tls import Certificate

KEY, SECRET = "bench", "benchmark-secret"
"""Access key and secret key of the S3 server."""

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
    types {{ application/json json; }}
    default_type image/tiff;
    index index.json;
    client_body_temp_path {folder}/.body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096 {tls};
        root {folder};
        {directives}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, tls: Certificate | None = None, directives: str = "") -> Iterator[str]:
    """Serve a folder over HTTP or HTTPS, and yield the URL of the root.

    Args:
        folder: The folder.
        tls: The certificate, for HTTPS.
        directives: Further directives of the server.
    """
    program = program_path("nginx")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nginx-") as scratch:
        conf = Path(scratch, "nginx.conf")
        user = "user root;" if os.geteuid() == 0 else ""
        secured = f"ssl; ssl_certificate {tls.path}; ssl_certificate_key {tls.key}" if tls else ""
        text = _NGINX.format(
            scratch=scratch,
            folder=folder,
            port=port,
            user=user,
            tls=secured,
            directives=directives,
        )
        conf.write_text(text)
        with running_server([program, "-c", str(conf), "-p", scratch], port):
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


@contextmanager
def fast_s3(folder: Path) -> Iterator[str]:
    """Store objects in subfolders as S3 buckets, and yield the endpoint.

    Args:
        folder: The folder that contains the buckets, in memory.
    """
    control = free_port()
    command = [sys.executable, "-m", "bench.object_store", str(control), str(folder)]
    directives = CONFIGURATION.replace("{control}", str(control))
    with running_server(command, control), nginx(folder, directives=directives) as endpoint:
        yield endpoint


@contextmanager
def rclone_s3(
    folder: Path,
    key: str = KEY,
    secret: str = SECRET,
    changes: bool = False,
    tls: Certificate | None = None,
) -> Iterator[str]:
    """Serve subfolders as S3 buckets, and yield the endpoint. Requests must be signed.

    Args:
        folder: The folder that contains the buckets.
        key: The access key of the only user.
        secret: The secret key.
        changes: Whether files change in the folder while the server runs. Then folders are not
            cached. Such a server cannot be written to: rclone 1.75 refreshes the folders of a
            written file without a pause, and stops to respond.
        tls: The certificate, for HTTPS.
    """
    port = free_port()
    command = [program_path("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{key},{secret}", "--config", os.devnull]
    command += ["--dir-cache-time", "0s"] if changes else []
    command += ["--cert", str(tls.path), "--key", str(tls.key)] if tls else []
    command.append(str(folder))
    with running_server(command, port):
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


@contextmanager
def far_away(
    origin: str, milliseconds: float, rate: float = 0.0, total: float = 0.0
) -> Iterator[str]:
    """Add latency and a rate limit to an HTTP server, and yield the new URL.

    Args:
        origin: The root URL of the server.
        milliseconds: The time of a round trip.
        rate: Maximum bytes per second of a connection. 0 means no limit.
        total: Maximum bytes per second of all connections. 0 means no limit.
    """
    port, target = free_port(), origin.rpartition(":")[2]
    command = [sys.executable, "-m", "bench.distance", str(port), target, str(milliseconds)]
    command += [str(rate), str(total)]
    with running_server(command, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def prefect_server(home: Path) -> Iterator[dict[str, str]]:
    """Run a Prefect server, and yield the environment variables that make flows use this server.

    Args:
        home: The folder of the database.
    """
    port = free_port()
    environment = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)]
    with running_server(command, port, environment):
        api = f"http://127.0.0.1:{port}/api"
        yield {**environment, "PREFECT_API_URL": api, "PREFECT_LOGGING_LEVEL": "WARNING"}


def free_port() -> int:
    """Return a free port of this machine.

    The server may start many seconds later, or restart. Therefore the port is outside of the range
    that the system assigns to connections and to requests for any free port.

    Raises:
        BenchError: No free port was found.
    """
    for port in random.sample(range(20_000, 30_000), 100):
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise BenchError("no free port found between 20000 and 30000")


@contextmanager
def running_server(
    command: Sequence[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[None]:
    """Run a server, and wait until the server accepts connections.

    Args:
        command: The program and the arguments.
        port: The port of the server.
        environment: Further environment variables.

    Raises:
        BenchError: The server does not start.
    """
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
    raise BenchError(f"{process.args!r} does not listen on port {port}")
