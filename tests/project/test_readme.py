"""Commands, files and code of the README."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import stac_asset
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()


def test_python_example_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len([line for line in code.splitlines() if line]) <= 10
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    start = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(start, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert str(tmp_path / "downloads" / "example-1.json") in done.stdout
    assert "./example-1_ndvi.tif" in done.stdout
    assert (tmp_path / "downloads" / "example-1_ndvi.tif").stat().st_size > 4096


async def test_notebook_example_runs_in_a_running_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    (line,) = re.findall(r"`(await stac_asset\..*)`", README)
    code = compile(line, "cell", "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, {"stac_asset": stac_asset})
    assert (tmp_path / "downloads" / "example-1.json").is_file()


def test_readme_is_short() -> None:
    assert len(README.splitlines()) < 120


def test_named_targets_and_files_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.M), target
    images = re.findall(r"!\[[^]]*\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", README)
    assert len(images) >= 3
    for image in (linked or embedded for linked, embedded in images):
        assert (ROOT / image).is_file(), image


def test_ci_runs_exactly_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    lines = [line for line in script.splitlines() if not line.startswith("#")]
    targets = ("demo", "lint", "test", "test-install", "test-ends")
    commands = ["scripts/install-system-packages", *(f"make {target}" for target in targets)]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', *commands]
    assert all(f"`{command}`" in README for command in commands)


def test_workflow_runs_the_same_checks() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "- run: .ci/run\n" in workflow
    assert 'python: ["3.11", "3.12", "3.13"]' in workflow
    assert "os: [ubuntu-latest, macos-latest]" in workflow
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert "entry: make lint\n" in hooks


def test_help_lists_every_target() -> None:
    done = subprocess.run(["make", "help"], check=True, capture_output=True, text=True, cwd=ROOT)
    listed = set(re.findall(r"^  make ([a-z-]+)", done.stdout, re.M))
    phony = set(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M))
    assert listed == phony
    assert {"demo", "test", "lint", "help"} <= listed
