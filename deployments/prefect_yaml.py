"""What `prefect.yaml` says, read strictly: Prefect ignores keys that it does not know.

Whatever is wrong with the file is one sentence that names the field, and is said before anything
is deployed, served or started.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml  # type: ignore[import-untyped] # it comes with Prefect, without types
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

from prefect_stac_asset.deployments.parameters import REASONS, check_parameters
from stac_asset.errors import ConfigError

_PACKAGED = Path(__file__).with_name("prefect.yaml")
FILE = _PACKAGED if _PACKAGED.exists() else Path(__file__).resolve().parents[1] / "prefect.yaml"
"""The file that comes with the package: beside it in a wheel, above it in the repository."""


def _cron(text: str) -> str:
    try:
        CronSchedule(cron=text)
    except ValidationError:
        raise ValueError(
            f"'{text}' is no cron expression, such as '0 2 * * *' for 2 o'clock every night"
        ) from None
    return text


def _timezone(text: str) -> str:
    try:
        CronSchedule(cron="0 0 * * *", timezone=text)
    except ValidationError:
        raise ValueError(f"'{text}' is no time zone, such as 'Europe/Berlin' or 'UTC'") from None
    return text


def _interval(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return timedelta(seconds=value)
    raise ValueError(f"{value!r} is no number of seconds")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(_Strict):
    """When a deployment runs by itself: `cron`, or `interval`."""

    cron: Annotated[str, AfterValidator(_cron)] | None = None
    interval: Annotated[timedelta, BeforeValidator(_interval)] | None = None
    # When the first of all intervals began: without it, each registration would be that.
    anchor_date: datetime | None = None
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    active: bool = True
    slug: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _either(self) -> Schedule:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("either cron or interval says when")
        if (self.interval is None) != (self.anchor_date is None):
            raise ValueError("anchor_date goes with interval, such as '2026-01-01T00:00:00Z'")
        return self

    def value(self) -> CronSchedule | IntervalSchedule:
        """Returns the schedule as Prefect's own value."""
        if self.cron is not None:
            return CronSchedule(cron=self.cron, timezone=self.timezone)
        assert self.interval is not None
        assert self.anchor_date is not None
        return IntervalSchedule(
            interval=self.interval, anchor_date=self.anchor_date, timezone=self.timezone
        )


class ConcurrencyLimit(_Strict):
    """How many runs of a deployment there may be at once, and what becomes of one more."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class Pool(_Strict):
    """The work pool whose workers run a deployment."""

    name: str
    job_variables: dict[str, Any] = Field(default_factory=dict)


class Deployment(_Strict):
    """One deployment."""

    name: str
    description: str
    entrypoint: str
    tags: list[str] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: list[Schedule] = Field(default_factory=list)
    concurrency_limit: ConcurrencyLimit
    work_pool: Pool

    @model_validator(mode="after")
    def _right_parameters(self) -> Deployment:
        flow = self.flow()
        check_parameters(flow, self.parameters, "parameters")
        for number, one in enumerate(self.schedules):
            check_parameters(flow, one.parameters, f"schedules[{number}].parameters")
        return self

    def flow(self) -> Flow[..., Any]:
        """Returns the flow that the entrypoint names."""
        try:
            found = None if ":" in self.entrypoint else import_object(self.entrypoint)
        except ValueError:
            found = None
        except (ImportError, AttributeError) as error:
            raise ValueError(f"entrypoint: '{self.entrypoint}' cannot be had: {error}") from None
        if not isinstance(found, Flow):
            raise ValueError(
                f"entrypoint: '{self.entrypoint}' is no flow in a module, such as "
                "'prefect_stac_asset.flows.download.item.download_item'"
            )
        return found


class _File(_Strict):
    name: str
    # Nothing but a place for YAML anchors; Prefect does not look at it.
    definitions: dict[str, Any] = Field(default_factory=dict)
    # Empty: the flows are installed wherever a worker is.
    pull: list[Any] = Field(max_length=0)
    deployments: list[Deployment] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> _File:
        names = [one.name for one in self.deployments]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"deployments: two have the name '{name}'")
        return self


def read_deployments(file: Path = FILE) -> list[Deployment]:
    """Returns the deployments that a file lists.

    Args:
        file: A `prefect.yaml`.

    Raises:
        ConfigError: The file cannot be read, or says what it may not.
    """
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(f"'{file}' cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"'{file}' is no YAML: {reason}") from None
    try:
        return _File.model_validate(document).deployments
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        # A key that is misspelt is unknown, and another one is missing: the first says more.
        first = min(wrong, key=lambda one: one["type"] != "extra_forbidden")
        reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
        where = _field(first["loc"], document)
        raise ConfigError(f"{file.name}: {where + ': ' if where else ''}{reason}") from None


_REASONS = {
    **REASONS,
    "too_long": "must be empty ([]), since the flows are installed wherever a worker is",
}


def _field(loc: tuple[int | str, ...], document: Any) -> str:
    """Returns where an error is, each deployment by its name: 'deployments.sync.schedules[0]'."""
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
