"""Read and validate `prefect.yaml`.

Prefect ignores unknown keys, and validates parameters only when a run starts. This module reports
an error in one sentence with the name of the field, before anything is deployed, served or started.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml  # type: ignore[import-untyped] # Prefect installs the package without types
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.utilities.importtools import import_object
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from prefect_stac_asset.deployments.parameters import ERROR_TEXTS, check_parameters
from stac_asset.errors import ConfigError
from stac_asset.errors.nearest_name import nearest_name

_PACKAGED = Path(__file__).with_name("prefect.yaml")
FILE = _PACKAGED if _PACKAGED.exists() else Path(__file__).resolve().parents[1] / "prefect.yaml"
"""The `prefect.yaml` of this package: in this folder in a wheel, else in the folder above."""

_ERROR_TEXTS = {
    **ERROR_TEXTS,
    "too_long": "must be empty ([]), because the flows are installed with each worker",
    "model_type": "must have keys and values, such as 'name: mine'",
    "list_type": "must be a list, such as [mine]",
    "dict_type": "must have keys and values, such as 'name: mine'",
    "string_type": "must be a text. Put the value in quotes.",
}
"""Texts that replace pydantic's messages, by pydantic's error type."""


_BANNED = "/%&<>"
"""Characters that Prefect does not allow in names of deployments."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # yaml has no types
    """A loader that refuses repeated keys. YAML's own loader uses the last of them."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Return a mapping as it is in the file, before anchors are merged with `<<`.

        Args:
            anchor: The name of the mapping for references, if any.

        Raises:
            yaml.YAMLError: A key occurs twice.
        """
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise yaml.YAMLError(
                    f"key '{key.value}' occurs in line {lines[key.value]} and in line {line}. "
                    "Remove one of them"
                )
            lines[key.value] = line
        return node


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty. Write a name.")
    return text


def _deployment_name(text: str) -> str:
    if found := next((character for character in text if character in _BANNED), None):
        raise ValueError(f"'{text}' contains '{found}', which Prefect does not allow in names.")
    return _name(text)


def _cron(text: str) -> str:
    try:
        CronSchedule(cron=text)
    except ValidationError:
        raise ValueError(
            f"'{text}' is not a cron expression. Use for example '0 2 * * *' for every night at "
            "2:00."
        ) from None
    return text


def _timezone(text: str) -> str:
    try:
        CronSchedule(cron="0 0 * * *", timezone=text)
    except ValidationError:
        raise ValueError(
            f"'{text}' is not a time zone. Use for example 'Europe/Berlin' or 'UTC'."
        ) from None
    return text


