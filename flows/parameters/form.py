"""How Prefect's run form shows a flow's parameters: titles, an order, and groups folded away.

The form folds an optional object, and nothing else. So the schema of the options puts those that
are rarely needed into such groups, and what the form sends is unfolded again. From code and from
`prefect.yaml`, each option is given by its name alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


def titled(title: str) -> Any:
    """Returns the annotation that gives a flow's parameter a title in the form.

    Args:
        title: The title; otherwise it is the parameter's name.
    """
    return Field(json_schema_extra={"title": title})


@dataclass(frozen=True, slots=True)
class Group:
    """Options that the form shows together, folded away.

    Args:
        title: What the form calls them.
        description: When they are needed.
        titles: What it calls each of them, by their names, in its order.
    """

    title: str
    description: str
    titles: Mapping[str, str]


COMMON = {
    "include": "Only these assets",
    "exclude": "All assets but these",
    "alternate_assets": "Preferred alternates",
    "overwrite": "Download again what is there already",
    "verify_existing": "Check files that are there already by",
    "write_checksums": "Write checksums and sizes into the documents",
    "check_first": "Check first that all assets exist",
    "warn": "Warn of errors instead of failing",
    "fail_fast": "Stop at the first error",
    "file_name_strategy": "File names",
}
"""The titles of the options that are always shown, in their order."""

GROUPS = {
    "attempts": Group(
        "Attempts and timeouts",
        "How often an asset is tried, and how long for.",
        {
            "http_max_attempts": "Attempts over HTTP",
            "s3_max_attempts": "Attempts over S3",
            "retry_wait": "First wait, in seconds",
            "retry_wait_max": "Longest wait, in seconds",
            "http_read_timeout": "Seconds without a byte",
            "http_client_timeout": "Seconds for one attempt",
            "retries": "Retries of a task run",
            "retry_delay": "Seconds before a task run is retried",
            "retry_jitter": "Variation of that wait",
        },
    ),
    "connections": Group(
        "Speed and limits",
        "How much is done at the same time.",
        {
            "max_concurrent_downloads": "Assets at once",
            "max_connections_per_host": "Files at once from one host",
            "max_connections_per_file": "Connections for one file",
            "concurrency_limits": "Global concurrency limits",
        },
    ),
    "s3": Group(
        "S3",
        "For assets in object stores.",
        {
            "s3_region_name": "Region",
            "s3_requester_pays": "Requester pays",
            "s3_endpoint_url": "Service URL",
            "s3_retry_mode": "Retry mode",
        },
    ),
    "oauth2": Group(
        "OAuth2",
        "For hosts that ask for a token, where no saved credentials say how to get one.",
        {
            "oauth2_grant": "Grant",
            "oauth2_hosts": "Hosts that get the token",
            "oauth2_token_url": "Token URL",
            "oauth2_client_id": "Client id",
            "oauth2_authorization_url": "Authorization URL",
            "oauth2_device_authorization_url": "Device authorization URL",
            "oauth2_pkce": "PKCE",
        },
    ),
    "rare": Group(
        "Rarely needed",
        "All other options.",
        {
            "item_events": "Events of each item",
            "lineage": "Lineage",
            "error_strategy": "What the document says of an asset that failed",
            "http_check_content_type": "Check content types",
            "make_directory": "Make the directory",
            "clean": "Remove what cannot be continued",
            "allow_local_hrefs": "Documents may name files of the machine",
            "http_headers_hosts": "Hosts that get extra headers",
            "client_override": "Client for everything",
            "sas_token_endpoint": "Endpoint of SAS tokens",
        },
    ),
}
"""The groups by their names, in their order."""

_REST = "rare"
"""The group of options that nobody has put anywhere."""

_SET = "Set"
"""What the form calls the choice that unfolds something; the other one is 'None'."""


class Form(BaseModel):
    """A model whose schema has groups, and that takes its fields with and without them."""

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, given: Any) -> Any:
        return unfolded(given, GROUPS)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Returns the schema of the form."""
        schema = handler(core_schema)
        found = handler.resolve_ref_schema(schema)
        fields: dict[str, Any] = found["properties"]
        shown = {name: fields[name] | {"title": title} for name, title in COMMON.items()}
        grouped = {name for group in GROUPS.values() for name in group.titles} | COMMON.keys()
        for name, group in GROUPS.items():
            titles = dict(group.titles)
            if name == _REST:
                titles |= {
                    field: fields[field]["title"] for field in fields if field not in grouped
                }
            members = {field: fields[field] | {"title": titles[field]} for field in titles}
            shown[name] = folded(group, members)
        found |= {"title": _SET, "description": "What you do not touch stays as it is."}
        found["properties"] = in_order(shown)
        # Each is taken by its name alone, too; an unknown one is not.
        found["patternProperties"] = {
            f"^{name}$": field for name, field in fields.items() if name not in COMMON
        }
        return schema


def unfolded(given: Any, groups: Iterable[str]) -> Any:
    """Returns what a form sends with the fields of its groups among the others.

    Args:
        given: What was sent; what is no object is left to the model to refuse.
        groups: The names of the groups.

    Raises:
        ValueError: A group is none, or a field is given twice.
    """
    if not isinstance(given, Mapping):
        return given
    fields = dict(given)
    for name in groups:
        inner = fields.pop(name, None)
        if inner is None:
            continue
        if not isinstance(inner, Mapping):
            raise ValueError(f"'{name}' is a group of options, and no option")
        for twice in inner.keys() & fields.keys():
            raise ValueError(f"'{twice}' is given twice, with its group '{name}' and without")
        fields |= inner
    return fields


def folded(group: Group, members: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of a group.

    Args:
        group: The group.
        members: The schemas of its fields, in their order.
    """
    shown = {
        "type": "object",
        "title": _SET,
        "properties": in_order(members),
        "additionalProperties": False,
    }
    return {
        "title": group.title,
        "description": group.description,
        "anyOf": [shown, {"type": "null"}],
        "default": None,
    }


def in_order(properties: dict[str, Any]) -> dict[str, Any]:
    """Returns properties with their positions: a database does not keep the order of keys.

    Args:
        properties: The schemas of fields, in their order.
    """
    return {
        name: one | {"position": number} for number, (name, one) in enumerate(properties.items())
    }
