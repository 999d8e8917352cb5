"""The options of flows and tasks: the fields of `Config` without secrets, and options of flows.

The fields are derived from `Config`, where `repr=False` marks a secret. Secrets are left out,
because Prefect stores parameters in plain text.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, create_model

from prefect_stac_asset.flows.parameters.budgets import Budget, checked_budgets
from prefect_stac_asset.flows.parameters.form import Form
from stac_asset import Config
from stac_asset.config_fields import field_descriptions

Granularity: TypeAlias = Literal["auto", "asset", "batch"]
"""Work of one task run: an asset, a batch of whole items, or `auto` by number of assets."""

LIMIT_PREFIX = "stac-asset:"
"""Prefix of the names of global concurrency limits. The name of the host follows."""


METRICS_TARGET = r"^(https?://[^/@?#\s]+(/[^@?#\s]*)?|([^/@?#\s]+:)?[0-9]{1,5})$"
"""Pattern of `metrics`. URLs have no user name, password or query: Prefect stores options."""


class FlowOptions(Form):
    """The options that are not fields of `Config`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    check_first: bool = False
    """Check that all assets exist before the first download."""

    max_concurrent_downloads: int = Field(default=32, ge=1)
    """Maximum number of assets downloaded at once, in each process."""

    concurrency_limits: list[Annotated[str, Field(pattern=rf"^{LIMIT_PREFIX}[^/%&<>]+$")]] = Field(
        default_factory=list
    )
    """Prefect's global concurrency limits to respect, each named `stac-asset:<host>`.

    One slot is one connection to that host. All runs on all machines share the slots.
    """

    budgets: Annotated[list[Budget], AfterValidator(checked_budgets)] = Field(default_factory=list)
    """Limits of providers, such as bytes per 30 days, that all runs on all machines share.

    A run that would exceed the bytes of a budget takes no further items, and ends as
    `BudgetReached`. The next run goes on.
    """

    retries: int = Field(default=0, ge=0)
    """Number of times Prefect retries a task run that failed with a transient error.

    Within each task run, the library makes its own attempts first, as set by `http_max_attempts`.
    """

    retry_delay: float = Field(default=30.0, ge=0)
    """Seconds before Prefect's first retry. The wait doubles with each further retry."""

    retry_jitter: float = Field(default=0.5, ge=0)
    """Random variation of the wait before Prefect's retries. 0 means no variation.

    Variation prevents task runs that failed together from being retried at the same time.
    """

    item_events: bool = True
    """Send a Prefect event for each downloaded or failed item, for automations."""

    lineage: bool = False
    """Record each downloaded item as a Prefect asset, derived from the source item, and each
    collection with its newest item."""

    lineage_owners: list[str] = Field(default_factory=list)
    """Owners of the recorded assets, such as names of people or teams, which the UI shows."""

    low_space_percent: float = Field(default=5.0, ge=0, le=100)
    """Free disk space, in percent, below which the run reports that the disk is nearly full.

    The run sends an event and shows a notice. 0 disables the check.
    """

    metrics: Annotated[str, Field(pattern=METRICS_TARGET)] | None = None
    """Where to serve or push metrics for Prometheus. By default, the run has no metrics.

    A port such as `9464`, or a host and port such as `0.0.0.0:9464`, serves the metrics during the
    run. A URL such as `http://pushgateway:9091` pushes the metrics to a Pushgateway.
    """

    def config(self) -> Config:
        """Return the library's configuration, without secrets.

        Raises:
            ConfigError: The options contradict each other.
        """
        values = {}
        for name, kind in _kinds().items():
            value = getattr(self, name)
            values[name] = kind[value] if _is_enum(kind) else value
        config = Config(**values)
        config.validate()
        return config


@cache
def _kinds() -> dict[str, Any]:
    """Return the types of the fields of `Config` that are options, by name."""
    # Evaluating the annotations takes longer than a small download.
    hints = get_type_hints(Config)
    return {field.name: hints[field.name] for field in dataclasses.fields(Config) if field.repr}


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _derived_fields() -> dict[str, Any]:
    kinds = _kinds()
    # Read at import: until Python 3.11.8, parsing source code can fail while another thread parses.
    descriptions = field_descriptions()
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(Config):
        if not field.repr:
            continue
        kind, default = kinds[field.name], field.default
        if _is_enum(kind):
            # The form shows the names, because the numeric values have no meaning for users.
            kind, default = Literal[tuple(kind.__members__)], field.default.name
        description = descriptions.get(field.name)
        if field.default_factory is not dataclasses.MISSING:
            info = Field(default_factory=field.default_factory, description=description)
        else:
            info = Field(default=default, description=description)
        fields[field.name] = (kind, info)
    return fields


if TYPE_CHECKING:

    class DownloadOptions(FlowOptions):
        """Options of a download: fields of `Config` except secrets, and options of flows."""

        def __init__(self, **fields: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

else:
    DownloadOptions = create_model(
        "DownloadOptions",
        __base__=FlowOptions,
        __module__=__name__,
        __doc__="Options of a download: fields of `Config` except secrets, and options of flows.",
        **_derived_fields(),
    )