def _interval(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return timedelta(seconds=value)
    raise ValueError(f"{value!r} is not a positive number of seconds.")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(_Strict):
    """A schedule of a deployment: either `cron`, or `interval` in seconds."""

    cron: Annotated[str, AfterValidator(_cron)] | None = None
    interval: Annotated[timedelta, BeforeValidator(_interval)] | None = None
    # Start of the first interval. Without this time, intervals would start at each registration.
    anchor_date: datetime | None = None
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    active: bool = True
    slug: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_time(self) -> Schedule:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("A schedule needs one time. Set either `cron` or `interval`.")
        if (self.interval is None) != (self.anchor_date is None):
            raise ValueError(
                "`interval` and `anchor_date` belong together. Set both, for example "
                "`anchor_date: '2026-01-01T00:00:00Z'`."
            )
        return self

    def to_prefect(self) -> CronSchedule | IntervalSchedule:
        """Return the schedule in the form of Prefect's client."""
        if self.cron is not None:
            return CronSchedule(cron=self.cron, timezone=self.timezone)
        assert self.interval is not None
        assert self.anchor_date is not None
        return IntervalSchedule(
            interval=self.interval, anchor_date=self.anchor_date, timezone=self.timezone
        )


class ConcurrencyLimit(_Strict):
    """Maximum number of concurrent runs of a deployment, and the action for further runs."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class Pool(_Strict):
    """Name and job variables of the work pool for a deployment."""

    name: Annotated[str, AfterValidator(_name)]
    job_variables: dict[str, Any] = Field(default_factory=dict)


class Deployment(_Strict):
    """A deployment with the keys that this package supports."""

    name: Annotated[str, AfterValidator(_deployment_name)]
    description: str
    entrypoint: str
    tags: list[str] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: list[Schedule] = Field(default_factory=list)
    concurrency_limit: ConcurrencyLimit
    work_pool: Pool

    @model_validator(mode="after")
    def _check_parameters(self) -> Deployment:
        flow = self.flow()
        check_parameters(flow, self.parameters, "parameters")
        for number, schedule in enumerate(self.schedules):
            check_parameters(flow, schedule.parameters, f"schedules[{number}].parameters")
        slugs = [schedule.slug for schedule in self.schedules]
        for slug in slugs:
            if slugs.count(slug) > 1:
                raise ValueError(
                    f"schedules: several schedules have the slug '{slug}'. Use distinct slugs."
                )
        return self

    def flow(self) -> Flow[..., Any]:
        """Import the flow that the entrypoint names."""
        try:
            found = None if ":" in self.entrypoint else import_object(self.entrypoint)
        except ValueError:
            found = None
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"entrypoint: '{self.entrypoint}' cannot be imported: {error}. "
                "Correct the name, or install the package."
            ) from None
        if not isinstance(found, Flow):
            raise ValueError(
                f"entrypoint: '{self.entrypoint}' is not a flow in a module. Use for example "
                "'prefect_stac_asset.flows.download_item'."
            )
        return found


class _File(_Strict):
    name: str
    # A place for YAML anchors, which Prefect ignores.
    definitions: dict[str, Any] = Field(default_factory=dict)
    # Required and empty: without this key, Prefect adds a pull step to the deployments.
    pull: list[Any] = Field(max_length=0)
    deployments: list[Deployment] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_names(self) -> _File:
        names = [deployment.name for deployment in self.deployments]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"deployments: several deployments have the name '{name}'. Use distinct names."
                )
        return self


_NESTED: dict[str, type[BaseModel]] = {
    "deployments": Deployment,
    "schedules": Schedule,
    "concurrency_limit": ConcurrencyLimit,
    "work_pool": Pool,
}


def read_deployments(file: Path = FILE) -> list[Deployment]:
    """Return the deployments that a file lists.

    Args:
        file: The path of a `prefect.yaml`.

    Raises:
        ConfigError: The file cannot be read or is invalid.
    """
    try:
        document = yaml.load(file.read_text("utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(f"Cannot read '{file}': {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"'{file}' is not UTF-8. Save the file as UTF-8.") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"'{file}' is not valid YAML: {reason}.") from None
    except RecursionError:
        raise ConfigError(f"'{file}' is nested too deeply. Correct the brackets.") from None
    try:
        return _File.model_validate(document).deployments
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        # A misspelt key causes two errors: an unknown key and a missing key. The first helps more.
        first = min(errors, key=lambda one: one["type"] != "extra_forbidden")
        reason = _ERROR_TEXTS.get(first["type"], first["msg"].removeprefix("Value error, "))
        where = _field(first["loc"], document)
        hint = _hint(first["loc"], document) if first["type"] == "extra_forbidden" else ""
        raise ConfigError(f"{file.name}: {where + ': ' if where else ''}{reason}{hint}") from None


def _hint(loc: tuple[int | str, ...], document: Any) -> str:
    """Return a sentence with the missing key that an unknown key probably means, if any."""
    *outer, name = loc
    kind: type[BaseModel] = _File
    for part in outer:
        document = document[part]
        kind = _NESTED.get(str(part), kind)
    nearest = nearest_name(str(name), kind.model_fields.keys() - document.keys())
    return f".{nearest}" if nearest else ""


def _field(loc: tuple[int | str, ...], document: Any) -> str:
    """Return the path of an error with deployments by name: 'deployments.sync.schedules[0]'."""
    path = ""
    for part in loc:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            document = None
        name = document.get("name") if isinstance(document, dict) else None
        if isinstance(part, int) and path == "deployments" and isinstance(name, str):
            path += f".{name}"
        elif isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path
