"""Every code block of the documentation runs, with servers on this machine in place of the hosts.

All pages share the Prefect server of the session, an origin, a STAC API and an S3 service. The
blocks of a page run in order in an empty directory.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # Prefect installs the package without types

from prefect_stac_asset import DownloadOptions, blocks, flows
from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from stac_asset import Config
from stac_asset.testing import Origin
from tests.support.cli import run_command
from tests.support.documented_code import CodeBlock, code_blocks, run_python
from tests.support.paths import ROOT
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket, moto_service
from tests.support.search_api import CQL2, SearchApi, found_item, search_api

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_BLOCKS = [page for page in PAGES if code_blocks(page)]

NOT_RUN = {
    "README.md|import asyncio\n\nimport stac_asset": "tests/project/test_readme.py runs this",
    "own-flows.md|import pystac": "tests/project/test_own_flows_page.py runs this",
    "runners.md|from prefect_dask": "tests/flows/execution/test_runner_dask.py has a cluster",
    "runners.md|from prefect_ray": "tests/flows/execution/test_runner_ray.py has a cluster",
    "scaling.md|from prefect_stac_asset import sync": "tests/flows/distribution/test_runs.py has "
    "workers",
    "deployments.md|from sdk": "tests/deployments/test_deploy_methods.py generates the module",
}
"""Python blocks that do not run here: page and beginning of the block, and the reason."""

NOT_RUN_COMMANDS = {
    "git ": "needs the network",
    "pip ": "tests/installation/test_wheel.py installs the package",
    "cd ": "changes the directory of a shell",
    "export ": "sets a variable of a shell",
    "DATABASE=": "tests/deployments/local_stack/test_stack.py runs `make up` with PostgreSQL",
    "loginctl ": "changes the machine",
    "make ": "tests/deployments/local_stack/test_stack.py runs the commands of the targets",
    "prefect ": "commands of Prefect; tests/deployments/init/test_command.py runs those of init",
    "docker ": "needs Docker",
    "aws ": "a program of AWS",
    "rclone serve": "tests/browser/test_stac_browser.py serves a mirror in this way",
    "python -m http.server": "the origin of the tests takes its place",
    "echo ": "tests/browser/test_run_form.py damages a file in this way",
    ".venv/bin/": "tests/browser/test_run_form.py carries out the tutorial",
    "python -m prefect_stac_asset": "tests/deployments runs the commands with servers and workers",
    "python examples/notify.py": "tests/support/automation_runs.py creates the automation",
    "stac-asset blocks check mine": "requests NASA's host; tests/blocks/test_cli.py has a server",
}
"""Commands that do not run here: beginning of the command, and the reason."""

SETUP = {
    "credentials.md": """
EarthdataCredentials(token="t").save("mine", overwrite=True)
S3Credentials(buckets=["eodata"]).save("eodata", overwrite=True)
asyncio.run(deploy(flows.download_item, "download-item"))
""",
    "mirror.md": """
PlanetaryComputerCredentials(subscription_key="k").save("mine", overwrite=True)
""",
    "verify.md": """
search = Search(collections=["sentinel-2-l2a"], datetime="last 10 days")
asyncio.run(flows.sync(api, f"{data}/sentinel-2", search, DownloadOptions(include=["visual"])))
""",
    "incomplete-mirror.md": "asyncio.run(flows.sync(api, 'mirror'))",
    "object-stores.md": """
S3Credentials(
    access_key_id=KEY, secret_access_key=SECRET, endpoint_url=s3, buckets=["my-bucket"]
).save("my-bucket", overwrite=True)
""",
    "deployments.md": """
asyncio.run(create_pool("stac-asset"))
Path("nightly.py").write_text("from prefect import flow\\n\\n@flow\\ndef nightly(): ...\\n")
""",
}
"""Code that runs before the blocks of a page."""

CALLS = {
    "async def mine": 'asyncio.run(mine(href, "downloads"))',
    "async def nightly": "asyncio.run(nightly(HttpCredentials(hosts=['example.com'], token='t')))",
    "def process_item": """
