"""Internal: serve or push the metrics of a run.

Runs in the same process share the server of an address. Runs in other processes need another port,
or a Pushgateway.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stac_asset.concurrency import in_thread
from stac_asset.errors import ConfigError
from stac_asset.notices import notice
from stac_asset.redact import redact_text

if TYPE_CHECKING:
    from prefect_stac_asset.flows.monitoring.metrics import Metrics, RunMetrics

_LOOPBACK = "127.0.0.1"
_JOB = "stac-asset"

_PUSH_INTERVAL = 15.0
"""Seconds between two pushes."""

_PUSH_TIMEOUT = 10.0
"""Maximum number of seconds for a push."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Metrics are served at an address during the run."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Push:
    """Metrics are pushed to a Pushgateway."""

    url: str


def metrics_target(value: str) -> Serve | Push:
    """Return the meaning of the option `metrics`.

    Args:
        value: A port, a host and port, or the URL of a Pushgateway.

    Raises:
        ConfigError: The port does not exist.
    """
    if "://" in value:
        return Push(value)
    host, _, port = value.rpartition(":")
    if not 0 < int(port) < 65536:
        raise ConfigError(
            f"`metrics` has the port {port}, which does not exist. Use for example 9464."
        )
    return Serve(host.strip("[]") or _LOOPBACK, int(port))


@asynccontextmanager
async def open_metrics(
    value: str | None, flow: str, deployment: str | None
) -> AsyncIterator[RunMetrics | None]:
    """Serve or push the metrics of a run until the context ends.

    Args:
        value: The option `metrics`. Without a value, the run has no metrics.
        flow: The name of the flow.
        deployment: The name of the deployment, if any.

    Raises:
        ConfigError: The address to serve is in use, or does not belong to this machine.
    """
    if value is None:
        yield None
        return
    from prefect_stac_asset.flows.monitoring.metrics import RunMetrics

    target = metrics_target(value)
    async with _served(target) if isinstance(target, Serve) else _unshared() as metrics:
        run = RunMetrics(metrics, flow, deployment or "none")
        try:
            if isinstance(target, Serve):
                yield run
            else:
                async with _pushing(target, metrics, flow, deployment or "none"):
                    yield run
        finally:
            run.close()


@asynccontextmanager
async def _unshared() -> AsyncIterator[Metrics]:
    yield _new_metrics()


def _new_metrics() -> Metrics:
    from prometheus_client import CollectorRegistry

    from prefect_stac_asset.flows.monitoring.metrics import Metrics

    return Metrics(CollectorRegistry())


@dataclass(slots=True)
class _MetricsServer:
    metrics: Metrics
    server: Any
    """The WSGI server of `prometheus_client`, which has no public type."""

    thread: threading.Thread
    users: int = 0

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


_servers: dict[Serve, _MetricsServer] = {}
_lock = threading.Lock()


@asynccontextmanager
async def _served(target: Serve) -> AsyncIterator[Metrics]:
    """Serve metrics. All runs of this process with the same address share a server."""
    server = await in_thread(_acquire, target)
    try:
        yield server.metrics
    finally:
        await in_thread(_release, target)


def _acquire(target: Serve) -> _MetricsServer:
    with _lock:
        server = _servers.get(target) or _start(target)
        _servers[target] = server
        server.users += 1
        return server


def _release(target: Serve) -> None:
    """Stop the server after the last run. The stop takes up to half a second."""
    with _lock:
        server = _servers[target]
        server.users -= 1
        if not server.users:
            del _servers[target]
            server.close()


def _start(target: Serve) -> _MetricsServer:
    from prometheus_client import start_http_server

    metrics = _new_metrics()
    try:
        server, thread = start_http_server(target.port, target.host, metrics.registry)
    except OSError as error:
        raise ConfigError(
            f"Cannot serve metrics at {target.host}:{target.port}: {error.strerror or error}. Set "
            "`metrics` to another port, or to the URL of a Pushgateway, which several runs on a "
            "machine can share."
        ) from None
    return _MetricsServer(metrics, server, thread)


@asynccontextmanager
async def _pushing(
    target: Push, metrics: Metrics, flow: str, deployment: str
) -> AsyncIterator[None]:
    """Push metrics every few seconds, and once when the context ends.

    A push that fails is a notice, and does not fail the run.
    """
    from prometheus_client import pushadd_to_gateway

    group = {"flow": flow, "deployment": deployment}

    def send() -> None:
        pushadd_to_gateway(target.url, _JOB, metrics.registry, group, timeout=_PUSH_TIMEOUT)

    async def push() -> None:
        try:
            await in_thread(send)
        except Exception as error:
            notice(
                "Metrics cannot be pushed. Check `metrics` and the Pushgateway",
                f"{target.url} ({redact_text(str(error))})",
            )

    async def repeat() -> None:
        while True:
            await asyncio.sleep(_PUSH_INTERVAL)
            await push()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await push()
