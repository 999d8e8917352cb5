"""Internal: the steps that `stac-asset init` prints, from the written files to a scheduled run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prefect_stac_asset.deployments.init.choices import Choices
from prefect_stac_asset.deployments.init.deployment_text import EXAMPLE_DEPLOYMENT
from prefect_stac_asset.deployments.init.files import pool_file
from prefect_stac_asset.deployments.ports import DEFAULT_PORT


@dataclass(frozen=True, slots=True)
class NextStep:
    """A step with the commands to run in the user's repository.

    Args:
        text: What to do.
        commands: The commands of a shell.
    """

    text: str
    commands: tuple[str, ...] = ()


def next_steps(
    choices: Choices, server: str | None, working_directory: Path, port: int = DEFAULT_PORT
) -> Iterator[NextStep]:
    """Yield the steps after the files were written.

    Args:
        choices: The choices of the user.
        server: URL of the Prefect server that the settings of Prefect select, if any.
        working_directory: The folder in which the user runs the commands.
        port: A free port for a server on this machine.
    """
    file = shlex.quote(choices.file)
    if choices.is_file_only:
        yield NextStep("Change the file, and start its deployments:", (f"make up FILE={file}",))
        return
    kind, pool = choices.pool_type, shlex.quote(choices.pool)
    if choices.folder != working_directory:
        yield NextStep("Change to the folder:", (f"cd {shlex.quote(str(choices.folder))}",))
    if "my-bucket" in choices.directory and choices.given_directory is None:
        yield NextStep(f"In {choices.file}, replace {choices.directory} by a prefix of your own.")
    if server is None:
        yield from _server(choices, port)
    if kind.package is not None:
        yield NextStep("Install the worker:", (f"python -m pip install {kind.package}",))
    if kind.has_image:
        image = shlex.quote(choices.image)
        push = () if kind.name == "docker" else (f"docker push {image}",)
        yield NextStep("Build the image of the runs:", (f"docker build --tag {image} .", *push))
    if kind.name == "kubernetes" and choices.volume is not None:
        yield NextStep(
            "Create the persistent volume claim `stac` in the namespace of the runs, with access "
            "for all runs."
        )
    if kind.name == "slurm":
        yield NextStep(
            "Make this folder, and its virtual environment .venv with prefect-stac-asset, visible "
            "to all nodes."
        )
    template = shlex.quote(pool_file(choices))
    yield NextStep(
        "Create the work pool:",
        (f"prefect work-pool create {pool} --type {kind.worker} --base-job-template {template}",),
    )
    yield NextStep(
        "Register the types of credential blocks, and the deployments:",
        (
            "prefect block register --module prefect_stac_asset.blocks",
            f"prefect --no-prompt deploy --all{_file_option(choices)}",
        ),
    )
    yield NextStep(
        "Start a worker in another terminal:",
        (f"prefect worker start --pool {pool} --type {kind.worker}",),
    )
    if choices.has_example:
        yield from _example_run(choices)


def _file_option(choices: Choices) -> str:
    return f" --prefect-file {shlex.quote(choices.file)}" if choices.file != "prefect.yaml" else ""


def _server(choices: Choices, port: int) -> Iterator[NextStep]:
    if choices.pool_type.name not in ("process", "docker"):
        yield NextStep(
            "Select a Prefect server that the runs can reach, in each terminal:",
            ("export PREFECT_API_URL=https://prefect.example.com/api",),
        )
        return
    option = f" --port {port}" if port != DEFAULT_PORT else ""
    yield NextStep(
        "Start a Prefect server in another terminal:",
        (f"python -m prefect_stac_asset server{option}",),
    )
    yield NextStep(
        "Select the server, in each terminal:",
        (f"export PREFECT_API_URL=http://127.0.0.1:{port}/api",),
    )


def _example_run(choices: Choices) -> Iterator[NextStep]:
    if choices.cron is not None:
        yield NextStep(
            "The schedule is active. List the runs of the example:",
            ("prefect flow-run ls --flow-name stac-mirror",),
        )
        return
    yield NextStep(
        "Run the example now:",
        (f"prefect deployment run stac-mirror/{EXAMPLE_DEPLOYMENT} --watch",),
    )
    yield NextStep(
        f"For scheduled runs, set `active: true` in {choices.file}, and register the deployments "
        "again."
    )


def numbered(steps: Iterator[NextStep]) -> Iterator[str]:
    """Yield the lines of a numbered list, with the commands indented by six spaces.

    Args:
        steps: The steps.
    """
    for number, step in enumerate(steps, start=1):
        yield f"{number}. {step.text}"
        yield from (f"      {command}" for command in step.commands)
