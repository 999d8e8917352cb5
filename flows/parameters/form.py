"""Titles and order of options in Prefect's run form, and options without effect in a flow.

All options of a flow are fields of one object. Earlier versions sent rarely used options in groups,
which the form could not show for stored parameters. `Form` still accepts these groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from prefect_stac_asset.flows.parameters.misspellings import misspelling_patterns
from prefect_stac_asset.flows.parameters.model_errors import RaisesConfigError


def titled(title: str) -> Any:
    """Return the annotation that sets the title of a flow's parameter in the form.

    Args:
        title: The title. Without a title, Prefect shows the name of the parameter.
    """
    return Field(json_schema_extra={"title": title})


TITLES = {
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
    "max_concurrent_downloads": "Maximum simultaneous downloads",
    "max_connections_per_host": "Maximum connections per host",
    "host_connections": "Maximum connections to individual hosts",
    "max_connections_per_file": "Maximum connections per file",
    "concurrency_limits": "Global concurrency limits",
    "budgets": "Budgets of providers",
    "error_strategy": "Failed assets in documents",
    "absolute_hrefs": "Write absolute hrefs",
    "http_check_content_type": "Check content types",
    "check_content": "Check for web pages in place of files",
    "allow_empty_files": "Accept empty files",
    "make_directory": "Create the directory",
    "check_free_space": "Check the free disk space",
    "price_per_gb": "Price of each gigabyte, by host",
    "expected_speed": "Expected speed, in bytes per second",
    "fsync": "Sync files to the disk",
    "clean": "Remove unusable part files",
    "allow_local_hrefs": "Allow items to reference local files",
    "item_events": "Send item events",
    "lineage": "Record lineage",
    "lineage_owners": "Owners of recorded assets",
    "low_space_percent": "Report a disk with less free space, in percent",
    "metrics": "Metrics for Prometheus",
    "client_override": "Client for all hrefs",
    "s3_region_name": "S3 region",
    "s3_requester_pays": "S3 requester pays",
    "s3_unsigned": "S3 without credentials",
    "s3_endpoint_url": "S3 endpoint URL",
    "s3_retry_mode": "S3 retry mode",
    "destination_endpoint_url": "Object store: endpoint URL",
    "destination_region": "Object store: region",
    "destination_profile": "Object store: profile of the AWS configuration files",
    "destination_storage_class": "Object store: storage class",
    "destination_encryption": "Object store: server-side encryption",
    "destination_kms_key_id": "Object store: KMS key",
    "destination_acl": "Object store: canned ACL",
    "destination_tags": "Object store: tags",
    "earthdata_hosts": "Further hosts that receive the Earthdata token",
    "sas_token_endpoint": "SAS token endpoint URL",
    "oauth2_grant": "OAuth2 grant",
    "oauth2_hosts": "Hosts that receive the OAuth2 token",
    "oauth2_token_url": "OAuth2 token URL",
    "oauth2_client_id": "OAuth2 client id",
    "oauth2_authorization_url": "OAuth2 authorization URL",
    "oauth2_device_authorization_url": "OAuth2 device authorization URL",
    "oauth2_pkce": "OAuth2 with PKCE",
}
"""Titles of the options, in the order of the form. Further options follow with their own titles."""

DESTINATION_OPTIONS = frozenset(name for name in TITLES if name.startswith("destination_"))
"""Options of destinations in object stores."""

NEVER_EFFECTIVE = frozenset({"http_headers_hosts"})
"""Options without effect in all flows. `http_headers` is a secret, which no flow accepts."""

OPTION_GROUPS = ("attempts", "connections", "s3", "oauth2", "rare")
"""Names of groups of options in parameters that earlier versions stored."""

_SHOWN = {"title", "description", "default", "position"}
"""Keywords of a field that only a form shows."""

_SET = "Set"
"""Label of the tab that expands an optional object. The other tab collapses the object."""


class Form(BaseModel, metaclass=RaisesConfigError):
    """A model whose schema has titles in the order of the form."""

    @model_validator(mode="before")
    @classmethod
    def _ungroup(cls, values: Any) -> Any:
        return ungrouped(values, OPTION_GROUPS)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the form."""
        schema = handler(core_schema)
        found = handler.resolve_ref_schema(schema)
        fields: dict[str, Any] = found["properties"]
        found |= {"title": _SET, "description": "Options that you do not set keep their defaults."}
        titled_fields = {name: fields.pop(name) | {"title": TITLES[name]} for name in TITLES}
        found["properties"] = titled_fields | fields
        shape(found, OPTION_GROUPS)
        _hide(found, NEVER_EFFECTIVE)
        return schema


@dataclass(frozen=True, slots=True)
class WithoutEffect:
    """Annotation that leaves options without effect out of the form of one flow.

    The flow accepts these options, because callers share options among flows.

    Args:
        names: The names of the options.
        refused: The names of further options, of which the flow only accepts the default.
    """

    names: frozenset[str]
    refused: frozenset[str] = frozenset()

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the parameter, and change the schema of the options."""
        schema = handler(core_schema)
        options = next(one for one in schema["anyOf"] if "$ref" in one)
        _hide(handler.resolve_ref_schema(options), self.names, self.refused)
        return schema


def shape(schema: dict[str, Any], earlier_groups: Iterable[str]) -> None:
    """Give the schema of an object the form of Prefect's UI and server.

    Args:
        schema: The schema. Its properties are in the order of the form.
        earlier_groups: Names of groups of properties that earlier versions stored.
    """
    fields: dict[str, Any] = schema["properties"]
    for field in fields.values():
        # The form shows a stored object among other types only as the first type, and only if the
        # type is not named directly.
        choices = field.get("anyOf", [])
        for choice in [one for one in choices if one.get("type") == "object"]:
            choices.remove(choice)
            choices.insert(0, {"title": "JSON", "allOf": [choice]})
    _number(fields)
    group = {
        "type": ["object", "null"],
        "properties": {
            name: {key: one for key, one in field.items() if key not in _SHOWN}
            for name, field in fields.items()
        },
        "additionalProperties": False,
    }
    schema["patternProperties"] = {
        f"^({'|'.join(earlier_groups)})$": group,
        **misspelling_patterns(tuple(fields)),
    }


def _hide(
    schema: dict[str, Any], names: frozenset[str], refused: frozenset[str] = frozenset()
) -> None:
    """Remove properties from the form. The values of the properties are still accepted.

    Args:
        schema: The schema, as made by `shape`.
        names: The names of the properties.
        refused: The names of further properties, of which only the default is accepted.
    """
    fields, patterns = schema["properties"], schema["patternProperties"]
    hidden = {name: fields.pop(name) for name in fields.keys() & (names | refused)}
    for pattern, misspelt in list(patterns.items()):
        if misspelt.get("const") in hidden:
            del patterns[pattern]
    for name, field in hidden.items():
        accepted = {"const": field["default"]} if name in refused else field
        patterns[f"^{name}$"] = {key: one for key, one in accepted.items() if key not in _SHOWN}
    _number(fields)


def _number(fields: dict[str, Any]) -> None:
    """Set the position of each field, because some databases do not keep the order of keys."""
    for number, field in enumerate(fields.values()):
        field["position"] = number


def ungrouped(given: Any, groups: Iterable[str]) -> Any:
    """Return fields without the groups that earlier versions stored.

    Args:
        given: The stored value. Values that are not objects are returned unchanged, and the model
            rejects them.
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
