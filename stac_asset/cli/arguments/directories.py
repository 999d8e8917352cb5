"""The arguments of the commands about a directory of downloads: `verify` and `clean`."""

from __future__ import annotations

from typing import Any

import click

from stac_asset.cli.options import config_options, destination_options, json_option, read_config
from stac_asset.cli.running import run


@click.command()
@click.argument("directory", type=click.Path(file_okay=False))
@click.option(
    "--repair", is_flag=True, help="Download missing and damaged files again, from their sources."
)
@click.option(
    "--remove-unknown",
    is_flag=True,
    help="Remove files in mirrors that no record of the mirror names.",
)
@click.option(
    "--read-objects",
    is_flag=True,
    help="Read the objects of an object store. By default, the checksums in their metadata are "
    "compared.",
)
@json_option
@config_options
def verify(
    directory: str,
    repair: bool,
    remove_unknown: bool,
    read_objects: bool,
    as_json: bool,
    max_concurrent_downloads: int,
    **options: Any,
) -> int:
    """Verify the files in DIRECTORY, which can be a prefix such as s3://bucket/prefix.

    The sizes and checksums of the files are compared with those in the STAC documents. Without
    --repair and --remove-unknown, no file is changed. Files outside DIRECTORY are never changed.
    The exit code is 1 if files are missing or wrong.
    """
    from stac_asset.cli.commands.verify import VerifyOptions, verify

    chosen = VerifyOptions(repair, remove_unknown, read_objects, max_concurrent_downloads, as_json)
    return run(verify(directory, read_config(options), chosen))


@click.command()
@click.argument("directory", type=click.Path(file_okay=False))
@click.option(
    "--older-than",
    default="1d",
    show_default=True,
    metavar="AGE",
    help="Minimum age since the last write, such as 30m, 12h or 7d.",
)
@click.option("--dry-run", is_flag=True, help="List the leftovers, and remove nothing.")
@click.option(
    "--without-note",
    is_flag=True,
    help="Abort also unfinished uploads without a note, which other programs may have started.",
)
@json_option
@destination_options
def clean(
    directory: str,
    older_than: str,
    dry_run: bool,
    without_note: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Remove the leftovers of interrupted downloads from DIRECTORY.

    DIRECTORY can be a prefix such as s3://bucket/prefix. In a directory, part files and their notes
    are removed. In a bucket, unfinished uploads of this program are aborted. Downloads that are
    running are not disturbed, if their last write is younger than the given age.
    """
    from stac_asset.cli.commands.clean import clean, parse_age

    try:
        age = parse_age(older_than)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--older-than") from None
    return run(clean(directory, read_config(options), age, dry_run, without_note, as_json))