assert process_item("a", {"data": __file__}, "item.json") == {"data": Path(__file__).stat().st_size}
""",
}
"""Code that calls the flow that a block defines."""

CHANGES = {
    '    "download-item/download-item",': '    "download-item/download-item", timeout=0,',
    '"/srv/flows"': '"."',
}
"""Parts of blocks that are replaced: a run that no worker starts is not awaited."""


@dataclass(frozen=True)
class World:
    """The servers that replace the hosts of the documentation."""

    origin: Origin
    api: SearchApi
    s3: str

    def on_this_machine(self, code: str, folder: Path) -> str:
        """Replace hosts, absolute directories and placeholders of a block."""
        for host in (
            "https://earth-search.aws.element84.com/v1",
            "https://planetarycomputer.microsoft.com/api/stac/v1",
            "https://landsatlook.usgs.gov/stac-server",
            "https://api.example.com",
        ):
            code = code.replace(host, self.api.url)
        code = code.replace("http://127.0.0.1:8011", self.origin.url)
        code = code.replace("https://example.com/item.json", self.origin.href("/item.json"))
        code = re.sub(r"(?<![\w.])/(data|srv/stac)\b", f"{folder}/data", code)
        for old, new in CHANGES.items():
            code = code.replace(old, new)
        return re.sub(r"\.save\((\s*\"[a-z-]+\")\)", r".save(\1, overwrite=True)", code).replace(
            "…", "x"
        )


def items_of(origin: Origin) -> list[dict[str, Any]]:
    """Return the items that the pages name, with all assets that the pages select."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    keys = ("visual", "red", "nir", "scl", "B04", "B08")
    found = []
    for collection, name, moment, place in (
        ("sentinel-2-l2a", "S2B_berlin", yesterday, (13.4, 52.5)),
        ("sentinel-2-l2a", "S2B_MSIL2A_20240825T173909_R098_T13TDE_20240825T215747", "", None),
        ("sentinel-2-c1-l2a", "S2A_T13TDE_20240422T174753_L2A", "", None),
        ("sentinel-2-c1-l2a", "S2A_in_june", "2024-06-10T10:00:00Z", (6.0, 51.0)),
        ("landsat-c2l2-sr", "LC09_L2SP_092068_20230607_20230609_02_T1_SR", "", None),
        ("scenes", "1", "", None),
    ):
        assets = {key: {"href": origin.href(f"/{name}/{key}.tif?size=100")} for key in keys}
        item = found_item(name, collection, assets=assets)
        item["properties"]["datetime"] = moment or "2024-04-22T17:47:53Z"
        if place is not None:
            item["geometry"]["coordinates"] = list(place)
            item["bbox"] = [*place, *place]
        found.append(item)
    return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Start the servers, and create the bucket of the pages."""
    conforms = [*SearchApi([]).conforms, *CQL2, "https://api.stacspec.org/v1.0.0/item-search#query"]
    with (
        Origin() as origin,
        moto_service() as s3,
        search_api(items_of(origin), methods=("GET", "POST"), conforms=conforms) as api,
    ):
        asyncio.run(_create_bucket(s3))
        origin.put("/item.json", json.dumps(api.items[0]).encode())
        for path in (ROOT / "examples" / "data").iterdir():
            origin.put(f"/{path.name}", path.read_bytes())
        yield World(origin, api, s3)


async def _create_bucket(endpoint: str) -> None:
    async with Bucket.client_of(endpoint) as client:
        await client.create_bucket(Bucket="my-bucket")


@pytest.fixture
def folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the files that the pages name."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    items = world.api.items[:2]
    (tmp_path / "item.json").write_text(json.dumps(items[0]))
    document = {"type": "FeatureCollection", "features": items}
    (tmp_path / "items.json").write_text(json.dumps(document))
    (tmp_path / "items.ndjson").write_text("".join(f"{json.dumps(item)}\n" for item in items))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", world.s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return tmp_path


@pytest.mark.usefixtures("prefect_test")
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda path: path.stem)
def test_code_blocks_run(page: Path, world: World, folder: Path) -> None:
    names = _names(world, folder)
    run_python(SETUP.get(page.name, ""), names, f"setup of {page.name}")
    for block in code_blocks(page):
        code = world.on_this_machine(block.text, folder)
        match block.language:
            case "python" | "py" if not _is_listed(block):
                _run_block(block, code, _names(world, folder))
            case "sh":
                for command in block.commands():
                    if not command.startswith(tuple(NOT_RUN_COMMANDS)):
                        _run_shell(world.on_this_machine(command, folder), block)
            case "yaml":
                _read_yaml(code, folder)
            case "toml":
                options = tomllib.loads(code)["integrations"]["stac_asset"]
                DownloadOptions.model_validate(options)
            case "json":
                json.loads(code)


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda path: path.stem)
def test_code_blocks_have_known_languages(page: Path) -> None:
    known = {"python", "py", "sh", "yaml", "toml", "json", "text"}
    assert {block.language for block in code_blocks(page)} <= known


def test_listed_blocks_and_tests_exist() -> None:
    found = {_listed(block) for page in PAGES for block in code_blocks(page)}
    assert found == {None, *NOT_RUN}
    commands = [
        command
        for page in PAGES
        for block in code_blocks(page)
        if block.language == "sh"
        for command in block.commands()
    ]
    for start in NOT_RUN_COMMANDS:
        assert any(command.startswith(start) for command in commands), start
    for reason in [*NOT_RUN.values(), *NOT_RUN_COMMANDS.values()]:
        for named in re.findall(r"tests/[\w/]+(?:\.py)?", reason):
            assert (ROOT / named).exists(), named


def _listed(block: CodeBlock) -> str | None:
    """Return the key of a block in `NOT_RUN`."""
    keys = [key for key in NOT_RUN if f"{block.page.name}|{block.text}".startswith(key)]
    return keys[0] if keys else None


def _is_listed(block: CodeBlock) -> bool:
    return _listed(block) is not None


def _names(world: World, folder: Path) -> dict[str, Any]:
    """Return the names that the blocks use without a definition, and those of the set-up."""
    public = {name: getattr(blocks, name) for name in blocks.__all__}
    return public | {
        "__name__": "documented",
        "__file__": __file__,
        "DownloadOptions": DownloadOptions,
        "KEY": KEY,
        "Path": Path,
        "SECRET": SECRET,
        "Search": flows.Search,
        "api": world.api.url,
        "asyncio": asyncio,
        "create_pool": _create_pool,
        "data": folder / "data",
        "deploy": _deploy,
        "flows": flows,
        "href": world.origin.href("/item.json"),
        "key": json.dumps({"type": "service_account", "private_key": "k", "client_email": "e"}),
        "s3": world.s3,
        "source": world.api.url,
        "text": "DefaultEndpointsProtocol=https;AccountName=account;AccountKey=a2V5;",
        "token": "sv=2026&sig=x",
    }


async def _create_pool(name: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    async with get_client() as client:
        pool = WorkPoolCreate(name=name, type="process")
        await client.create_work_pool(pool, overwrite=True)


async def _deploy(flow: Any, name: str) -> None:
    deployment = await flow.to_deployment(name)
    await deployment.aapply()


def _run_block(block: CodeBlock, code: str, names: dict[str, Any]) -> None:
    """Run a block, call the defined flow, and load the saved blocks."""
    run_python(code, names, block.place)
    for definition, call in CALLS.items():
        if definition in code:
            run_python(call, names, block.place)
    if isinstance(names.get("config"), Config):
        names["config"].validate()
    for kind, name in re.findall(r"^(\w+)\(.*?\)\.save\(\s*\"([a-z-]+)\"", code, re.M | re.S):
        assert type(names[kind].load(name)).__name__ == kind


def _run_shell(command: str, block: CodeBlock) -> None:
    """Run a command of `stac-asset` in this process."""
    document = None
    if command.startswith("cat "):
        name, command = re.fullmatch(r"cat (\S+) \| (.*)", command).groups()  # type: ignore[union-attr]
        document = Path(name).read_text()
    program, *arguments = shlex.split(command)
    assert program == "stac-asset", f"{block.place}: run or list the command: {command}"
    done = run_command(*arguments, document=document)
    assert done.code == 0, (block.place, command, done)


def _read_yaml(code: str, folder: Path) -> None:
    """Read a `prefect.yaml`, or the parameters of a deployment of `sync`."""
    document = yaml.safe_load(code)
    if "deployments" not in document:
        deployment = {
            "name": "documented",
            "description": "A deployment.",
            "entrypoint": "prefect_stac_asset.flows.sync",
            "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
            "work_pool": {"name": "stac-asset"},
            **document,
        }
        needed = {"source": "https://example.com", "directory": str(folder)}
        if "mirror" not in deployment["parameters"]:
            deployment["parameters"] = needed | deployment["parameters"]
        document = {"name": "documented", "pull": [], "deployments": [deployment]}
    file = folder / "documented.yaml"
    file.write_text(json.dumps(document))
    assert read_deployments(file)
