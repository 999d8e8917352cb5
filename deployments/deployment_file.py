"""Internal: selection of the `prefect.yaml` that a command reads."""

from __future__ import annotations

from pathlib import Path

from prefect_stac_asset.deployments.prefect_yaml import FILE
from stac_asset.errors import ConfigError

NAME = "prefect.yaml"
"""Name of the file that is read from the working directory."""


def chosen_file(given: Path | None, remembered: Path | None = None) -> Path:
    """Return the absolute path of the `prefect.yaml` to read.

    The first of these files is chosen: the given file, the file of the last `up`, `prefect.yaml` in
    the working directory, and the file of this package.

    Args:
        given: The file of the command line, if any.
        remembered: The file that was given to the last `up` in the folder of the stack, if any.

    Raises:
        ConfigError: The file of the last `up` does not exist any more.
    """
    if given is not None:
        return given.absolute()
    if remembered is not None:
        if not remembered.exists():
            raise ConfigError(
                f"File '{remembered}' of the last `up` does not exist. Set `--file` to its new "
                "path, or to another file."
            )
        return remembered
    own = Path.cwd() / NAME
    return own if own.exists() else FILE
