"""Local Prefect stacks like those of `make up`, on free ports."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.deployments_cli import run_deployments_cli
from tests.support.http_client import CLIENT
from tests.support.paths import ROOT
from tests.support.prefect_databases import QUICK_SERVER, make_prefect_home
from tests.support.prefect_environment import PREPARED_PYTHON, certificates, import_path
from tests.support.server_logs import ServerLog, checked_log, unexpected_errors
from tests.support.servers import free_port

SHORT_POLLING = {"PREFECT_WORKER_QUERY_SECONDS": "3"}
"""Environment variables of workers that start flow runs soon. The default is 10 s."""


def _run_without_errors(
    command: list[str], env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command. Fail the test if the output has a logged error or a traceback."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert unexpected_errors(done.stdout + "\n" + done.stderr) == []
    return done


@dataclass(frozen=True)
class RunningStack:
    """A running Prefect server with workers and deployments.

    Attributes:
        folder: Folder of the database, downloads and logs.
        port: Port of the server.
        printed: Output of `up`.
        logs: Logs by file name. Tests announce expected errors to a log.
        environment: Environment variables of `up`.
    """

    folder: Path
    port: int
    printed: str
    logs: dict[str, ServerLog]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `prefect` command line on this server."""
        environment = {
            **os.environ,
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_HOME": str(self.folder),
            "PYTHONPATH": import_path(),
        }
        command = [*PREPARED_PYTHON, "-m", "prefect", "--no-prompt", *arguments]
        return _run_without_errors(command, env=environment)

    def deploy(self, file: Path) -> None:
        """Register the deployments of a `prefect.yaml` on this server."""
        server = {"PREFECT_API_URL": f"{self.url}/api", "PREFECT_HOME": str(self.folder)}
        done = run_deployments_cli("deploy", "--file", str(file), **server)
        assert done.returncode == 0, done.stderr

    def save_block(self, slug: str, name: str, **data: Any) -> None:
        """Save a block on this server, as the form of the UI does.

        Args:
            slug: The type of the block, which the server has registered.
            name: Name of the block.
            data: The fields of the block.
        """
        kind = CLIENT.get(f"{self.url}/api/block_types/slug/{slug}").json()["id"]
        of_kind = {"block_type_id": {"any_": [kind]}}
        (schema,) = post(self, "/block_schemas/filter", block_schemas=of_kind)
        given = {"name": name, "data": data, "block_type_id": kind}
        post(self, "/block_documents/", block_schema_id=schema["id"], **given)

    def processes(self) -> list[int]:
        """Return the process ids of the server, the workers and the flow runs."""
        mark = f"PREFECT_HOME={self.folder / 'prefect'}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # The process has ended, or belongs to another user.
            if mark in variables:
                found.append(int(folder.name))
        return found


@contextmanager
def running_stack(
    folder: Path, *provoked: str, file: Path = ROOT / "prefect.yaml", **environment: str
) -> Iterator[RunningStack]:
    """Start a stack, stop the stack, and check the logs of the server and the workers.

    Args:
        folder: Folder of the database, downloads and logs.
        provoked: Regular expressions for errors that the test expects in the logs.
        file: Path of the `prefect.yaml`.
        environment: Additional environment variables.
    """
    port = free_port()
    quick = {"PYTHONPATH": import_path(), "PREFECT_API_SSL_CERT_FILE": certificates()}
    environment = quick | QUICK_SERVER | environment
    if "DATABASE" not in environment:
        make_prefect_home(folder / "prefect")
    up = ("up", "--folder", str(folder), "--file", str(file))
    with ExitStack() as checks:
        try:
            done = run_deployments_cli(*up, PORT=str(port), **environment)
            assert done.returncode == 0, done.stdout + done.stderr
            logs = {
                path.name: checks.enter_context(checked_log(path, *provoked))
                for path in folder.glob("*.log")
            }
            yield RunningStack(folder, port, done.stdout, logs, environment)
            later = set(folder.glob("*.log")) - {log.path for log in logs.values()}
        finally:
            run_deployments_cli("down", "--folder", str(folder))
        for path in later:
            checks.enter_context(checked_log(path, *provoked))


def post(stack: RunningStack, path: str, /, **body: Any) -> Any:
    """Send a POST request to the API, and return the JSON of the response."""
    response = CLIENT.post(f"{stack.url}/api{path}", json=body)
    assert response.is_success, response.text
    return response.json()


def read_deployment(stack: RunningStack, name: str) -> dict[str, Any]:
    response = CLIENT.get(f"{stack.url}/api/deployments/name/{name}")
    assert response.is_success, response.text
    found: dict[str, Any] = response.json()
    return found


def delete_deployment(stack: RunningStack, deployment_id: str) -> None:
    response = CLIENT.delete(f"{stack.url}/api/deployments/{deployment_id}")
    assert response.is_success, response.text


def create_run(stack: RunningStack, name: str, **parameters: Any) -> httpx.Response:
    """Create a flow run of a deployment, and return the response."""
    path = f"/api/deployments/{read_deployment(stack, name)['id']}/create_flow_run"
    return CLIENT.post(f"{stack.url}{path}", json={"parameters": parameters})


def wait_for_end(stack: RunningStack, run_id: str) -> dict[str, Any]:
    """Wait until a flow run has ended, and return the flow run."""
    for _ in range(300):
        run: dict[str, Any] = CLIENT.get(f"{stack.url}/api/flow_runs/{run_id}").json()
        if run["state"]["type"] in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"):
            return run
        time.sleep(1)
    raise AssertionError(run["state"])
