"""The command-line options that set fields of `Config`, and the options about the output.

The help texts are the docstrings of the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.config_fields import field_descriptions

_F = TypeVar("_F", bound=Callable[..., Any])
_Decorator = Callable[[_F], _F]


def _header(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    headers = {}
    for value in values:
        # The name of a header contains neither a colon nor an equals sign.
        end = min((value.find(mark) for mark in ":=" if mark in value), default=0)
        name, text = value[:end].strip(), value[end + 1 :].strip()
        if not name:
            # The value is not in the message, because it may be a secret.
            raise click.BadParameter(
                "a header has no name or no value. Write 'Name: value' or 'Name=value'.",
                context,
                parameter,
            )
        headers[name] = text
    return headers


def _host_connections(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, int]:
    connections = {}
    for value in values:
        host, _, number = value.rpartition("=")
        if not host.strip() or not number.strip().isdecimal() or int(number) < 1:
            raise click.BadParameter(
                f"'{value}' is not a host and a number. Write for example 'example.com=8'.",
                context,
                parameter,
            )
        connections[host.strip()] = int(number)
    return connections


def _prices(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, float]:
    prices = {}
    for value in values:
        host, _, price = value.rpartition("=")
        try:
            prices[host.strip()] = float(price)
        except ValueError:
            raise click.BadParameter(
                f"'{value}' is not a host and a price. Write for example '*.amazonaws.com=0.09'.",
                context,
                parameter,
            ) from None
    return prices


def _option(field: str, *flags: str, **settings: Any) -> _Decorator[_F]:
    """Return the option of a field. The help is the first paragraph of the field's docstring."""
    summary = field_descriptions().get(field, "").partition("\n\n")[0]
    if settings.get("multiple"):
        summary += " May be repeated."
    return click.option(*flags, field, help=summary, **settings)


def _switch(field: str, *flags: str) -> _Decorator[_F]:
    name = field.replace("_", "-")
    return _option(field, *flags, f"--{name}/--no-{name}", default=None)


_DESTINATION_OPTIONS: list[_Decorator[Any]] = [
    _option("destination_endpoint_url", "--destination-endpoint-url", metavar="URL"),
    _option("destination_region", "--destination-region", metavar="REGION"),
    _option("destination_profile", "--destination-profile", metavar="NAME"),
]
"""Options of all commands that send requests to a destination."""

_ESTIMATE_OPTIONS: list[_Decorator[Any]] = [
    _option(
        "price_per_gb",
        "--price-per-gb",
        multiple=True,
        callback=_prices,
        metavar="HOST=PRICE",
    ),
    _option(
        "expected_speed",
        "--expected-speed",
        type=click.FloatRange(min=0, min_open=True),
        metavar="BYTES",
    ),
]
"""Options of the command `plan` only."""

