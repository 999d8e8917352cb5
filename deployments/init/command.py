"""Internal: the arguments of `stac-asset init`."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import click
from prefect.settings import get_current_settings
from pydantic import ValidationError

from prefect_stac_asset.deployments.deployment_file import NAME
from prefect_stac_asset.deployments.init.choices import Choices
from prefect_stac_asset.deployments.init.deployment_text import packaged_deployments
from prefect_stac_asset.deployments.init.files import check_existing, files_to_write, write_files
from prefect_stac_asset.deployments.init.next_steps import next_steps, numbered
from prefect_stac_asset.deployments.pools import POOL_TYPES
from prefect_stac_asset.deployments.ports import free_port
from prefect_stac_asset.deployments.prefect_yaml import Schedule
from stac_asset.cli.options import json_option
from stac_asset.cli.output import print_json

_TEXTS = {
    "written": "written",
    "unchanged": "exists already",
    "kept": "exists with other content, and is kept",
}


def _known_names(
    context: click.Context, parameter: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    packaged = packaged_deployments()
    for name in names:
        if name not in packaged:
            raise click.BadParameter(
                f"'{name}' is not a deployment of this package. Use {', '.join(packaged)}."
            )
    return tuple(dict.fromkeys(names))


def _not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("the value is empty. Leave out the option, or set a value.")
    return value


def _image_name(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not _IMAGE.fullmatch(name):
        raise click.BadParameter(
            f"{name!r} is not the name of an image. Use for example registry.example.com/stac:1."
        )
    return name


def _without_login(
    context: click.Context, parameter: click.Parameter, source: str | None
) -> str | None:
    if source is not None and urlsplit(source).username is not None:
        raise click.BadParameter(
            "the URL contains a user or password, which would be written to a file. Remove both, "
            "and save a credential block."
        )
    return _not_empty(context, parameter, source)


def _valid_cron(context: click.Context, parameter: click.Parameter, cron: str | None) -> str | None:
    if cron is not None:
        try:
            Schedule(slug="mirror", cron=cron)
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
            raise click.BadParameter(reason.removeprefix("Value error, ")) from None
    return cron


_IMAGE = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@[\w:]+)?", re.ASCII)
"""Names of images, with registry, tag and digest."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option(
    "-d",
    "--deployment",
    "names",
    multiple=True,
    callback=_known_names,
    help="Deployment of this package to include, such as sync or verify. Can be repeated.",
)
@click.option(
    "--type",
    "type_name",
    type=click.Choice(list(POOL_TYPES)),
    default="process",
    show_default=True,
    help="Type of the work pool.",
)
@click.option(
    "--pool",
    default="stac-asset",
    show_default=True,
    callback=_not_empty,
    help="Name of the work pool.",
)
@click.option(
    "--image",
    default="stac-asset:latest",
    show_default=True,
    callback=_image_name,
    help="Name of the container image, with the registry if machines pull the image.",
)
@click.option(
    "--directory",
    callback=_not_empty,
    help="Destination of downloads: a directory, or a URL such as s3://bucket/prefix. By default "
    "the folder mirror.",
)
@click.option(
    "--source", callback=_without_login, help="STAC API, catalog or file of items to mirror."
)
@click.option(
    "-c",
    "--collection",
    "collections",
    multiple=True,
    help="Collection of --source to mirror. Can be repeated. By default all collections.",
)
@click.option(
    "--cron",
    callback=_valid_cron,
    help="Cron expression in UTC of the example's schedule, which becomes active. By default an "
    "inactive schedule.",
)
@click.option("--example/--no-example", default=True, help="Write an example flow.")
@click.option(
    "--file",
    default=NAME,
    show_default=True,
    callback=_not_empty,
    help="Path of the prefect.yaml in FOLDER.",
)
@click.option(
    "--file-only",
    "is_file_only",
    is_flag=True,
    help="Write only a copy of the packaged prefect.yaml, for `make up` and the option --file.",
)
@json_option
def init(
    folder: Path,
    names: tuple[str, ...],
    type_name: str,
    pool: str,
    image: str,
    directory: str | None,
    source: str | None,
    collections: tuple[str, ...],
    cron: str | None,
    example: bool,
    file: str,
    is_file_only: bool,
    as_json: bool,
) -> int:
    """Write files to start with into the repository FOLDER, by default the working directory.

    The files are a prefect.yaml, the base job template of a work pool, an example flow,
    .prefectignore and, for work pools with containers, a Dockerfile. Existing files are never
    changed. Prints the next steps.
    """
    if is_file_only:
        names, example = names or tuple(packaged_deployments()), False
    if collections and source is None:
        raise click.UsageError("--collection needs --source. Add --source.")
    if not example and not names:
        raise click.UsageError("--no-example leaves no deployment. Add --deployment sync.")
    if not example and cron is not None:
        raise click.UsageError("--cron is the schedule of the example. Remove --no-example.")
    choices = Choices(
        folder=folder.absolute(),
        file=file,
        deployments=names,
        has_example=example,
        pool_type=POOL_TYPES[type_name],
        pool=pool,
        image=image,
        given_directory=directory,
        source=source,
        collections=collections,
        cron=cron,
        is_file_only=is_file_only,
    )
    check_existing(choices)
    written = list(write_files(choices.folder, files_to_write(choices)))
    server = get_current_settings().api.url
    steps = next_steps(choices, server, Path.cwd(), free_port())
    if as_json:
        print_json(
            {
                "folder": str(choices.folder),
                "files": [{"path": name, "state": outcome} for name, outcome in written],
                "next_steps": [{"text": one.text, "commands": one.commands} for one in steps],
            }
        )
        return 0
    for name, outcome in written:
        click.echo(f"{name}: {_TEXTS[outcome]}")
    click.echo("\nNext steps:\n")
    for line in numbered(steps):
        click.echo(line)
    return 0
