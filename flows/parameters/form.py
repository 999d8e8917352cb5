"""Titles, order and groups of options in Prefect's run form.

The form can collapse only optional objects. The schema therefore puts rarely needed options into
optional objects, called groups. `Form` accepts options with and without groups: the form sends
groups, and code and `prefect.yaml` set options by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


def titled(title: str) -> Any:
    """Return the annotation that sets the title of a flow's parameter in the form.

    Args:
        title: The title. Without a title, Prefect shows the name of the parameter.
    """
    return Field(json_schema_extra={"title": title})


@dataclass(frozen=True, slots=True)
class Group:
    """A collapsed group of options in the form.

    Args:
        title: The title of the group.
        description: The description of the group.
        titles: The titles of the options by name, in the order of the form.
    """

    title: str
    description: str
    titles: Mapping[str, str]


COMMON = {
    "include": "Include only these assets",
    "exclude": "Exclude these assets",
    "alternate_assets": "Preferred alternate hrefs",
    "overwrite": "Overwrite existing files",
    "verify_existing": "Check of existing files",
    "write_checksums": "Write checksums and sizes to documents",
    "check_first": "Check that all assets exist before downloading",
    "warn": "Warn about failed assets instead of failing",
    "fail_fast": "Stop at the first failed asset",
    "file_name_strategy": "File names",
}
"""Titles of the options outside of groups, in the order of the form."""

GROUPS = {
    "attempts": Group(
        "Attempts and timeouts",
        "Number of attempts per asset, waits between attempts, and timeouts.",
        {
            "http_max_attempts": "Maximum HTTP attempts",
            "s3_max_attempts": "Maximum S3 attempts",
            "retry_wait": "Wait before the first retry, in seconds",
            "retry_wait_max": "Maximum wait before a retry, in seconds",
            "host_wait_max": "Maximum wait that a host may ask for, in seconds",
            "http_read_timeout": "Timeout without received bytes, in seconds",
            "http_client_timeout": "Timeout of one attempt, in seconds",
            "retries": "Maximum task run retries",
            "retry_delay": "Wait before a task run retry, in seconds",
            "retry_jitter": "Variation of the wait before a task run retry",
        },
    ),
    "connections": Group(
        "Concurrency limits",
        "Limits on simultaneous downloads and connections.",
        {
            "max_concurrent_downloads": "Maximum simultaneous downloads",
            "max_connections_per_host": "Maximum connections per host",
            "host_connections": "Maximum connections to individual hosts",
            "max_connections_per_file": "Maximum connections per file",
            "concurrency_limits": "Global concurrency limits",
        },
    ),
    "s3": Group(
        "S3",
        "For assets on S3 or S3-compatible services.",
        {
            "s3_region_name": "Region",
            "s3_requester_pays": "Requester pays",
            "s3_unsigned": "Without credentials",
            "s3_endpoint_url": "Endpoint URL",
            "s3_retry_mode": "Retry mode",
        },
    ),
    "oauth2": Group(
        "OAuth2",
        "For hosts that require a bearer token, if no saved block obtains the token.",
        {
            "oauth2_grant": "Grant",
            "oauth2_hosts": "Hosts that receive the token",
            "oauth2_token_url": "Token URL",
            "oauth2_client_id": "Client id",
            "oauth2_authorization_url": "Authorization URL",
            "oauth2_device_authorization_url": "Device authorization URL",
            "oauth2_pkce": "Use PKCE",
        },
    ),
    "rare": Group(
        "Other options",
        "Options that are rarely needed.",
        {
            "item_events": "Send item events",
            "lineage": "Record lineage",
            "error_strategy": "Failed assets in documents",
            "absolute_hrefs": "Write absolute hrefs",
            "http_check_content_type": "Check content types",
            "check_content": "Check for web pages in place of files",
            "allow_empty_files": "Accept empty files",
            "make_directory": "Create the directory",
            "check_free_space": "Check the free disk space",
            "fsync": "Sync files to the disk",
            "clean": "Remove unusable part files",
            "allow_local_hrefs": "Allow items to reference local files",
            "http_headers_hosts": "Hosts that receive HTTP headers",
            "earthdata_hosts": "Further hosts that receive the Earthdata token",
            "client_override": "Client for all hrefs",
            "sas_token_endpoint": "SAS token endpoint URL",
        },
    ),
}
"""The groups by name, in the order of the form."""

_DEFAULT_GROUP = "rare"
"""The group of all options that are in neither `COMMON` nor another group."""

_SET = "Set"
"""Label of the tab that expands an optional object. The other tab collapses the object."""


class Form(BaseModel):
    """A model whose schema has groups. Fields are accepted inside and outside of groups."""

    @model_validator(mode="before")
    @classmethod
    def _ungroup(cls, values: Any) -> Any:
        return unfolded(values, GROUPS)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the form."""
        schema = handler(core_schema)
        found = handler.resolve_ref_schema(schema)
        fields: dict[str, Any] = found["properties"]
        shown = {name: fields[name] | {"title": title} for name, title in COMMON.items()}
        grouped = {name for group in GROUPS.values() for name in group.titles} | COMMON.keys()
        for name, group in GROUPS.items():
            titles = dict(group.titles)
            if name == _DEFAULT_GROUP:
                titles |= {
                    field: fields[field]["title"] for field in fields if field not in grouped
                }
            members = {field: fields[field] | {"title": titles[field]} for field in titles}
            shown[name] = folded(group, members)
        found |= {"title": _SET, "description": "Options that you do not set keep their defaults."}
        found["properties"] = in_order(shown)
        # Grouped options are also accepted outside of their group. Unknown options are not.
        found["patternProperties"] = {
            f"^{name}$": field for name, field in fields.items() if name not in COMMON
        }
        return schema


def unfolded(given: Any, groups: Iterable[str]) -> Any:
    """Return the fields that a form sends, without groups.

    Args:
        given: The value that the form sends. Values that are not objects are returned unchanged,
            and the model rejects them.
        groups: The names of the groups.

    Raises:
        ValueError: The value of a group is not an object, or a field is set twice.
    """
    if not isinstance(given, Mapping):
        return given
    fields = dict(given)
    for name in groups:
        inner = fields.pop(name, None)
        if inner is None:
            continue
        if not isinstance(inner, Mapping):
            raise ValueError(f"'{name}' is a group of options. Set it to an object.")
        for twice in inner.keys() & fields.keys():
            raise ValueError(
                f"'{twice}' is set twice, in group '{name}' and outside of the group. Set it once."
            )
        fields |= inner
    return fields


def folded(group: Group, members: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a group.

    Args:
        group: The group.
        members: The schemas of the fields of the group, in order.
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
    """Return schemas of fields with positions in the form.

    The positions are required, because Prefect's database does not keep the order of keys.

    Args:
        properties: The schemas of the fields, in order.
    """
    return {
        name: one | {"position": number} for number, (name, one) in enumerate(properties.items())
    }