_OPTIONS: list[_Decorator[Any]] = [
    _option("include", "-i", "--include", multiple=True, metavar="PATTERN"),
    _option("exclude", "-x", "--exclude", multiple=True, metavar="PATTERN"),
    _option("alternate_assets", "-a", "--alternate-assets", multiple=True, metavar="KEY"),
    _option(
        "file_name_strategy",
        "--file-name-strategy",
        type=click.Choice(["FILE_NAME", "KEY"], case_sensitive=False),
    ),
    _switch("overwrite", "-o"),
    _option(
        "verify_existing", "--verify-existing", type=click.Choice(["size", "checksum", "none"])
    ),
    _switch("write_checksums"),
    _option(
        "error_strategy",
        "--error-strategy",
        type=click.Choice(["KEEP", "DELETE"], case_sensitive=False),
    ),
    click.option("-k", "--keep", is_flag=True, help="The same as --error-strategy KEEP."),
    _switch("fail_fast"),
    _switch("warn", "-w"),
    click.option(
        "-n",
        "--max-concurrent-downloads",
        type=click.IntRange(min=1),
        default=DEFAULT_MAX_CONCURRENT_DOWNLOADS,
        show_default=True,
        metavar="N",
        help="Maximum number of assets downloaded or checked at the same time.",
    ),
    _option(
        "http_headers",
        "-H",
        "--header",
        "--http-header",
        multiple=True,
        callback=_header,
        metavar="'NAME: VALUE'",
    ),
    _option("http_headers_hosts", "--header-host", multiple=True, metavar="HOST"),
    _option("earthdata_hosts", "--earthdata-host", multiple=True, metavar="HOST"),
    _option(
        "http_client_timeout",
        "--http-client-timeout",
        "--http-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
    ),
    _option("http_max_attempts", "--http-max-attempts", type=click.IntRange(min=1), metavar="N"),
    _option(
        "max_connections_per_host",
        "--max-connections-per-host",
        type=click.IntRange(min=1),
        metavar="N",
    ),
    _option(
        "host_connections",
        "--host-connections",
        multiple=True,
        callback=_host_connections,
        metavar="HOST=N",
    ),
    _option(
        "host_wait_max",
        "--host-wait-max",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
    ),
    _switch("http_check_content_type"),
    _switch("check_content"),
    _switch("allow_empty_files"),
    _option("s3_region_name", "--s3-region-name", metavar="REGION"),
    _option("s3_endpoint_url", "--s3-endpoint-url", metavar="URL"),
    _switch("s3_requester_pays"),
    _switch("s3_unsigned"),
    _option(
        "s3_retry_mode",
        "--s3-retry-mode",
        type=click.Choice(["adaptive", "standard", "legacy"]),
    ),
    _option("s3_max_attempts", "--s3-max-attempts", type=click.IntRange(min=1), metavar="N"),
    *_DESTINATION_OPTIONS,
    _option("destination_storage_class", "--destination-storage-class", metavar="CLASS"),
    _switch("absolute_hrefs"),
    _option("client_override", "-c", "--client", metavar="NAME"),
    _switch("allow_local_hrefs"),
    _switch("check_free_space"),
    _switch("fsync"),
]


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""Option of all commands."""

_REPORTING_OPTIONS: list[_Decorator[Any]] = [
    click.option(
        "--json", "as_json", is_flag=True, help="Print the result of the run as a JSON object."
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print only errors and warnings."),
    click.option("-v", "--verbose", is_flag=True, help="Print a line for each asset."),
]
"""Options of the commands that download assets of an item, a collection or a mirror."""


def reporting_options(command: _F) -> _F:
    """Add the options about the output of a run.

    Args:
        command: The function of the command, with parameters `as_json`, `quiet` and `verbose`.
    """
    for option in reversed(_REPORTING_OPTIONS):
        command = option(command)
    return command


def config_options(command: _F) -> _F:
    """Add the options to a command, in the order of this module.

    Args:
        command: The function of the command. Its parameters have the names of `Config`'s fields.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def estimate_options(command: _F) -> _F:
    """Add the options that estimate the cost and the duration of a download.

    Args:
        command: The function of the command. Its parameters have the names of `Config`'s fields.
    """
    for option in reversed(_ESTIMATE_OPTIONS):
        command = option(command)
    return command


def destination_options(command: _F) -> _F:
    """Add the options of the connection to a destination.

    Args:
        command: The function of the command. Its parameters have the names of `Config`'s fields.
    """
    for option in reversed(_DESTINATION_OPTIONS):
        command = option(command)
    return command


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are set, as values of the fields of `Config`.

    Args:
        options: The options, by the names of the fields, and `keep`. An option that is not set is
            None or empty.

    Raises:
        click.UsageError: `--keep` contradicts `--error-strategy`.
    """
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None and value != () and value != {} and name != "keep"
    }
    if options.get("keep"):
        if given.get("error_strategy", "KEEP") != "KEEP":
            raise click.UsageError("--keep contradicts --error-strategy DELETE. Remove one.")
        given["error_strategy"] = "KEEP"
    return given


def read_config(options: Mapping[str, Any]) -> Config:
    """Return the configuration from options, the environment and `.env`, in this order.

    Args:
        options: The options, as for `given_options`.

    Raises:
        click.UsageError: `--keep` contradicts `--error-strategy`.
        ConfigError: The configuration is contradictory, or a variable has an invalid value.
    """
    config = Config.from_env(**given_options(options))
    config.validate()
    return config
