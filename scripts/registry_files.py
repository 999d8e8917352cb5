"""Write the files of Prefect's collection registry: the collection, its flows and its blocks.

    make registry

The files have the paths and the form of https://github.com/PrefectHQ/prefect-collection-registry,
whose schemas a test applies. They are made from the code for each release, and are not stored in
this repository. The package has no workers.
"""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from griffe import Docstring, DocstringSectionKind, Parser, parse
from prefect import Flow
from prefect.blocks.core import Block
from prefect.blocks.system import Secret

import prefect_stac_asset
from prefect_stac_asset.flows.mirror.block import BLOCK_TYPES

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "registry"
NAME = "prefect-stac-asset"

_PAGE = f"https://pypi.org/project/{NAME}/"
_INSTALL = f"pip install {NAME}"
_LOGO = str(Secret._logo_url)
"""The icon of Prefect's own secrets. The registry requires a logo, and this project has none."""

_NO_ID = UUID(int=0)


def registry_files() -> dict[str, dict[str, Any]]:
    """Return the contents of the files, by path in the registry."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    flows = {flow.fn.__name__: _flow(flow) for flow in public_flows()}
    blocks = {kind.get_block_type_slug(): _block(kind) for kind in BLOCK_TYPES}
    file = f"v{project['version']}.json"
    return {
        f"collections/{NAME}/{file}": {NAME: _collection(project)},
        f"collections/{NAME}/flows/{file}": {NAME: dict(sorted(flows.items()))},
        f"collections/{NAME}/blocks/{file}": {NAME: {"block_types": dict(sorted(blocks.items()))}},
    }


def public_flows() -> list[Flow[..., Any]]:
    """Return the flows that the package exports."""
    exported = [getattr(prefect_stac_asset, name) for name in dir(prefect_stac_asset)]
    return [one for one in exported if isinstance(one, Flow)]


def _collection(project: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of the collection. The registry counts the downloads itself."""
    optional = [
        f"{requirement} ; extra == '{extra}'"
        for extra, requirements in project["optional-dependencies"].items()
        for requirement in requirements
    ]
    return {
        "name": NAME,
        "author": project["authors"][0]["name"],
        "latest_version": project["version"],
        "downloads": {"last_day": -1, "last_month": -1, "last_week": -1},
        "keywords": ",".join(project["keywords"]),
        "home_page": _PAGE,
        "package_url": _PAGE,
        "requires_dist": [*project["dependencies"], *optional],
        "requires_python": project["requires-python"],
    }


def _flow(flow: Flow[..., Any]) -> dict[str, Any]:
    module, name = flow.fn.__module__, flow.fn.__name__
    path = f"{module.replace('.', '/')}.py"
    return {
        "description": _description(flow),
        "documentation_url": _PAGE,
        "entrypoint": f"{path}:{name}",
        "install_command": _INSTALL,
        "logo_url": _LOGO,
        "name": flow.name,
        "parameters": flow.parameters.model_dump(mode="json"),
        "path_containing_flow": path,
        "repo_url": _PAGE,
        "slug": name,
    }


def _description(flow: Flow[..., Any]) -> dict[str, Any]:
    """Return the summary, the returned value and the examples of the docstring of a flow."""
    sections = parse(Docstring(inspect.getdoc(flow.fn) or ""), Parser.google, warnings=False)
    texts = [one.value for one in sections if one.kind is DocstringSectionKind.text]
    returned = [
        value.description
        for one in sections
        if one.kind is DocstringSectionKind.returns
        for value in one.value
    ]
    return {"summary": "\n\n".join(texts), "returns": "\n".join(returned), "examples": []}


def _block(kind: type[Block]) -> dict[str, Any]:
    hidden = {"id", "created", "updated", "is_protected"}
    described = kind._to_block_type().model_dump(mode="json", exclude=hidden)
    described["logo_url"] = described["logo_url"] or _LOGO
    described["description"] += (
        f" This block is part of the {NAME} collection. Install {NAME} with `{_INSTALL}` to use "
        "this block."
    )
    schema = kind._to_block_schema(block_type_id=_NO_ID).model_dump(
        mode="json", exclude={"id", "created", "updated", "block_type_id", "block_type"}
    )
    schema["capabilities"] = sorted(schema["capabilities"])
    return {**described, "block_schema": schema}


def main() -> None:
    """Write the files."""
    for name, content in registry_files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
