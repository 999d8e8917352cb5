"""What a flow can be told about a download: the library's `Config` without its secrets.

The fields are derived from `Config`, so that none is written twice. A field without a repr is a
secret there, and has no place among a flow's parameters, which Prefect stores in plain text.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import ConfigDict, Field, create_model

from prefect_stac_asset.flows.parameters.form import Form
from stac_asset import Config
from stac_asset.config_fields import field_descriptions

Granularity: TypeAlias = Literal["auto", "asset", "batch"]
"""What a task run is: an asset, a batch of whole items, or what fits the amount of work."""


LIMIT_PREFIX = "stac-asset:"
"""What the names of the global concurrency limits begin with; a host's name follows."""


class FlowOptions(Form):
    """The options that only flows have."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    check_first: bool = False
    """Ask of every asset whether it exists before the first one is downloaded."""

    max_concurrent_downloads: int = Field(default=32, ge=1)
    """How many assets are in work at once, in a process."""

    concurrency_limits: list[Annotated[str, Field(pattern=rf"^{LIMIT_PREFIX}[^/%&<>]+$")]] = Field(
        default_factory=list
    )
    """Prefect's global concurrency limits to respect, each named `stac-asset:<host>`.

    One slot is one connection to that host, in all runs on all machines together.
    """

    retries: int = Field(default=0, ge=0)
    """How often Prefect runs a task again whose error may pass, after the library's attempts."""

    retry_delay: float = Field(default=30.0, ge=0)
    """Seconds before Prefect's first retry; they double with each further one."""

    retry_jitter: float = Field(default=0.5, ge=0)
    """How much Prefect's waits vary, so that runs that failed together do not return together."""

    item_events: bool = True
    """Send an event for each item that has landed or failed, which automations can wait for."""

    lineage: bool = False
    """Record each item that has landed as a Prefect asset, made of the item that it came from."""

    def config(self) -> Config:
        """Returns the library's configuration, without secrets.

        Raises:
            ConfigError: The options contradict each other.
        """
        hints = get_type_hints(Config)
        values = {}
        for field in dataclasses.fields(Config):
            if field.repr:
                value = getattr(self, field.name)
                kind = hints[field.name]
                values[field.name] = kind[value] if _is_enum(kind) else value
        config = Config(**values)
        config.validate()
        return config


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _derived_fields() -> dict[str, Any]:
    hints = get_type_hints(Config)
    # Read at import: until Python 3.11.8, parsing source code can fail while another thread parses.
    descriptions = field_descriptions()
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(Config):
        if not field.repr:
            continue
        kind, default = hints[field.name], field.default
        if _is_enum(kind):
            # A form shows names; the numbers of the enumeration say nothing to a person.
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
        """How a flow downloads: every field of `stac_asset.Config` that is no secret."""

        def __init__(self, **fields: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

else:
    DownloadOptions = create_model(
        "DownloadOptions",
        __base__=FlowOptions,
        __module__=__name__,
        __doc__="How a flow downloads: every field of `stac_asset.Config` that is no secret.",
        **_derived_fields(),
    )
