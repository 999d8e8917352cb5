"""Budgets: limits of a provider that all runs on all machines share.

`prefect_stac_asset.flows.execution.budgets` keeps the budgets.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from prefect_stac_asset.flows.parameters.model_errors import RaisesConfigError
from stac_asset.errors import ConfigError
from stac_asset.host_patterns import HostPattern

LIMITS = ("bytes_per_30_days", "requests_per_minute", "bandwidth")
"""Names of the limits of a budget."""


def _checked_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if not hosts:
        raise ValueError("a budget needs hosts: add at least one, such as `*.example.com`")
    try:
        for host in hosts:
            HostPattern.parse(host)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return hosts


class Budget(BaseModel, metaclass=RaisesConfigError):
    """Limits of a provider that all runs on all machines share."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    name: str = Field(title="Name", pattern=r"^[a-z0-9_-]{1,60}$")
    """Name of the budget, such as `copernicus`. Budgets of the same name share all counts."""

    hosts: Annotated[
        tuple[str, ...],
        AfterValidator(_checked_hosts),
        Field(title="Hosts", json_schema_extra={"minItems": 1}),
    ]
    """Hosts or buckets of the budget, such as `*.dataspace.copernicus.eu`.

    `*.example.com` matches all subdomains. For S3 hrefs, the bucket or the host of the endpoint
    matches. Schemes and ports are ignored.
    """

    bytes_per_30_days: int | None = Field(default=None, ge=1, title="Bytes per 30 days")
    """Maximum number of received bytes on the current day and the 30 days before, in UTC."""

    requests_per_minute: int | None = Field(default=None, ge=1, title="Requests per minute")
    """Maximum number of requests in any minute."""

    bandwidth: int | None = Field(default=None, ge=1, title="Bandwidth, in bytes per second")
    """Maximum number of received bytes per second, on average."""

    @model_validator(mode="after")
    def _check_limits(self) -> Budget:
        if all(getattr(self, name) is None for name in LIMITS):
            names = "`, `".join(LIMITS)
            raise ValueError(f"a budget needs a limit: set at least one of `{names}`")
        return self


def checked_budgets(budgets: list[Budget]) -> list[Budget]:
    """Return the budgets of a run, if no two have the same name.

    Args:
        budgets: The budgets.

    Raises:
        ValueError: Two budgets have the same name.
    """
    names = [budget.name for budget in budgets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two budgets have the name '{twice}': give each budget its own name")
    return budgets
