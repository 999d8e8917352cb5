"""The options of the command line that say what `Config` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config

_F = TypeVar("_F", bound=Callable[..., Any])


def _header(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    headers = {}
    for value in values:
        name, colon, text = value.partition(":")
        if not colon or not name.strip():
            # Without the value, which may be a secret.
            raise click.BadParameter("a header is written as 'Name: value'", context, parameter)
        headers[name.strip()] = text.strip()
    return headers


_OPTIONS: list[Callable[[_F], _F]] = [
    click.option(
        "-i", "--include", multiple=True, metavar="KEY", help="Only this asset; may be repeated."
    ),
    click.option(
        "-x", "--exclude", multiple=True, metavar="KEY", help="Not this asset; may be repeated."
    ),
    click.option(
        "-a",
        "--alternate-assets",
        multiple=True,
        metavar="KEY",
        help="Prefer this alternate; may be repeated, in the order of preference.",
    ),
    click.option(
        "-f",
        "--file-name-strategy",
        type=click.Choice(["FILE_NAME", "KEY"], case_sensitive=False),
        help="Name files after their hrefs or after their assets' keys.",
    ),
    click.option("-o", "--overwrite/--no-overwrite", default=None, help="Replace what is there."),
    click.option(
        "--verify-existing",
        type=click.Choice(["size", "checksum", "none"]),
        help="How hard to look at a file that is there before it is skipped.",
    ),
    click.option(
        "--write-checksums/--no-write-checksums",
        default=None,
        help="Write file:checksum and file:size to the document.",
    ),
    click.option(
        "--error-strategy",
        type=click.Choice(["KEEP", "DELETE"], case_sensitive=False),
        help="Keep assets that failed on the document, or delete them from it.",
    ),
    click.option(
        "--fail-fast/--no-fail-fast", default=None, help="Stop at the first asset that fails."
    ),
    click.option(
        "-w", "--warn/--no-warn", default=None, help="Warn of assets that fail, and exit with 0."
    ),
    click.option(
        "-n",
        "--max-concurrent-downloads",
        type=click.IntRange(min=1),
        default=DEFAULT_MAX_CONCURRENT_DOWNLOADS,
        show_default=True,
        metavar="N",
        help="How many assets are in work at once.",
    ),
    click.option(
        "-H",
        "--header",
        "http_headers",
        multiple=True,
        callback=_header,
        metavar="'NAME: VALUE'",
        help="Send this header with each HTTP request; may be repeated.",
    ),
    click.option(
        "--header-host",
        "http_headers_hosts",
        multiple=True,
        metavar="HOST",
        help="Send these headers to this host only; may be repeated.",
    ),
    click.option(
        "--http-client-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="How long one attempt at a file may take.",
    ),
    click.option(
        "--http-max-attempts",
        type=click.IntRange(min=1),
        metavar="N",
        help="How often a file is tried in all.",
    ),
    click.option(
        "--http-check-content-type/--no-http-check-content-type",
        default=None,
        help="Fail on a content type that the asset does not say, or only warn.",
    ),
    click.option("--s3-region-name", metavar="REGION", help="The region of S3 buckets."),
    click.option("--s3-endpoint-url", metavar="URL", help="An S3-compatible service."),
    click.option(
        "--s3-requester-pays/--no-s3-requester-pays",
        default=None,
        help="Pay for what is downloaded from requester-pays buckets.",
    ),
    click.option(
        "--s3-retry-mode",
        type=click.Choice(["adaptive", "standard", "legacy"]),
        help="How S3 requests are retried.",
    ),
    click.option(
        "--s3-max-attempts",
        type=click.IntRange(min=1),
        metavar="N",
        help="How often an S3 request is tried.",
    ),
    click.option(
        "--client",
        "client_override",
        metavar="NAME",
        help="Use this client for every href, whatever the href says.",
    ),
    click.option(
        "--allow-local-hrefs/--no-allow-local-hrefs",
        default=None,
        help="Whether the document may name files of this machine.",
    ),
]


def config_options(command: _F) -> _F:
    """Gives a command the options, by the names of `Config` and in the order of this module."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_config(options: Mapping[str, Any]) -> Config:
    """Returns the configuration that options, the environment and `.env` make, in this order.

    Args:
        options: The options by the names of `Config`; those that were not given are None or empty.

    Raises:
        ConfigError: It contradicts itself, or a variable cannot be read.
    """
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None and value != () and value != {}
    }
    config = Config.from_env(**given)
    config.validate()
    return config
