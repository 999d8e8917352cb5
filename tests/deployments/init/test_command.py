"""The command `stac-asset init`: written files, files that exist, and printed steps."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from prefect.utilities.filesystem import filter_files

from prefect_stac_asset.deployments.init.choices import CODE
from prefect_stac_asset.deployments.pools import POOL_TYPES
from prefect_stac_asset.deployments.prefect_yaml import FILE, Deployment, read_deployments
from scripts.site_pages.command_results import RESULTS
from tests.support.cli import CommandResult, run_command
from tests.support.deployments_cli import run_deployments_cli

WITH_IMAGE = [name for name, kind in POOL_TYPES.items() if kind.has_image]


def run_init(folder: Path, *options: str) -> CommandResult:
    return run_command("init", folder, *options)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file in a folder, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def template_variables(folder: Path, kind: str) -> Any:
    template = json.loads((folder / "pools" / f"{kind}.json").read_text())
    return template["variables"]["properties"]


def deployments_in(file: Path) -> dict[str, Any]:
    return {one["name"]: one for one in yaml.safe_load(file.read_text())["deployments"]}


@dataclass(frozen=True)
class Repository:
    """A repository after a first run of the command."""

    kind: str
    folder: Path
    first: CommandResult


@pytest.fixture(scope="module", params=POOL_TYPES)
def repository(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Repository:
    """A repository for each type of work pool."""
    folder = tmp_path_factory.mktemp("repository")
    return Repository(request.param, folder, run_init(folder, "--type", request.param))


def test_written_files_are_those_that_the_work_pool_needs(repository: Repository) -> None:
    kind, done = repository.kind, repository.first
    assert done.code == 0, done.errors
    needed = {"prefect.yaml", f"pools/{kind}.json", "flows/stac_mirror.py", ".prefectignore"}
    written = contents(repository.folder)
    assert set(written) == needed | ({"Dockerfile"} if kind in WITH_IMAGE else set())
    assert done.output.count(": written\n") == len(written)


def test_result_is_printed_as_json(tmp_path: Path) -> None:
    done = run_init(tmp_path, "--json")
    found = json.loads(done.output)
    assert (done.code, found.keys()) == (0, RESULTS["init"].keys())
    assert {one["path"] for one in found["files"]} == set(contents(tmp_path))
    assert {one["state"] for one in found["files"]} == {"written"}
    assert any(step["commands"] for step in found["next_steps"])


def test_second_run_changes_nothing(repository: Repository) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in repository.folder.rglob("*")}

    before, times = contents(repository.folder), state()
    second = run_init(repository.folder, "--type", repository.kind)
    assert second.code == 0
    assert (contents(repository.folder), state()) == (before, times)
    assert second.output == repository.first.output.replace(": written\n", ": exists already\n")


def test_existing_files_of_the_user_are_kept(tmp_path: Path) -> None:
    own = {"Dockerfile": "FROM own\n", ".prefectignore": "own\n", "flows/stac_mirror.py": "own\n"}
    (tmp_path / "flows").mkdir()
    for name, text in own.items():
        (tmp_path / name).write_text(text)
    done = run_init(tmp_path, "--type", "docker")
    assert done.code == 0, done.errors
    for name, text in own.items():
        assert (tmp_path / name).read_text() == text
        assert f"{name}: exists with other content, and is kept\n" in done.output


def test_symlink_is_never_followed_to_write(tmp_path: Path) -> None:
    (tmp_path / ".prefectignore").symlink_to(tmp_path / "elsewhere")
    assert run_init(tmp_path).code == 0
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("text", ["name: own\ndeployments: []\n", "no: [yaml", "[]", ""])
def test_existing_prefect_yaml_without_the_deployments_is_refused(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / "prefect.yaml").write_text(text)
    done = run_init(tmp_path)
    assert (done.code, contents(tmp_path)) == (2, {"prefect.yaml": text.encode()})
    assert "already exists without the deployments example. Choose another" in done.errors
    other = run_init(tmp_path, "--file", "stac-asset.yaml")
    assert other.code == 0, other.errors
    assert "deploy --all --prefect-file stac-asset.yaml\n" in other.output


def test_edited_prefect_yaml_is_kept(tmp_path: Path) -> None:
    run_init(tmp_path)
    file = tmp_path / "prefect.yaml"
    file.write_text(file.read_text() + "# edited\n")
    done = run_init(tmp_path)
    assert (done.code, file.read_text()[-9:]) == (0, "# edited\n")
    assert "prefect.yaml: exists with other content, and is kept\n" in done.output


def test_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "flows").touch()
    done = run_init(tmp_path)
    assert done.code == 2
    assert done.errors.startswith(f"error: Cannot write '{tmp_path / 'flows' / 'stac_mirror.py'}':")


def test_packaged_deployments_are_included_by_name(tmp_path: Path) -> None:
    names = [deployment.name for deployment in read_deployments()]
    options = [option for name in names for option in ("--deployment", name)]
    assert run_init(tmp_path, *options).code == 0
    assert list(deployments_in(tmp_path / "prefect.yaml")) == ["example", *names]
    for name, deployment in deployments_in(tmp_path / "prefect.yaml").items():
        if name != "example":
            Deployment.model_validate(deployment)


def test_source_and_directory_replace_those_of_the_package(tmp_path: Path) -> None:
    done = run_init(
        tmp_path,
        "--deployment", "sync",
        "--deployment", "verify",
        "--source", "https://example.com/stac",
        "--collection", "a",
        "--directory", "s3://bucket/prefix",
        "--pool", "mine",
    )  # fmt: skip
    assert done.code == 0, done.errors
    listed = deployments_in(tmp_path / "prefect.yaml")
    for name in ("example", "sync"):
        assert listed[name]["parameters"] == {
            "source": "https://example.com/stac",
            "directory": "s3://bucket/prefix",
            "max_items": 500,
            "search": {"collections": ["a"]},
        }
    assert listed["verify"]["parameters"] == {"directory": "s3://bucket/prefix"}
    assert {one["work_pool"]["name"] for one in listed.values()} == {"mine"}


def test_example_is_found_where_its_runs_change_to(repository: Repository) -> None:
    folder = repository.folder
    example = deployments_in(folder / "prefect.yaml")["example"]
    (step,) = example["pull"][0].values()
    path, _, function = example["entrypoint"].partition(":")
    if repository.kind in WITH_IMAGE:
        assert step["directory"] == CODE
        assert f"COPY flows {CODE}/flows\n" in (folder / "Dockerfile").read_text()
    else:
        assert step["directory"] == str(folder)
    tree = ast.parse((folder / path).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}


def test_directories_outlive_the_runs(repository: Repository) -> None:
    kind, folder = repository.kind, repository.folder
    variables = template_variables(folder, kind)
    directory = deployments_in(folder / "prefect.yaml")["example"]["parameters"]["directory"]
    if kind in ("ecs", "cloud-run"):
        assert directory.startswith(("s3://", "gs://"))
    elif kind == "docker":
        assert variables["volumes"]["default"] == ["/srv/stac:/srv/stac"]
        assert directory == "/srv/stac/mirror"
    elif kind == "kubernetes":
        assert variables["volume_mounts"]["default"][0]["mountPath"] == "/srv/stac"
        assert directory == "/srv/stac/mirror"
    else:
        assert variables["working_dir"]["default"] == str(folder)
        assert directory == str(folder / "mirror")


@pytest.mark.parametrize(
    ("given", "expected"),
    [("data", "{folder}/data"), ("../data", "{parent}/data"), ("/data", "/data")],
)
def test_directory_is_absolute(given: str, expected: str, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    run_init(folder, "--directory", given)
    example = deployments_in(folder / "prefect.yaml")["example"]
    wanted = expected.format(folder=folder, parent=tmp_path)
    assert example["parameters"]["directory"] == wanted
    ignored = (folder / ".prefectignore").read_text().splitlines()
    assert ("/data" in " ".join(ignored)) == (given == "data")


def test_directory_in_a_container_is_a_volume(tmp_path: Path) -> None:
    run_init(tmp_path, "--type", "docker", "--directory", "/data/stac")
    volumes = template_variables(tmp_path, "docker")["volumes"]["default"]
    assert volumes == ["/data/stac:/data/stac"]
    assert " /data/stac\n" in (tmp_path / "Dockerfile").read_text()


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_object_store_needs_no_volume(kind: str, tmp_path: Path) -> None:
    run_init(tmp_path, "--type", kind, "--directory", "s3://bucket/mirror")
    variables = template_variables(tmp_path, kind)
    assert variables["volumes"]["default"] == []
    assert variables.get("volume_mounts", {}).get("default", []) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--type", "ecs", "--directory", "/data"], "Directory '/data' is lost when a container"),
        (
            ["--deployment", "nope"],
            "'nope' is not a deployment of this package. Use download-item, ",
        ),
        (["--cron", "nightly"], "'nightly' is not a cron expression. Use for example"),
        (["--collection", "a"], "--collection needs --source."),
        (["--no-example"], "--no-example leaves no deployment."),
        (["--no-example", "-d", "sync", "--cron", "0 2 * * *"], "Remove --no-example."),
        (["--pool", " "], "the value is empty."),
        (["--directory", ""], "the value is empty."),
        (["--image", "x\nRUN rm"], "is not the name of an image."),
        (["--source", "https://u:a-secret@example.com"], "contains a user or password"),
        (["--type", "nomad"], "'nomad' is not one of 'process', "),
    ],
)
def test_invalid_options_are_refused_before_files_are_written(
    options: list[str], message: str, tmp_path: Path
) -> None:
    done = run_init(tmp_path, *options)
    assert done.code in (1, 2)
    assert message in done.errors
    assert "a-secret" not in done.errors
    assert contents(tmp_path) == {}


def test_file_only_copies_the_packaged_deployments(tmp_path: Path) -> None:
    done = run_init(tmp_path, "--file-only", "--file", "mine.yaml")
    assert done.code == 0, done.errors
    assert set(contents(tmp_path)) == {"mine.yaml"}
    assert "make up FILE=mine.yaml\n" in done.output
    assert read_deployments(tmp_path / "mine.yaml") == read_deployments(FILE)


def test_steps_begin_with_a_server_if_prefect_has_none(tmp_path: Path) -> None:
    server = "python -m prefect_stac_asset server"
    without = run_deployments_cli("init", str(tmp_path / "a"))
    assert server in without.stdout
    url = "http://127.0.0.1:1/api"
    assert server not in run_deployments_cli("init", str(tmp_path), PREFECT_API_URL=url).stdout


def test_image_installs_this_package_and_runs_without_root(tmp_path: Path) -> None:
    done = run_init(tmp_path, "--type", "cloud-run", "--image", "registry.example.com/stac:1")
    text = (tmp_path / "Dockerfile").read_text()
    assert re.search(r'^ARG STAC_ASSET="prefect-stac-asset\[gcs\]==\d', text, re.M)
    assert re.search(r'"prefect==3\.\d+\.\d+" "\$STAC_ASSET"$', text, re.M)
    assert text.index("USER stac") > text.index("RUN useradd")
    assert "docker push registry.example.com/stac:1\n" in done.output


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each with its text in a line."""
    text = dockerfile.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def test_dockerfile_is_valid_where_docker_is_absent(repository: Repository) -> None:
    if repository.kind not in WITH_IMAGE:
        assert not (repository.folder / "Dockerfile").exists()
        return
    found = instructions(repository.folder / "Dockerfile")
    assert found[0] == ("FROM", "python:3.13-slim")
    assert {name for name, _ in found} == {"FROM", "ARG", "RUN", "COPY", "USER", "WORKDIR", "ENV"}
    for name, rest in found:
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", rest], check=True)
        if name == "COPY":
            source, target = rest.split()
            assert (repository.folder / source).is_dir()
            assert target == f"{CODE}/{source}"
        if name == "ENV":
            assert all("=" in pair for pair in rest.split())
    (argument,) = [rest for name, rest in found if name == "ARG"]
    requirement = Requirement(argument.removeprefix("STAC_ASSET=").strip('"'))
    assert requirement.name == "prefect-stac-asset"
    assert requirement.specifier.contains(version("prefect-stac-asset"), prereleases=True)
    extras = metadata("prefect-stac-asset").get_all("Provides-Extra") or []
    assert requirement.extras <= set(extras)
    (folder,) = [rest for name, rest in found if name == "WORKDIR"]
    assert any(f"--owner stac {folder}" in rest for name, rest in found if name == "RUN")


def test_prefectignore_keeps_flows_and_leaves_out_the_rest(tmp_path: Path) -> None:
    assert run_init(tmp_path).code == 0
    uploaded = {"prefect.yaml", "flows/stac_mirror.py", "pools/process.json", "data/own.csv"}
    ignored = {".git/config", ".venv/bin/python", "flows/__pycache__/a.pyc", ".env", "mirror/a.tif"}
    ignored |= {"data/.a.tif.part", "data/.a.tif.part.json"}
    for name in uploaded | ignored:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patterns = (tmp_path / ".prefectignore").read_text().splitlines()
    found = filter_files(str(tmp_path), patterns, include_dirs=False)
    assert {name for name in found if (tmp_path / name).is_file()} >= uploaded
    assert not found & ignored
