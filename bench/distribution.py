"""Measure how the time of a distributed run depends on the number of workers.

    python -m bench.distribution --workers 1 4

The command starts a Prefect server, an S3 server, an origin that limits each connection, and
process workers, each with a working directory of its own and one run at a time. The options of the
run limit the connections of a process to the origin, as a provider does for each machine.

With the default options, the download of a share takes 64 seconds, and the measurements of one and
of four workers take about seven minutes together. All processes share the cores of this machine, so
several runs that start at the same time take longer to start than on machines of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.items import write_items
from bench.servers import free_port, prefect_server, running_server
from stac_asset.testing import OriginProcess

_POOL = "distribution"
_BUCKET = "distribution"
_KEY = _SECRET = "bench-distribution"

_WORKER_TIMEOUT = 30
"""Seconds in which a worker must end."""

_ASSETS_PER_ITEM = 20
"""Number of assets of each item. An item is a share."""


def measure(workers: int, items: int, size: int, rate: float, connections: int) -> float:
    """Return the seconds of a run.

    Args:
        workers: Number of workers.
        items: Number of items, each of which is a share.
        size: Size of an asset in bytes.
        rate: Maximum rate of a connection to the origin, in bytes per second.
        connections: Maximum number of connections of a process to the origin.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="distribution-")))
        origin = stack.enter_context(OriginProcess(bytes_per_second=rate))
        environment = {**os.environ, **stack.enter_context(prefect_server(folder / "prefect"))}
        # As in an installation, processes find compiled modules.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        stack.enter_context(running_server(command, port))
        for number in range(workers):
            stack.enter_context(_worker(folder / f"worker-{number}", environment))
        source = folder / "items.ndjson"
        write_items(source, origin.url, items, _ASSETS_PER_ITEM, size)
        job = {
            "source": str(source),
            "endpoint": f"http://127.0.0.1:{port}",
            "workers": workers,
            "connections": connections,
        }
        child = subprocess.run(
            [sys.executable, "-m", "bench.distribution", "--job", json.dumps(job)],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        return float(child.stdout)


@contextmanager
def _worker(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a worker that executes one flow run at a time."""
    folder.mkdir()
    command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process"]
    command += ["--pool", _POOL, "--name", folder.name, "--limit", "1"]
    variables = {**environment, "PREFECT_WORKER_QUERY_SECONDS": "2"}
    with (
        (folder / "worker.log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_WORKER_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


async def _run(job: dict[str, Any]) -> None:
    """Run the flow in this process, and print the seconds."""
    from aiobotocore.session import AioSession
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import WorkerStatus
    from prefect.exceptions import ObjectNotFound

    from prefect_stac_asset import DownloadOptions, S3Credentials, flows

    keys = {"aws_access_key_id": _KEY, "aws_secret_access_key": _SECRET}
    async with AioSession().create_client(  # type: ignore[call-overload]
        "s3", region_name="us-east-1", endpoint_url=job["endpoint"], **keys
    ) as client:
        await client.create_bucket(Bucket=_BUCKET)
    block = S3Credentials(
        access_key_id=_KEY, secret_access_key=_SECRET, endpoint_url=job["endpoint"]
    )
    await block.save("distribution", overwrite=True)
    async with get_client() as api:
        online = 0
        while online < job["workers"]:
            await asyncio.sleep(1)
            try:
                await api.read_work_pool(_POOL)
                found = await api.read_workers_for_work_pool(_POOL)
            except ObjectNotFound:
                continue
            online = sum(worker.status is WorkerStatus.ONLINE for worker in found)
    deployment: Any = await flows.download_batch.to_deployment(  # type: ignore[misc]
        "distribution", work_pool_name=_POOL
    )
    await deployment.aapply()
    started = time.monotonic()
    await flows.download_item_collection(
        job["source"],
        f"s3://{_BUCKET}/data",
        options=DownloadOptions(
            max_connections_per_host=job["connections"], max_connections_per_file=1
        ),
        destination_credentials=await S3Credentials.load("distribution"),
        distribute="distribution",
    )
    print(time.monotonic() - started)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    parser = argparse.ArgumentParser(description="Measure a distributed run by number of workers.")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--items", type=int, default=4, help="number of items, each is a share")
    parser.add_argument("--size", type=int, default=1024 * 1024, help="bytes of an asset")
    parser.add_argument("--rate", type=float, default=80 * 1024, help="bytes/s of a connection")
    parser.add_argument("--connections", type=int, default=4, help="connections of a process")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.job:
        asyncio.run(_run(json.loads(options.job)))
        return
    sizes = options.items, options.size, options.rate, options.connections
    seconds = [measure(workers, *sizes) for workers in options.workers]
    for workers, taken in zip(options.workers, seconds, strict=True):
        print(f"{workers} workers: {taken:.0f} s, {seconds[0] / taken:.2f} times as fast")


if __name__ == "__main__":
    main()
