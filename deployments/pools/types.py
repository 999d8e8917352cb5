"""Types of work pools, and the base job template of each.

The JSON files are the default templates of Prefect's workers with other defaults and, for
Kubernetes, with variables for volumes. `docs/deployments.md` lists the differences.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

PoolName: TypeAlias = Literal["process", "docker", "kubernetes", "ecs", "cloud-run", "slurm"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class PoolType:
    """A type of work pools.

    Args:
        name: The name of the type in this package.
        worker: The type of the worker, as Prefect's command line takes it.
        package: The package of the worker, if Prefect itself does not contain the worker.
        has_image: Whether runs use a container image.
        needs_store: Whether directories of a run are lost with its container, so that destinations
            must be object stores.
        scheme: The scheme of the usual object store, and the extra of this package that supports
            the scheme.
    """

    name: PoolName
    worker: str
    package: str | None = None
    has_image: bool = False
    needs_store: bool = False
    scheme: tuple[str, str | None] = ("s3", None)

    def base_job_template(self, defaults: Mapping[str, object]) -> dict[str, Any]:
        """Return the base job template of a new work pool.

        Args:
            defaults: Default values of variables, in place of those of the file.
        """
        template: dict[str, Any] = json.loads(self.file.read_text())
        for variable, value in defaults.items():
            template["variables"]["properties"][variable]["default"] = value
        return template

    @property
    def file(self) -> Path:
        """The JSON file of the base job template."""
        return _FOLDER / f"{self.name}.json"


POOL_TYPES: dict[str, PoolType] = {
    kind.name: kind
    for kind in (
        PoolType("process", "process"),
        PoolType("docker", "docker", "prefect-docker", has_image=True),
        PoolType("kubernetes", "kubernetes", "prefect-kubernetes", has_image=True),
        PoolType("ecs", "ecs", "prefect-aws", has_image=True, needs_store=True),
        PoolType(
            "cloud-run",
            "cloud-run-v2",
            "prefect-gcp",
            has_image=True,
            needs_store=True,
            scheme=("gs", "gcs"),
        ),
        PoolType("slurm", "slurm", "prefect-slurm"),
    )
}
"""The types of work pools, by name."""
