"""The files for Prefect's collection registry, validated with the schemas of the registry."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from prefect.blocks.core import Block

import prefect_stac_asset
from prefect_stac_asset.blocks.registry import OUR_BLOCKS
from scripts.registry_files import NAME, public_flows, registry_files
from tests.support.remote_runs import FLOWS


def object_schema(
    required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the schema of an object by the schemas of its properties."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": sorted(required)}


TEXT, INTEGER, OBJECT = {"type": "string"}, {"type": "integer"}, {"type": "object"}
URL = {"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083}
FLOW_SCHEMA = object_schema(
    {
        **dict.fromkeys(("name", "slug", "install_command", "path_containing_flow"), TEXT),
        **dict.fromkeys(("documentation_url", "logo_url", "entrypoint", "repo_url"), TEXT),
        **dict.fromkeys(("parameters", "description"), OBJECT),
    }
)
BLOCK_SCHEMA = object_schema(
    {
        **dict.fromkeys(("name", "slug", "description", "code_example"), TEXT),
        "logo_url": URL,
        "block_schema": object_schema(
            {
                "checksum": TEXT,
                "version": TEXT,
                "capabilities": {"type": "array", "items": TEXT},
                "fields": OBJECT,
            }
        ),
    },
    {"documentation_url": {"oneOf": [URL, {"type": "null"}]}},
)
# The requirements of `src/metadata_schemas.py` in PrefectHQ/prefect-collection-registry, commit
# 0ed56bfa3167030739243e55ead06b5d1a34a087. The registry has no schema of collections: README.md
# there shows the fields.
COLLECTION_SCHEMA = object_schema(
    {
        **dict.fromkeys(("name", "author", "latest_version", "keywords", "home_page"), TEXT),
        **dict.fromkeys(("package_url", "requires_python"), TEXT),
        "downloads": object_schema(dict.fromkeys(("last_day", "last_week", "last_month"), INTEGER)),
        "requires_dist": {"type": "array", "items": TEXT},
    }
)


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    """The contents of the files, by the name of their folder."""
    made = registry_files()
    for path, content in made.items():
        assert path.endswith(f"/v{prefect_stac_asset.__version__}.json")
        assert list(content) == [NAME]
        json.dumps(content, allow_nan=False)
    return {path.split("/")[-2]: content[NAME] for path, content in made.items()}


def test_flows_match_the_schema(files: dict[str, Any]) -> None:
    validator = jsonschema.Draft7Validator(FLOW_SCHEMA)
    for flow in files["flows"].values():
        validator.validate(flow)
        assert flow["description"]["summary"]
        assert flow["description"]["returns"]


def test_blocks_match_the_schema(files: dict[str, Any]) -> None:
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    validator = jsonschema.Draft7Validator(BLOCK_SCHEMA, format_checker=checker)
    for block in files["blocks"]["block_types"].values():
        validator.validate(block)
        assert block["block_schema"]["version"] == prefect_stac_asset.__version__


def test_collection_has_the_fields_of_the_registry(files: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(COLLECTION_SCHEMA).validate(files[NAME])
    assert any(requirement.startswith("prefect>=") for requirement in files[NAME]["requires_dist"])


def test_files_have_all_public_flows_and_blocks(files: dict[str, Any]) -> None:
    assert set(FLOWS) <= set(files["flows"]) == {flow.fn.__name__ for flow in public_flows()}
    slugs = {kind.get_block_type_slug() for kind in (*OUR_BLOCKS, prefect_stac_asset.Mirror)}
    assert set(files["blocks"]["block_types"]) == slugs


def test_registry_finds_all_blocks_in_the_package() -> None:
    """The registry looks for block classes among the members of the package."""
    found = {one for _, one in inspect.getmembers(prefect_stac_asset) if Block.is_block_class(one)}
    assert set(OUR_BLOCKS) <= found


def test_entrypoints_name_the_flows(files: dict[str, Any]) -> None:
    for flow in public_flows():
        entrypoint = files["flows"][flow.fn.__name__]["entrypoint"]
        path, _, name = entrypoint.partition(":")
        assert path.removesuffix(".py").replace("/", ".") == flow.fn.__module__
        assert name == flow.fn.__name__


def test_files_are_the_same_each_time(files: dict[str, Any]) -> None:
    again = {path.split("/")[-2]: content[NAME] for path, content in registry_files().items()}
    assert again == files


def test_files_contain_no_value_of_this_machine(
    files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", "a-secret-of-this-machine")
    monkeypatch.setenv("STAC_ASSET_INCLUDE", "a-secret-of-this-machine")
    assert "a-secret-of-this-machine" not in json.dumps(registry_files())
