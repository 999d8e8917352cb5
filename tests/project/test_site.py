"""The documentation site: pages, links, generated references, and code blocks."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest

from scripts.site_pages.command_page import commands
from scripts.site_pages.error_page import cause_and_cure, error_classes
from stac_asset import Config
from stac_asset.cli.app import EXIT_CODES, app
from stac_asset.errors import StacAssetError
from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Resources(HTMLParser):
    """Collects the URLs that a browser requests to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in ("canonical", "next", "prev"):
            return
        name = "href" if tag == "link" else "src"
        if tag in ("link", "script", "img", "iframe", "source") and values.get(name):
            self.urls.append(str(values[name]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, built as by `make docs`: each warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def python_blocks(page: Path) -> list[str]:
    """Return the code blocks in Python, without the indent of a list."""
    blocks = re.findall(r"^( *)```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S | re.M)
    return [dedent(code) for _, code in blocks]


def text_of(site: Path, page: str) -> str:
    """Return the HTML of a page."""
    return (site / page).read_text(encoding="utf-8")


def test_pages_need_no_network(site: Path) -> None:
    for path in site.rglob("*.html"):
        resources = Resources()
        resources.feed(path.read_text(encoding="utf-8"))
        remote = [url for url in resources.urls if re.match(r"(https?:)?//", url)]
        assert remote == [], path


def test_page_of_options_lists_every_field(site: Path) -> None:
    text = text_of(site, "reference/options.html")
    for field in dataclasses.fields(Config):
        assert f"<code>{field.name}</code>" in text
        assert f"STAC_ASSET_{field.name.upper()}" in text


def test_page_of_the_command_line_has_the_help_of_every_command(site: Path) -> None:
    text = text_of(site, "reference/command-line.html")
    paths = [path for path, _ in commands()]
    assert {"stac-asset sync", "stac-asset blocks check", "stac-asset init"} <= set(paths)
    for path in paths:
        assert f'id="{path.replace(" ", "-")}"' in text
    for code in EXIT_CODES:
        assert f"<td>{code}</td>" in text


def test_pages_of_flows_and_blocks_list_parameters_and_fields(site: Path) -> None:
    assert "Criteria that select the items to mirror." in text_of(site, "reference/flows.html")
    assert "Personal access token" in text_of(site, "reference/blocks.html")
    assert "download_assets" in text_of(site, "reference/tasks.html")


def test_page_of_the_library_has_docstrings(site: Path) -> None:
    text = text_of(site, "reference/library.html")
    assert "stac_asset.api.collections.download_item" in text
    assert "keep_non_downloaded" in text


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_has_a_cause_and_a_cure(error: type[StacAssetError]) -> None:
    cause, cure = cause_and_cure(error)
    assert cause.endswith(".")
    assert cure.endswith(".")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_in_code_blocks_have_known_arguments(page: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    lines = [line.partition("  #")[0] for block in blocks for line in block.splitlines()]
    for line in lines:
        words = shlex.split(line)
        if words[:1] == ["stac-asset"]:
            check_arguments(app, words[1:])


def check_arguments(command: click.Command, words: list[str]) -> None:
    """Parse the arguments of a command and of its subcommand, without running them."""
    if isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, words
        check_arguments(found, words[1:])
    else:
        command.make_context(command.name, list(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_python_blocks_compile(page: Path) -> None:
    for code in python_blocks(page):
        compile(code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_configurations_in_code_blocks_are_valid(page: Path) -> None:
    for code in python_blocks(page):
        if re.match(r"import stac_asset\n\nconfig = ", code):
            names: dict[str, Any] = {}
            exec(code, names)
            names["config"].validate()
