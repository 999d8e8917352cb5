"""Internal: the choices that a user makes with the options of `stac-asset init`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from prefect_stac_asset.deployments.pools import PoolType
from stac_asset.destinations.directories import directory_path
from stac_asset.destinations.location import is_store
from stac_asset.errors import ConfigError

CODE = "/opt/repository"
"""Folder of the repository's flows in the image."""

_VOLUME = "/srv/stac"


@dataclass(frozen=True, slots=True)
class Choices:
    """The files to write, and the values in these files.

    Args:
        folder: The absolute path of the user's repository.
        file: The path of the `prefect.yaml`, relative to `folder`.
        deployments: Names of deployments of this package.
        has_example: Whether an example flow and its deployment are written.
        pool_type: The type of the work pool.
        pool: The name of the work pool.
        image: The name of the container image.
        given_directory: The destination of downloads, if the user gave one.
        source: The source to mirror in place of the example's source.
        collections: The collections of `source` to mirror. By default all.
        cron: The cron expression of the example's schedule. Otherwise the schedule is inactive.
        is_file_only: Whether only the `prefect.yaml` is written, for the commands of this package.
    """

    folder: Path
    file: str
    deployments: tuple[str, ...]
    has_example: bool
    pool_type: PoolType
    pool: str
    image: str
    given_directory: str | None = None
    source: str | None = None
    collections: tuple[str, ...] = ()
    cron: str | None = None
    is_file_only: bool = False

    def __post_init__(self) -> None:
        """Check that the directory outlives the runs.

        Raises:
            ConfigError: The directory is a path in a container that is removed after a run.
        """
        given = self.given_directory
        if given is not None and self.pool_type.needs_store and not is_store(given):
            raise ConfigError(
                f"Directory '{given}' is lost when a container of a work pool of type "
                f"'{self.pool_type.name}' ends. Set `--directory` to a URL such as "
                f"{self.pool_type.scheme[0]}://bucket/prefix."
            )

    @property
    def directory(self) -> str:
        """The destination of downloads: an absolute path, or the URL of a prefix."""
        given = self.given_directory
        if given is None and self.pool_type.needs_store:
            return f"{self.pool_type.scheme[0]}://my-bucket/mirror"
        if given is not None and is_store(given):
            return given
        if given is not None and given.lower().startswith(("file:", "~")):
            return str(directory_path(given, "--directory"))
        base = Path(_VOLUME) if self.pool_type.has_image else self.folder
        return os.path.normpath(base / (given or "mirror"))

    @property
    def volume(self) -> str | None:
        """The path of the volume in containers, if the destination is a directory."""
        if not self.pool_type.has_image or is_store(self.directory):
            return None
        return _VOLUME if Path(self.directory).is_relative_to(_VOLUME) else self.directory

    @property
    def code(self) -> str:
        """The folder in which runs of the example find the repository's flows."""
        return CODE if self.pool_type.has_image else str(self.folder)

    def template_defaults(self) -> dict[str, object]:
        """Return the default values of variables in the base job template of the work pool."""
        volume = self.volume
        match self.pool_type.name:
            case "process":
                return {"working_dir": str(self.folder)}
            case "slurm":
                activate = str(self.folder / ".venv" / "bin" / "activate")
                return {"working_dir": str(self.folder), "source_files": [activate]}
            case "docker":
                return {"image": self.image, "volumes": [f"{volume}:{volume}"] if volume else []}
            case "kubernetes":
                claim = {"name": "stac", "persistentVolumeClaim": {"claimName": "stac"}}
                mount = {"name": "stac", "mountPath": volume}
                return {
                    "image": self.image,
                    "volumes": [claim] if volume else [],
                    "volume_mounts": [mount] if volume else [],
                }
            case _:
                return {"image": self.image}
