"""Internal: texts of the files of `stac-asset init`, and the writing of new files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import yaml  # type: ignore[import-untyped] # Prefect installs the package without types

from prefect_stac_asset.deployments.init.choices import Choices
from prefect_stac_asset.deployments.init.deployment_text import (
    EXAMPLE,
    deployment_names,
    deployments_text,
)
from prefect_stac_asset.deployments.init.image import dockerfile
from stac_asset.destinations.location import is_store
from stac_asset.errors import ConfigError

FileState: TypeAlias = Literal["written", "unchanged", "kept"]
"""Whether a file was written, exists with the same content, or exists with other content."""

_IGNORED = """\
# Files that Prefect does not upload with the flows of this repository.
.git/
.venv/
venv/
__pycache__/
*.py[cod]
*.egg-info/
.ipynb_checkpoints/
.mypy_cache/
.pytest_cache/
.ruff_cache/

# Secrets
.env

# Downloads
.*.part
.*.part.json
.*.part.lock
"""


def pool_file(choices: Choices) -> str:
    """Return the path of the base job template in the user's repository.

    Args:
        choices: The choices of the user.
    """
    return f"pools/{choices.pool_type.name}.json"


def files_to_write(choices: Choices) -> dict[str, str]:
    """Return the texts of the files, by path relative to the user's repository.

    Args:
        choices: The choices of the user.
    """
    files = {choices.file: deployments_text(choices)}
    if choices.is_file_only:
        return files
    template = choices.pool_type.base_job_template(choices.template_defaults())
    files[pool_file(choices)] = json.dumps(template, indent=2) + "\n"
    if choices.pool_type.has_image:
        files["Dockerfile"] = dockerfile(choices)
    if choices.has_example:
        files[EXAMPLE] = (Path(__file__).parent / "stac_mirror.py").read_text()
    files[".prefectignore"] = _IGNORED + _ignored_downloads(choices)
    return files


def _ignored_downloads(choices: Choices) -> str:
    if is_store(choices.directory) or not Path(choices.directory).is_relative_to(choices.folder):
        return ""
    inside = Path(choices.directory).relative_to(choices.folder)
    return f"/{inside}/\n" if inside.parts else ""


def check_existing(choices: Choices) -> None:
    """Check that an existing `prefect.yaml` lists the chosen deployments.

    Args:
        choices: The choices of the user.

    Raises:
        ConfigError: The file lacks a deployment. Files are never changed, so that the next steps
            would not register the deployment.
    """
    path = choices.folder / choices.file
    if not path.exists():
        return
    try:
        listed = yaml.safe_load(path.read_text())["deployments"]
        existing = {deployment["name"] for deployment in listed}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError):
        existing = set()
    missing = [name for name in deployment_names(choices) if name not in existing]
    if missing:
        raise ConfigError(
            f"File '{path}' already exists without the deployments {', '.join(missing)}. Choose "
            "another file with `--file`, such as --file stac-asset.yaml."
        )


def write_files(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[str, FileState]]:
    """Write files that do not exist yet.

    Args:
        folder: The folder of the user's repository.
        files: The texts of the files, by path relative to the folder.

    Yields:
        The path of each file, and what happened.

    Raises:
        ConfigError: A file cannot be written or read.
    """
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield name, _write(path, text)
        except OSError as error:
            raise ConfigError(
                f"Cannot write '{path}': {error.strerror}. Choose another folder."
            ) from None


def _write(path: Path, text: str) -> FileState:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return "unchanged" if path.is_file() and path.read_bytes() == text.encode() else "kept"
    return "written"
